"""What a process that carries out runs hosts: the runtime, and the worker that hears hints."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from channels.layers import get_channel_layer
from channels.worker import Worker
from django.conf import settings

from chains import runtime
from chains.live import RUN_CHANNEL
from chains.providers import http
from chains.runtime import Runtime

logger = logging.getLogger("chains.runtime")

RETRY_S = 1.0


class RunHost:
    """Starts and stops the carrying out of runs inside a running event loop."""

    def __init__(self) -> None:
        # Behind Redis other processes hear of the same runs.
        self._runtime = Runtime(limit=settings.RUNS_PER_WORKER, shares=bool(settings.REDIS_URL))
        self._listener: asyncio.Task[None] | None = None
        self._is_hurried = asyncio.Event()

    async def start(self) -> None:
        """Take up what waits, then hear hints."""
        runtime.install(self._runtime)
        await http.warm()
        await self._runtime.start()
        self._listener = asyncio.create_task(self._listen(), name="run-hints")

    def hurry(self) -> None:
        """End the waiting of a stop that was begun."""
        self._is_hurried.set()

    async def stop(self, *, grace: float = 0.0) -> None:
        """Take no more runs; those that have not ended after ``grace`` seconds are given back."""
        self._runtime.refuse()
        if grace:
            await self._wait_for_runs(grace)
        if self._listener:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
        await self._runtime.drain()
        await http.aclose()

    async def _wait_for_runs(self, grace: float) -> None:
        # Stops of a person still have to be heard meanwhile, so the listener goes on.
        waits = [
            asyncio.create_task(self._runtime.finish(), name="finish-runs"),
            asyncio.create_task(self._is_hurried.wait(), name="hurry"),
        ]
        await asyncio.wait(waits, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    async def _listen(self) -> None:
        from chains.routing import channel

        while True:
            try:
                await Worker(channel, [RUN_CHANNEL], get_channel_layer()).handle()
            except Exception as error:
                # Hints are lost while the channel layer is away; the sweep finds the runs meanwhile.
                logger.warning("Hints cannot be heard, trying again: %s", error)
            await asyncio.sleep(RETRY_S)
