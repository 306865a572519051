"""Serve the site, and unless workers are separate carry out its runs, in one process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from chains.accounts import make_setup_link
from chains.actions import load_defaults
from chains.static_files import collect_when_changed

# A window whose line is dead hears nothing: it finds out by itself.
CLOSE_LIMIT_S = 2.0


class Command(BaseCommand):
    """Migrate, load defaults, serve, and stop without losing anything."""

    help = "Prepares the database and serves chain-chat on HOST and PORT until SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare and serve."""
        check_port()
        call_command("migrate", verbosity=0, interactive=False)
        load_defaults()
        collect_when_changed()
        welcome = greeting()

        def say() -> None:
            self.stdout.write(welcome)
            self.stdout.flush()

        SiteServer(on_ready=say).run()


class SiteServer:
    """Daphne's server with a start-up and a graceful stop of our own."""

    def __init__(self, on_ready: Callable[[], None]) -> None:
        # Imported here: this installs Twisted's reactor, which only the serving process needs.
        from daphne.endpoints import build_endpoint_description_strings
        from daphne.server import Server

        from chainchat.asgi import application
        from chains.hosting import RunHost

        endpoints = build_endpoint_description_strings(host=settings.HOST, port=settings.PORT)
        self._server = Server(
            application,
            endpoints=endpoints,
            signal_handlers=False,
            ready_callable=self._ready,
            server_name="chain-chat",
        )
        self._on_ready = on_ready
        self._host = RunHost() if settings.RUN_WORKERS == "web" else None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def run(self) -> None:
        """Serve until a signal comes."""
        self._server.run()

    def _ready(self) -> None:
        loop = asyncio.get_event_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._spawn, loop, self._stop)
        self._spawn(loop, self._start)

    def _spawn(self, loop: asyncio.AbstractEventLoop, work: Any) -> None:
        task = loop.create_task(work(), name=f"server{work.__name__}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self) -> None:
        if self._host:
            await self._host.start()
        self._on_ready()

    async def _stop(self) -> None:
        if self._is_stopping:
            return
        self._is_stopping = True
        try:
            await asyncio.gather(close_sockets(), *([self._host.stop()] if self._host else []))
        finally:
            self._server.stop()


async def close_sockets() -> None:
    """Tell every window that the server goes away, and wait until each has heard it."""
    from chains.consumers import sockets

    await asyncio.gather(*(consumer.restart() for consumer in tuple(sockets)), return_exceptions=True)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_LIMIT_S):
            while sockets:  # noqa: ASYNC110 - each leaves when its own handler ends
                await asyncio.sleep(0.01)


def greeting() -> str:
    """Return what to open, and how the administrator comes to be while there is none."""
    address = settings.PUBLIC_URL or f"http://{settings.HOST}:{settings.PORT}"
    lines = [f"Open {address}/"]
    if path := make_setup_link():
        lines.insert(0, f"Create the administrator (this link works once): {address}{path}")
    return "\n".join(lines)


def check_port() -> None:
    """Say it in words when the port is taken, before anything else happens."""
    try:
        with socket.create_server((settings.HOST, settings.PORT), reuse_port=False):
            pass
    except OSError as error:
        raise CommandError(
            f"Port {settings.PORT} on {settings.HOST} cannot be used ({error.strerror}). "
            f"Stop what uses it, or choose another: PORT=8001 make run"
        ) from error
