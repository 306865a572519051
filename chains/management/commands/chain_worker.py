"""Carry out runs in a process of their own, on this or any other host."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from chains.hosting import RunHost


class Command(BaseCommand):
    """Host a worker until SIGTERM or Ctrl-C."""

    help = "Carries out runs for web processes that have RUN_WORKERS=separate. Needs REDIS_URL."

    def handle(self, *args: Any, **options: Any) -> None:
        """Check the set-up and work."""
        if not settings.REDIS_URL:
            raise CommandError("A worker of its own needs REDIS_URL: memory does not reach another process.")
        asyncio.run(self._work())

    async def _work(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        host = RunHost()
        await host.start()
        self.stdout.write("Worker ready")
        self.stdout.flush()
        await stop.wait()
        await host.stop()
