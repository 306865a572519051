"""Carry out runs in a process of their own, on this or any other host."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection

from chains import health
from chains.heartbeat import Heartbeat
from chains.hosting import RunHost
from chains.management.memory import give_memory_back, keep_giving_memory_back
from chains.management.signals import on_signal

logger = logging.getLogger("chains.runtime")

LOOK_EVERY_S = 1.0
LET_GO_S = 2.0


class Command(BaseCommand):
    """Host a worker until SIGTERM or Ctrl-C."""

    help = (
        "Carries out runs for web processes that have RUN_WORKERS=separate. Needs REDIS_URL. On SIGTERM or "
        "Ctrl-C it takes no more runs and ends when those it has are done, or after WORKER_GRACE seconds "
        "hands them to other workers; a second signal hands them over at once."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check the set-up and work."""
        give_memory_back()
        if not settings.REDIS_URL:
            raise CommandError("A worker of its own needs REDIS_URL: memory does not reach another process.")
        self._wait_for_tables()
        keep_giving_memory_back()
        asyncio.run(self._work())

    def _wait_for_tables(self) -> None:
        """Wait for the process that migrates, which may be starting at the same time on another host."""
        told = ""
        while (state := tables()) != health.OK:
            if state != told:
                self._say(f"Worker waits: the database is {state}")
            told = state
            time.sleep(LOOK_EVERY_S)

    async def _work(self) -> None:
        host, heartbeat = RunHost(), Heartbeat(carries_out_runs=True)
        stop = asyncio.Event()

        def end() -> None:
            if stop.is_set():
                host.hurry()
            stop.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            on_signal(loop, number, end)
        await host.start()
        heartbeat.start()
        self._say("Worker ready")
        await stop.wait()
        health.leave()
        heartbeat.stop()
        self._say(f"Worker stops: it waits up to {settings.WORKER_GRACE} s for its runs")
        await host.stop(grace=settings.WORKER_GRACE)
        await let_go()

    def _say(self, words: str) -> None:
        self.stdout.write(words)
        self.stdout.flush()


async def let_go() -> None:
    """Cancel what libraries still have going on in this loop, and wait a moment for it.

    Some overlook a cancellation, or wait for something else before they end. When the loop closes it cancels
    those once more; alone, it would cancel once and wait without an end.
    """
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if not rest:
        return
    _, deaf = await asyncio.wait(rest, timeout=LET_GO_S)
    for task in deaf:
        logger.warning("It does not end, and is cancelled once more: %r", task)


def tables() -> str:
    """Return whether the tables are there, in the words of the health check."""
    try:
        return health.database()
    except Error:
        return "not reachable"
    finally:
        connection.close()
