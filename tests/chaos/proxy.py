"""A TCP proxy that can be cut and mended, that refuses, holds back or delays what it carries."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

PIECE = 65_536


class Proxy:
    """Carries connections to a port of this machine, in a thread and an event loop of its own."""

    def __init__(self, target: int = 0) -> None:
        self.target = target
        self.port = 0
        self.refused = 0
        self.delay = 0.0  # seconds that each piece waits
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._is_cut = False
        self._flows = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def in_front_of(self, url: str) -> str:
        """Lead an address through it: return the address to use instead."""
        parts = urlsplit(url)
        assert parts.port is not None, url
        self.target = parts.port
        place = parts.netloc.rpartition(":")[0]
        return urlunsplit(parts._replace(netloc=f"{place}:{self.port}"))

    def cut(self) -> None:
        """Break all connections off, and refuse new ones."""
        self._is_cut = True
        self._call(self._abort_all())

    def snap(self) -> None:
        """Break all connections off; new ones may come at once."""
        self._call(self._abort_all())

    def hold(self) -> None:
        """Carry nothing any more, and tell neither side: a cable that was pulled."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def mend(self) -> None:
        """Let new connections through again, and carry what was held back."""
        self._is_cut = False
        self._loop.call_soon_threadsafe(self._flows.set)

    async def wish(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
        """Return where a new connection is to lead."""
        return "127.0.0.1", self.target

    def connected(self, writer: asyncio.StreamWriter) -> None:
        """Learn that the far side was reached."""

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        self._flows.set()
        await self._abort_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _abort_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._is_cut:
            self.refused += 1
            writer.transport.abort()
            return
        # From here on, so that a cut also ends what is only about to be connected.
        with self._aborted_at_the_end(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._carry(reader, writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*await self.wish(reader, writer))
        with self._aborted_at_the_end(far_writer):
            if writer.transport.is_closing():
                return
            self.connected(writer)
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    @contextlib.contextmanager
    def _aborted_at_the_end(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        self._writers.add(writer)
        try:
            yield
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE):
            if self.delay:
                await asyncio.sleep(self.delay)
            await self._flows.wait()
            writer.write(piece)
            await writer.drain()
        writer.close()
