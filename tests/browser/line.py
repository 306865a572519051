"""A telephone line between a browser and a server: a SOCKS proxy that can be cut and mended."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

GREETING = b"\x05\x00"  # version 5, nobody has to log in
CONNECTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00"
PIECE = 65_536


class Line:
    """Carries whatever connections a browser opens through it, until it is cut."""

    def __init__(self) -> None:
        self.port = 0
        self.refused = 0
        self._loop = asyncio.new_event_loop()
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Its address, as a browser's ``proxy`` option takes it."""
        return f"socks5://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Break all connections off, and refuse new ones."""
        self._call(self._cut())

    def mend(self) -> None:
        """Let new connections through again."""
        self._is_cut = False

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _cut(self) -> None:
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._is_cut:
            self.refused += 1
            writer.transport.abort()
            return
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._carry(reader, writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = await _read_wish(reader, writer)
        far_reader, far_writer = await asyncio.open_connection(host, port)
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            writer.write(CONNECTED)
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()


async def _read_wish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
    """Speak SOCKS 5 (RFC 1928) as far as a browser does, and return where it wants to go."""
    _, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    writer.write(GREETING)
    *_, kind = await reader.readexactly(4)
    size = 4 if kind == 1 else (await reader.readexactly(1))[0]
    address = await reader.readexactly(size)
    host = ".".join(map(str, address)) if kind == 1 else address.decode()
    return host, int.from_bytes(await reader.readexactly(2), "big")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE):
        writer.write(piece)
        await writer.drain()
    writer.close()


@contextlib.contextmanager
def open_line() -> Iterator[Line]:
    """Have a line, in a thread and an event loop of its own."""
    line = Line()
    thread = threading.Thread(target=line._loop.run_forever, name="line", daemon=True)
    thread.start()
    try:
        line._call(line._open())
        yield line
        line._call(line._close())
    finally:
        line._loop.call_soon_threadsafe(line._loop.stop)
        thread.join()
        line._loop.close()
