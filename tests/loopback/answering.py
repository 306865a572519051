"""How the loopback provider plays one script on one connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from threading import Event

from aiohttp import web

from tests.loopback.recording import Call, Recording
from tests.loopback.script import Fault, Script
from tests.loopback.wires import Wire

FOREVER = 3600.0
PING_EVERY = 0.02
PAGE = "<!doctype html>\n<html><body><h1>Bad gateway</h1></body></html>\n"


class Answer:
    """One answer on its way."""

    def __init__(self, wire: Wire, script: Script, call: Call, recording: Recording) -> None:
        self._wire = wire
        self._script = script
        self._call = call
        self._recording = recording
        self._clock = asyncio.get_running_loop().time
        self._response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
        self._request: web.BaseRequest | None = None

    async def play(self, request: web.Request) -> web.StreamResponse:
        """Answer the request as the script says."""
        self._request = request
        plain = await self._answer_without_stream()
        if plain is not None:
            return plain
        if self._script.compress:
            self._response.enable_compression(web.ContentCoding.gzip)
        await self._response.prepare(request)
        for text in self._wire.opening(self._script, self._call.body):
            await self._write(text)
        if self._script.premature:
            await self._write(self._wire.token("", is_last=True))
        if await self._stream():
            await self._response.write_eof()
            self._recording.note(self._call, finished=True)
        return self._response

    async def _answer_without_stream(self) -> web.StreamResponse | None:
        script = self._script
        match script.fault:
            case Fault.HANG_HEADERS:
                await asyncio.sleep(FOREVER)
            case Fault.STATUS:
                await _once(script.begins)
                body = self._wire.error(script.status, script.error, script.message)
                headers = {"retry-after": script.retry_after} if script.retry_after else {}
                if script.raw:
                    return web.Response(body=script.raw, status=script.status, headers=headers)
                return web.json_response(body, status=script.status, headers=headers)
            case Fault.JSON_ERROR:
                body = self._wire.error(503, script.error, script.message)
                return web.json_response({"error": script.message} if script.plain else body)
            case Fault.REDIRECT:
                return web.Response(status=307, headers={"location": "http://127.0.0.1:9/elsewhere"})
            case Fault.HTML_PAGE:
                return web.Response(text=PAGE, content_type="text/html")
            case Fault.HTML:
                return web.Response(text=PAGE, content_type="text/event-stream")
        return None

    async def _stream(self) -> bool:
        """Send the tokens when they are due; False if the connection is no longer fit for an end."""
        script = self._script
        while len(self._recording.of()) < script.gather:  # noqa: ASYNC110 - calls come in another task each
            await asyncio.sleep(0.01)
        await _once(script.begins)
        begin = self._clock() + script.first
        pace = 1 / script.tps if script.tps else 0.0
        words = list(self._words())
        assert not script.goes_on or script.held_at < len(words)
        for number, text in enumerate(words):
            if number == script.held_at and script.goes_on:
                await _once(script.goes_on)
                begin = self._clock() - number * pace
            await self._wait_until(begin + number * pace)
            if number == len(words) - 1:
                await _once(script.ends)
            if script.fault and number == script.after:
                return await self._fail()
            await self._write(text)
            self._call.sent_at.append(self._clock())
            if number == 0:
                self._recording.note(self._call, first_token_at=self._call.last_byte_at)
        if script.fault:
            return await self._fail()
        await self._finish(len(words))
        return True

    def _words(self) -> Iterator[str]:
        prompt = self._wire.prompt(self._call.body)
        for number in range(self._script.reasoning):
            yield self._wire.reasoning(f"{self._script.tag or self._call.model}-thought-{number} ")
        for number, word in enumerate(self._script.words(self._call.model, prompt)):
            yield self._wire.token(word, is_last=number < self._script.early)

    async def _finish(self, tokens: int) -> None:
        counts = (len(self._wire.prompt(self._call.body).split()), tokens)
        for text in self._wire.ending(self._script, counts):
            await self._write(text)
        if self._script.litter:
            failing = self._wire.error_event(self._script.error, self._script.message).rstrip()
            await self._write(failing if self._script.unfinished else "data: {\n\n")
        if self._script.linger:
            await asyncio.sleep(self._script.linger)

    async def _fail(self) -> bool:
        script = self._script
        match script.fault:
            case Fault.STALL:
                await asyncio.sleep(FOREVER)
            case Fault.PINGS:
                while True:
                    await self._write(self._wire.ping())
                    await asyncio.sleep(PING_EVERY)
            case Fault.MALFORMED:
                await self._write('data: {"choices": [{"delta": \n\n')
            case Fault.WRONG_SHAPE:
                await self._write('data: {"type": "message_delta", "choices": 7, "candidates": 7}\n\n')
            case Fault.ERROR_EVENT:
                event = self._wire.error_event(script.error, script.message)
                await self._write(event.rstrip() if script.unfinished else event)
            case Fault.HUGE:
                await self._flood()
            case Fault.DROP | Fault.RESET:
                self._break_off()
                return False
        return True

    async def _flood(self) -> None:
        await self._response.write(b"data: ")
        for _ in range(self._script.huge_mb * 16):
            await self._response.write(b"x" * (64 * 1024))

    def _break_off(self) -> None:
        assert self._request is not None
        transport = self._request.transport
        assert transport is not None
        if self._script.fault is Fault.RESET:
            # Lingering for no time turns the close into a reset.
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        transport.abort()

    async def _wait_until(self, due: float) -> None:
        # Measured from the beginning, so that lateness does not add up.
        delay = due - self._clock()
        if delay > 0:
            await asyncio.sleep(delay)

    async def _write(self, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        if self._script.crlf:
            data = data.replace(b"\n", b"\r\n")
        size = self._script.split or len(data)
        for start in range(0, len(data), size):
            await self._response.write(data[start : start + size])
            if self._script.split:
                await asyncio.sleep(0.001)
        now = self._clock()
        self._call.last_byte_at = now
        if self._call.first_byte_at is None:
            self._recording.note(self._call, first_byte_at=now)


async def _once(event: Event | None) -> None:
    """Wait until a test, which is in another thread, has set it."""
    while event and not event.is_set():  # noqa: ASYNC110 - asyncio hears nothing of threads' events
        await asyncio.sleep(0.01)
