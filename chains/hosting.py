"""What a process that carries out runs hosts: the runtime, and the worker that hears hints."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from channels.layers import get_channel_layer
from channels.worker import Worker

from chains import runtime
from chains.live import RUN_CHANNEL
from chains.providers import http
from chains.runtime import Runtime

logger = logging.getLogger("chains.runtime")

RETRY_S = 1.0


class RunHost:
    """Starts and stops the carrying out of runs inside a running event loop."""

    def __init__(self) -> None:
        self._runtime = Runtime()
        self._listener: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up what waits, then hear hints."""
        runtime.install(self._runtime)
        await http.warm()
        await self._runtime.start()
        self._listener = asyncio.create_task(self._listen(), name="run-hints")

    async def stop(self) -> None:
        """Hear no more hints, give back every run."""
        if self._listener:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
        await self._runtime.drain()
        await http.aclose()

    async def _listen(self) -> None:
        from chains.routing import channel

        while True:
            try:
                await Worker(channel, [RUN_CHANNEL], get_channel_layer()).handle()
            except Exception as error:
                # Hints are lost while the channel layer is away; the sweep finds the runs meanwhile.
                logger.warning("Hints cannot be heard, trying again: %s", error)
            await asyncio.sleep(RETRY_S)
