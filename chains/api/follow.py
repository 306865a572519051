"""Follows a run from outside: frames bring text as it comes, the rows say what is true.

Listening begins first, then the rows are read; a hole, silence and every end lead to the rows again. So it is
the same whether the run is in this process or in another, and frames may get lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.db import InterfaceError, OperationalError

from chains import health
from chains.api import runs
from chains.api.errors import DO_NOT_RETRY, ApiError
from chains.api.runs import BegunRun, RunResult
from chains.live import Notice, session_group
from chains.models.run import LIVE_RUN
from chains.rendering.answer import LiveAnswer
from chains.viewer import HOLE_S, SILENCE_S

logger = logging.getLogger("chains.api")

# Not the thread that all sync code of a request shares: nothing here may wait for another request.
in_thread = partial(database_sync_to_async, thread_sensitive=False)


@contextlib.asynccontextmanager
async def follow(run: BegunRun) -> AsyncIterator[RunFollower]:
    """Follow a run. Whoever leaves before its end has hung up, and stops it: unless it is us who go."""
    follower = RunFollower(run)
    try:
        await follower.frames.open()
        yield follower
    finally:
        await follower.frames.close()
        if follower.result is None and not health.is_leaving():
            await in_thread(runs.stop)(run)


class RunFollower:
    """Knows how far a run is; ``result`` is set when it has ended."""

    def __init__(self, run: BegunRun) -> None:
        self.result: RunResult | None = None
        self.frames = Frames(run.session)
        self._run = run
        self._answer = LiveAnswer(run.id, (run.live_step or 0, 0))
        self._given = 0
        self._must_read = True
        self._heard_at = self._read_at = float("-inf")

    async def text(self, limit: float) -> str:
        """Return what is new of the output; empty if nothing came in so many seconds, or the run ended."""
        loop = asyncio.get_running_loop()
        until = loop.time() + limit
        while not (new := self._answer.stream.text[self._given :]) and self.result is None:
            if loop.time() >= until:
                break
            self._take(await self.frames.next(min(until, self._read_due())))
            if self._must_read or loop.time() >= self._read_due():
                await self._read()
        self._given += len(new)
        return new

    async def end(self) -> RunResult:
        """Wait until the run has ended."""
        while self.result is None:
            await self.text(SILENCE_S)
        return self.result

    def rest(self, result: RunResult) -> str:
        """Return what of the stored output was not given yet. Raises ``ApiError`` if it begins otherwise."""
        if result.output.startswith(self._answer.stream.text[: self._given]):
            return result.output[self._given :]
        raise ApiError(
            "The answer was begun anew after a part of it was sent: read it in its session, or ask again.",
            status=HTTPStatus.BAD_GATEWAY,
            code="answer_changed",
            kind="run_error",
            headers=DO_NOT_RETRY,
        )

    def _read_due(self) -> float:
        if self._must_read:
            return float("-inf")
        if self._answer.held:
            return self._read_at + HOLE_S
        return max(self._read_at, self._heard_at) + SILENCE_S

    def _take(self, notices: list[Notice] | None) -> None:
        if notices is None:
            return
        self._heard_at = asyncio.get_running_loop().time()
        for kind, *facts in notices:
            if kind == "look":
                self._must_read = True
            elif kind == "run" and facts[0] == self._run.id:
                self._must_read |= facts[1] not in LIVE_RUN
            elif kind == "text" and facts[1] == self._run.live_step:
                _, _, attempt, offset, text = facts
                if self._is_current(attempt):
                    self._answer.text.take(offset, text)

    def _is_current(self, attempt: int) -> bool:
        """Whether text of this attempt may be given. Once some is given, no other attempt can follow it."""
        step, known = self._answer.key
        if attempt > known and not self._given:
            self._answer = LiveAnswer(self._run.id, (step, attempt))
        return attempt == self._answer.key[1]

    async def _read(self) -> None:
        self._must_read, self._read_at = False, asyncio.get_running_loop().time()
        try:
            reading = await in_thread(runs.read)(self._run)
        except (OperationalError, InterfaceError) as error:
            logger.warning("The rows of run %d could not be read, trying again: %s", self._run.id, error)
            return
        self.result = reading.result
        if reading.text and self._is_current(reading.attempt):
            self._answer.text.catch_up(reading.text)


class Frames:
    """What a session's group hears, in a task of its own: a receive that is cut short would unsubscribe."""

    def __init__(self, session_id: int) -> None:
        self._group = session_group(session_id)
        self._layer: Any = get_channel_layer()
        self._inbox: asyncio.Queue[list[Notice]] = asyncio.Queue()
        self._channel = ""
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to listen. Without a channel layer nothing comes, and the rows are read instead."""
        try:
            self._channel = await self._layer.new_channel()
            await self._layer.group_add(self._group, self._channel)
        except Exception as error:
            logger.warning("Frames cannot be heard, the rows are read instead: %s", error)
        else:
            self._task = asyncio.create_task(self._listen(), name=f"api-{self._group}")

    async def next(self, until: float) -> list[Notice] | None:
        """Return the next frame's notices, None when the loop's clock reaches ``until`` first."""
        with contextlib.suppress(TimeoutError, asyncio.QueueEmpty):
            if until <= asyncio.get_running_loop().time():
                return self._inbox.get_nowait()
            async with asyncio.timeout_at(until):
                return await self._inbox.get()
        return None

    async def close(self) -> None:
        """Listen no more."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(Exception):
            await self._layer.group_discard(self._group, self._channel)

    async def _listen(self) -> None:
        while True:
            message = await self._layer.receive(self._channel)
            self._inbox.put_nowait(orjson.loads(message["data"]))
