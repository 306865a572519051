"""Server-sent events from raw bytes, without I/O.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html (ids and retry times are ignored).
"""

from __future__ import annotations

from typing import NamedTuple

MAX_EVENT_BYTES = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """One event. ``data`` stays UTF-8 bytes: JSON decoders read those, and nothing is decoded twice."""

    name: str
    data: bytes


class EventTooLargeError(ValueError):
    """One event has more bytes than we are willing to hold."""


class EventStreamDecoder:
    """Turns any cutting of a byte stream into the same events. Raises ``EventTooLargeError``."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit = max_event_bytes
        # The unfinished line in pieces: joining at each piece would be quadratic for a line of 10 MB.
        self._line: list[bytes] = []
        self._line_size = 0
        self._name = ""
        self._data: list[bytes] = []
        self._data_size = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Take the next bytes and return the events that they complete."""
        if self._after_cr or b"\r" in data:
            data = self._with_plain_ends(data)
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._line:
            lines[0] = b"".join([*self._line, lines[0]])
            self._line, self._line_size = [], 0
        events = self._read(lines)
        if rest:
            self._line.append(rest)
            self._line_size += len(rest)
        if self._line_size + self._data_size > self._limit:
            raise EventTooLargeError(f"An event is larger than {self._limit} bytes.")
        return events

    def close(self) -> list[ServerSentEvent]:
        """Return the event whose last line or empty line is missing, as some servers leave it."""
        rest = b"".join(self._line)
        self._line = []
        return self._read([rest, b""] if rest else [b""])

    def _with_plain_ends(self, data: bytes) -> bytes:
        # A CR ends its line at once; the LF of a CRLF that was cut in two must not end another.
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _read(self, lines: list[bytes]) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        for line in lines:
            if self._at_start:
                line = line.removeprefix(_BOM)
                self._at_start = False
            if line:
                self._take(line)
                continue
            if self._data:
                events.append(ServerSentEvent(self._name, b"\n".join(self._data)))
                self._data, self._data_size = [], 0
            self._name = ""
        return events

    def _take(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            self._data.append(value)
            self._data_size += len(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
