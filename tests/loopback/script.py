"""What a loopback model does, as a value or written into its name."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from enum import StrEnum
from threading import Event
from typing import Any, get_type_hints

PREFIX = "loop:"


class Fault(StrEnum):
    """How a call goes wrong. Faults inside the stream come after ``after`` tokens."""

    NONE = ""
    STATUS = "status"  # another status than 200, with an error body
    REDIRECT = "redirect"
    HANG_HEADERS = "hang_headers"  # the request is read, nothing comes back
    STALL = "stall"  # the headers and ``after`` tokens come, then nothing
    PINGS = "pings"  # the same, but the connection is kept alive by comments and pings
    CUT = "cut"  # a clean end without the finish marker
    DROP = "drop"  # the connection closes within a chunk
    RESET = "reset"  # TCP reset
    HTML = "html"  # an HTML page that says it is an event stream
    HTML_PAGE = "html_page"  # an HTML page that says so
    MALFORMED = "malformed"  # an event that is no JSON
    WRONG_SHAPE = "wrong_shape"  # JSON of another shape
    ERROR_EVENT = "error_event"  # an error object inside the stream, ``overloaded`` by default
    JSON_ERROR = "json_error"  # 200 and an error as a JSON document
    HUGE = "huge"  # one event of ``huge_mb`` MB that never ends


@dataclass(frozen=True, slots=True)
class Script:
    """An answer: ``tokens`` words that carry ``tag``, or ``text``. Times are seconds; ``tps`` 0: at once."""

    tokens: int = 12
    text: str = ""
    tag: str = ""
    first: float = 0.0
    tps: float = 0.0
    begins: Event | None = None  # no word, and no other status, leaves before a test sets it
    ends: Event | None = None  # the last word waits for it
    goes_on: Event | None = None  # the word of number ``held_at`` waits for it
    held_at: int = 0
    gather: int = 0  # no answer begins before so many calls are there, of whatever models
    reasoning: int = 0
    echo: bool = False
    finish: str = "stop"  # or length, content_filter, refusal, blocked_prompt
    usage: bool = True
    end_marker: bool = True  # [DONE] or message_stop after the finish
    early: int = 0  # so many of the first tokens come with a finish marker already
    premature: bool = False  # one comes before the first token
    litter: bool = False  # something that is no JSON follows the finish
    linger: float = 0.0  # seconds that the stream stays open after it
    crlf: bool = False
    split: int = 0  # bytes per write; 0 writes whole events
    compress: bool = False
    long_line: int = 0  # one token is that many characters long
    fault: Fault = Fault.NONE
    after: int = 0
    fail_times: int = 0  # only the first calls go wrong; 0 means all
    status: int = 500
    error: str = ""  # the provider's own word for the error
    message: str = "loopback says no"
    plain: bool = False  # a JSON_ERROR is a bare text, as from some servers of one's own
    unfinished: bool = False  # an ERROR_EVENT lacks the empty line at its end; litter is then such a one
    raw: bytes = b""  # the whole body that comes with the status, whatever the wire
    retry_after: str = ""
    huge_mb: int = 20

    def at_call(self, number: int) -> Script:
        """Return what the model does at this call, counted from 1."""
        if self.fail_times and number > self.fail_times:
            return dataclasses.replace(self, fault=Fault.NONE)
        return self

    def words(self, model: str, prompt: str) -> list[str]:
        """Return the answer's tokens: each names the model, so that a stray one shows."""
        tag = self.tag or model
        if self.text:
            return [self.text] if self.split else re.split(r"(?<= )", self.text)
        if self.long_line:
            return [f"{tag}-{'x' * self.long_line} "]
        words = [f"{tag}-{number} " for number in range(self.tokens)]
        return [*words, f"{tag} heard: {prompt}"] if self.echo else words


_TYPES = get_type_hints(Script)


def parse(model: str) -> Script | None:
    """Read ``loop:tps=50,tokens=150,fault=cut,after=20``; None if the name is not of that form."""
    if not model.startswith(PREFIX):
        return None
    values: dict[str, Any] = {}
    for part in model.removeprefix(PREFIX).split(","):
        name, _, value = part.partition("=")
        values[name] = value == "1" if _TYPES[name] is bool else _TYPES[name](value)
    return Script(**values)
