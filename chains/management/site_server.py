"""Daphne's server with a start-up and a graceful stop of our own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from daphne.http_protocol import WebRequest
from daphne.server import Server
from django.conf import settings

from chainchat.asgi import application
from chains import health
from chains.consumers import at_the_door, sockets
from chains.heartbeat import Heartbeat
from chains.hosting import RunHost
from chains.management.signals import on_signal

# A window whose line is dead hears nothing: it finds out by itself.
CLOSE_LIMIT_S = 2.0
# What a window costs its next server when it comes back, so that none waits in line and pages are answered
# meanwhile: of a thousand, each was accepted within 0.7 s.
MS_PER_WINDOW = 15
# A window that sends nothing is asked whether it is still there, and has as long to answer.
PING_S = 20


class SiteServer:
    """Serves the site, and unless workers are separate carries out its runs."""

    def __init__(self, on_ready: Callable[[], None]) -> None:
        self._server = Listening(
            application,
            endpoints=build_endpoint_description_strings(host=settings.HOST, port=settings.PORT),
            signal_handlers=False,
            ready_callable=self._ready,
            server_name="chain-chat",
            ping_interval=PING_S,
            ping_timeout=PING_S,
        )
        self._on_ready = on_ready
        self._host = RunHost() if settings.RUN_WORKERS == "web" else None
        self._heartbeat = Heartbeat(carries_out_runs=self._host is not None)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_hurried = asyncio.Event()

    def run(self) -> None:
        """Serve until a signal comes. A second one ends the waiting for answers under way."""
        self._server.run()

    def _ready(self) -> None:
        loop = asyncio.get_event_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            on_signal(loop, number, partial(self._spawn, loop, self._stop))
        self._spawn(loop, self._start)

    def _spawn(self, loop: asyncio.AbstractEventLoop, work: Any) -> None:
        task = loop.create_task(work(), name=f"server{work.__name__}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self) -> None:
        if self._host:
            await self._host.start()
        self._heartbeat.start()
        self._on_ready()

    async def _stop(self) -> None:
        if health.is_leaving():
            self._is_hurried.set()
            return
        health.leave()
        self._heartbeat.stop()
        try:
            await asyncio.gather(
                close_sockets(), self._finish_answers(), *([self._host.stop()] if self._host else [])
            )
        finally:
            self._server.stop()

    async def _finish_answers(self) -> None:
        """Let what was asked come to its end. An answer of the API may take as long as its run."""
        # Runs of our own are handed over now: whoever follows them waits for another process.
        grace = CLOSE_LIMIT_S if self._host else max(settings.WORKER_GRACE, CLOSE_LIMIT_S)
        await self._wait_for(self._server.answers(), grace)
        self._server.stop_listening()
        await self._wait_for(self._server.answers(), CLOSE_LIMIT_S)

    async def _wait_for(self, answers: Sequence[asyncio.Future[Any]], limit: float) -> None:
        if not answers or self._is_hurried.is_set():
            return
        hurry = asyncio.create_task(self._is_hurried.wait(), name="hurry")
        ends = asyncio.ensure_future(asyncio.wait(answers))
        await asyncio.wait({hurry, ends}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (hurry, ends):
            waiting.cancel()
        await asyncio.gather(hurry, ends, return_exceptions=True)


class Listening(Server):
    """Knows its ports, and the answers that are under way."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._ports: list[Any] = []

    def listen_success(self, port: Any) -> None:
        """Remember a port that takes connections."""
        self._ports.append(port)
        super().listen_success(port)

    def stop_listening(self) -> None:
        """Take no more connections, so that a proxy turns to another process; those that are open stay."""
        while self._ports:
            self._ports.pop().stopListening()

    def answers(self) -> list[asyncio.Future[Any]]:
        """Return the requests, sockets left out, whose answer has not ended."""
        asked = [
            details.get("application_instance")
            for protocol, details in self.connections.items()
            if isinstance(protocol, WebRequest)
        ]
        return [answer for answer in asked if answer and not answer.done()]


async def close_sockets() -> None:
    """Tell every window that the server goes away, and wait until each has heard it."""
    windows = tuple(sockets)
    spread = len(windows) * MS_PER_WINDOW
    await asyncio.gather(*(window.restart(spread_ms=spread) for window in windows), return_exceptions=True)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_LIMIT_S):
            while sockets or at_the_door:  # noqa: ASYNC110 - each leaves when its own handler ends
                await asyncio.sleep(0.01)
