"""A provider that is never the bottleneck: OpenAI's streaming wire format on bare asyncio, and what it saw.

    python -m bench.provider --port 9000

Every model answers by the same script (``PUT /script``): ``tokens`` numbered words at ``tps`` a second after
``first`` seconds, as running text or as one Markdown list. ``GET /calls`` returns what was seen of each call:
moments by the clock that all processes of a machine share (``time.monotonic``), and each token's moment.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: keep-alive\r\n\r\n"
)
USAGE = {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}


@dataclass
class Script:
    """How every model answers. Seconds and tokens a second; ``as_list`` makes one list of it."""

    tokens: int = 126
    tps: float = 45.0
    first: float = 0.2
    as_list: bool = False


@dataclass
class Call:
    """One call as the provider saw it. Moments are seconds; ``wall`` is the arrival by the wall clock."""

    model: str
    arrived: float
    wall: float
    sent: list[float] = field(default_factory=list)
    last_byte: float = 0.0
    hung_up: bool = False


class Bench:
    """The script, and all calls since it was set."""

    def __init__(self) -> None:
        self.script = Script()
        self.calls: list[Call] = []


class Connection(asyncio.Protocol):
    """One connection of a client, kept alive between calls."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._call: Call | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """Note who hung up in the middle."""
        if self._call:
            self._call.hung_up = True
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer each request once it is there as a whole."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, rest = self._received.partition(b"\r\n\r\n")
            length = _content_length(head)
            if len(rest) < length:
                return
            self._received = rest[length:]
            self._answer(head.split(b" ", 2), rest[:length])

    def _answer(self, request: list[bytes], body: bytes) -> None:
        method, path = request[0], request[1]
        if path.endswith(b"/chat/completions"):
            self._stream(orjson.loads(body)["model"])
        elif method == b"PUT":
            self._bench.script, self._bench.calls = Script(**orjson.loads(body)), []
            self._write_json({})
        else:
            self._write_json([asdict(call) for call in self._bench.calls])

    def _write_json(self, document: Any) -> None:
        body = orjson.dumps(document)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        if self._transport:
            self._transport.write(head.encode() + body)

    def _stream(self, model: str) -> None:
        call = Call(model, time.monotonic(), time.time())
        self._bench.calls.append(call)
        self._call = call
        loop = asyncio.get_running_loop()
        script = self._bench.script
        begun = loop.time() + script.first
        loop.call_at(begun, self._write_token, loop, call, script, begun, 0)

    def _write_token(
        self, loop: asyncio.AbstractEventLoop, call: Call, script: Script, begun: float, number: int
    ) -> None:
        if self._transport is None:
            return
        call.sent.append(time.monotonic())
        event = _chunk({"content": _word(script, call.model, number)})
        if number + 1 == script.tokens:
            usage = {**USAGE, "completion_tokens": script.tokens}
            last = _chunk({}, finish="stop") + _event({"choices": [], "usage": usage})
            self._transport.write(event + last + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")
            call.last_byte, self._call = time.monotonic(), None
            return
        self._transport.write(HEAD + event if number == 0 else event)
        due = begun + (number + 1) / script.tps
        loop.call_at(due, self._write_token, loop, call, script, begun, number + 1)


def _word(script: Script, model: str, number: int) -> str:
    if script.as_list:
        return f"{'' if number % 6 else f'{chr(10)}- '}{model}-{number} "
    return f"{model}-{number} "


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    return _event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _event(document: dict[str, Any]) -> bytes:
    return _framed(b"data: " + orjson.dumps(document) + b"\n\n")


def _framed(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


async def serve(port: int) -> None:
    """Serve on 127.0.0.1 until the process ends."""
    bench = Bench()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(bench), "127.0.0.1", port, backlog=1024)
    print(f"Bench provider on http://127.0.0.1:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.provider", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(serve(parser.parse_args().port))
