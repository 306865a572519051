"""Live updates, what a page knows: one viewer per watched session and process, shared by its sockets.

It takes frames from the session's group and knows how much text it has of each live answer. A piece at or
before that point is trimmed and applied, one beyond it is held until the rows have caught up. Silence, holes
and a closing frame that does not match lead to the same place: the rows are read. So a reload, a second
device, a lost frame and a run in another process need nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.db.models import F, QuerySet
from django.db.models.functions import Left

from chains.engine.prepared import read
from chains.live import REASONING_LIMIT, Notice, session_group
from chains.models.run import LIVE_ATTEMPT, LIVE_RUN, Run, StepAttempt, StepStatus
from chains.rendering.answer import Key, LiveAnswer

logger = logging.getLogger("chains.live")

HOLE_S, SILENCE_S, IDLE_S = 0.5, 2.0, 10.0
LISTEN_AGAIN_S = 1.0
# Rendered text is sent after this pause, and a little later with every further live column.
PAINT_S, PAINT_PER_COLUMN_S = 0.02, 0.003


@dataclass(frozen=True, slots=True)
class Patience:
    """After how many seconds the rows are read: with a hole in a text, in silence, and with nothing live."""

    hole: float = HOLE_S
    silence: float = SILENCE_S
    idle: float = IDLE_S


@dataclass(slots=True)
class Change:
    """What sockets are told. ``look`` says that runs came, ended or went: compare with the database.

    One that ``is_whole`` has every live answer in full: what a socket missed before it does not matter.
    """

    columns: list[dict[str, Any]] = field(default_factory=list)
    steps: list[tuple[int, int, int, str]] = field(default_factory=list)  # run, step, attempt, status
    ended: list[tuple[int, int, int, str]] = field(default_factory=list)  # step, attempt, length, sha256
    skipped: list[int] = field(default_factory=list)  # steps
    runs: list[tuple[int, str]] = field(default_factory=list)  # run, status
    decided: list[int] = field(default_factory=list)  # runs
    look: bool = False
    is_whole: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        told = (self.columns, self.steps, self.ended, self.skipped, self.runs, self.decided)
        return not (any(told) or self.look)


class Listener(Protocol):
    """A socket."""

    async def changed(self, change: Change) -> None:
        """Take a change; must neither block for long nor raise."""


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """What the database holds of an answer."""

    run: int
    step: int
    attempt: int
    status: str
    text: str
    length: int
    sha256: str
    reasoning: str


# Its columns, in the order of the fields.
_ANSWER_ROW = (
    *("step__run_id", "step_id", "number", "status", "text", "text_length", "text_sha256"),
    Left("reasoning", REASONING_LIMIT),
)


class Viewer:
    """Watches one session for all sockets of this process."""

    def __init__(self, session_id: int, patience: Patience = Patience()) -> None:
        self.session_id = session_id
        self._patience = patience
        self.listeners: set[Listener] = set()
        self._inbox: asyncio.Queue[list[Notice] | Listener] = asyncio.Queue()
        self._answers: dict[Key, LiveAnswer] = {}
        self._done: dict[Key, int] = {}  # the run of each answer that has ended
        self._newest: dict[int, int] = {}  # step → the last attempt that was heard of
        self._live_runs: set[int] = set()
        self._heard_at = self._read_at = self._not_before = 0.0
        self._must_read = True
        self._ready = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._listen(), name=f"viewer-{session_id}-listen"),
            asyncio.create_task(self._work(), name=f"viewer-{session_id}-work"),
        ]

    async def refresh(self, listener: Listener) -> None:
        """Send a socket everything that is live, in full."""
        await self._ready.wait()
        self._inbox.put_nowait(listener)

    async def close(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except Exception as error:
                # Meanwhile there is silence, and the rows are read.
                logger.warning("Session %d cannot be heard, trying again: %s", self.session_id, error)
                self._ready.set()
            await asyncio.sleep(LISTEN_AGAIN_S)

    async def _listen_once(self) -> None:
        layer = get_channel_layer()
        group = session_group(self.session_id)
        channel = await layer.new_channel()
        await layer.group_add(group, channel)
        if self._ready.is_set():
            # What was said while nobody heard may be anything.
            self._inbox.put_nowait([["look"]])
        self._ready.set()
        try:
            while True:
                message = await layer.receive(channel)
                self._inbox.put_nowait(orjson.loads(message["data"]))
        finally:
            with contextlib.suppress(Exception):
                await layer.group_discard(group, channel)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            item = await self._next(loop.time())
            try:
                await self._take_turn(item, loop.time)
            except Exception:
                logger.exception("The viewer of session %d broke on a frame", self.session_id)
                self._read_again_later(loop.time())

    async def _take_turn(self, item: list[Notice] | Listener | None, clock: Callable[[], float]) -> None:
        change, newcomer = Change(), None
        while isinstance(item, list):
            self._heard_at = clock()
            self._take(item, change)
            # Who is late takes all that waits before drawing any of it, and is not late any more.
            item = None if self._inbox.empty() else self._inbox.get_nowait()
        if item is not None:
            newcomer, self._must_read = item, True
        if clock() >= self._read_due():
            await self._read(change, clock())
        self._paint(change, clock())
        await self._tell(change, newcomer)

    async def _next(self, now: float) -> list[Notice] | Listener | None:
        """Return what comes in, or None when it is time to paint or to read."""
        due = min([self._read_due(), *(a.paint_at for a in self._answers.values() if a.is_dirty)])
        if due <= now:
            return None if self._inbox.empty() else self._inbox.get_nowait()
        try:
            async with asyncio.timeout(due - now):
                return await self._inbox.get()
        except TimeoutError:
            return None

    def _read_again_later(self, now: float) -> None:
        self._must_read, self._not_before = True, now + self._patience.hole

    def _read_due(self) -> float:
        if self._must_read:
            return self._not_before
        if any(answer.held for answer in self._answers.values()):
            return self._read_at + self._patience.hole
        if self._live_runs or self._answers:
            return max(self._read_at, self._heard_at) + self._patience.silence
        return self._read_at + self._patience.idle

    def _take(self, notices: list[Notice], change: Change) -> None:
        for kind, *facts in notices:
            if kind in ("text", "reasoning"):
                run, step, attempt, offset, text = facts
                if answer := self._answer(run, (step, attempt)):
                    (answer.text if kind == "text" else answer.reasoning).take(offset, text)
            elif kind == "step":
                self._take_status(facts, change)
            elif kind == "end":
                self._take_end(facts, change)
            elif kind == "skip":
                change.skipped += facts[1]
            elif kind == "run":
                self._take_run(facts[0], facts[1], change)
            elif kind == "decided":
                change.decided += facts
            elif kind == "look":
                self._must_read = change.look = True

    def _take_status(self, facts: Sequence[Any], change: Change) -> None:
        run, step, attempt, status = facts
        if answer := self._answer(run, (step, attempt)):
            answer.is_streaming = answer.is_streaming or status == StepStatus.STREAMING
            change.steps.append((run, step, attempt, status))

    def _take_end(self, facts: list[Any], change: Change) -> None:
        run, step, attempt, status, length, sha256 = facts
        answer = self._answers.get((step, attempt)) or self._answer(run, (step, attempt))
        if answer is None:
            # The rows told it. A window that came meanwhile would take the state for the text as well.
            return
        change.steps.append((run, step, attempt, status))
        if answer.matches(length, sha256):
            self._end(answer, length, sha256, change)
        else:
            self._must_read = True

    def _take_run(self, run: int, status: str, change: Change) -> None:
        change.runs.append((run, status))
        if status in LIVE_RUN:
            self._live_runs.add(run)
        else:
            self._live_runs.discard(run)
            change.look = True

    def _answer(self, run: int, key: Key) -> LiveAnswer | None:
        """Return the answer that goes on at a key, made on first use; None when it goes on no more."""
        step, attempt = key
        # A process that was only asleep may still talk of an attempt that another one has followed up.
        if key in self._done or attempt < self._newest.get(step, 0):
            return None
        self._newest[step] = attempt
        if key not in self._answers:
            self._answers[key] = LiveAnswer(run, key)
        return self._answers[key]

    def _end(self, answer: LiveAnswer, length: int, sha256: str, change: Change) -> None:
        change.columns.append(answer.close())
        change.ended.append((*answer.key, length, sha256))
        self._done[answer.key] = answer.run
        del self._answers[answer.key]

    async def _read(self, change: Change, now: float) -> None:
        self._must_read, self._read_at = False, now
        known = tuple(self._answers)
        try:
            live_runs, rows = await database_sync_to_async(read_answers, thread_sensitive=False)(
                self.session_id, known
            )
        except Exception as error:
            logger.warning("The rows of session %d could not be read: %s", self.session_id, error)
            self._read_again_later(now)
            return
        if live_runs != self._live_runs:
            self._live_runs, change.look = live_runs, True
        for row in rows:
            self._take_row(row, change)
        if not live_runs and not self._answers:
            self._newest.clear()
        if live_runs:
            # Not before: frames of a run that the rows show as ended may still be on their way.
            self._done = {key: run for key, run in self._done.items() if run >= min(live_runs)}

    def _take_row(self, row: AnswerRow, change: Change) -> None:
        key = (row.step, row.attempt)
        ended = row.status not in LIVE_ATTEMPT
        if ended and key not in self._answers:
            return
        answer = self._answers.get(key) or self._answer(row.run, key)
        if answer is None:
            return
        if not ended:
            answer.text.catch_up(row.text)
            answer.reasoning.catch_up(row.reasoning)
            if row.status == StepStatus.STREAMING and not answer.is_streaming:
                self._take_status((row.run, row.step, row.attempt, row.status), change)
            return
        answer.stream.replace(row.text)
        change.steps.append((row.run, row.step, row.attempt, row.status))
        self._end(answer, row.length, row.sha256, change)

    def _paint(self, change: Change, now: float) -> None:
        pause = PAINT_S + PAINT_PER_COLUMN_S * len(self._answers)
        dirty = [answer for answer in self._answers.values() if answer.is_dirty]
        if not any(answer.paint_at <= now for answer in dirty):
            return
        for answer in dirty:
            # Those that would follow soon come along: one frame for all columns, not one for each.
            if answer.paint_at <= now + pause / 2:
                # First: an answer that cannot be rendered must not be tried again and again.
                answer.is_dirty = False
                change.columns.append(answer.column())
                answer.paint_at = now + max(pause, answer.stream.pause)

    async def _tell(self, change: Change, newcomer: Listener | None) -> None:
        if not change.is_empty:
            for listener in tuple(self.listeners - {newcomer}):
                await listener.changed(change)
        if newcomer:
            await newcomer.changed(self._whole())

    def _whole(self) -> Change:
        answers = self._answers.values()
        return Change(
            columns=[answer.column(whole=True) for answer in answers],
            steps=[(one.run, *one.key, StepStatus.STREAMING) for one in answers if one.is_streaming],
            look=True,
            is_whole=True,
        )


class Viewers:
    """The viewers of this process."""

    def __init__(self) -> None:
        self._viewers: dict[int, Viewer] = {}

    async def join(self, session_id: int, listener: Listener) -> Viewer:
        """Let a socket watch a session; it gets everything that is live at once."""
        viewer = self._viewers.get(session_id)
        if viewer is None:
            viewer = self._viewers[session_id] = Viewer(session_id)
        viewer.listeners.add(listener)
        await viewer.refresh(listener)
        return viewer

    async def leave(self, session_id: int, listener: Listener) -> None:
        """Forget a socket; the last one takes the viewer with it."""
        viewer = self._viewers.get(session_id)
        if viewer is None:
            return
        viewer.listeners.discard(listener)
        if not viewer.listeners:
            del self._viewers[session_id]
            await viewer.close()


def read_answers(session_id: int, known: Collection[Key]) -> tuple[set[int], list[AnswerRow]]:
    """Read a session's live runs, the current attempts of those, and what became of ``known`` attempts."""
    live = {run for (run,) in read(_live_runs, session_id)}
    rows = [AnswerRow(*row) for row in read(_current_attempts, session_id)] if live else []
    if left := set(known) - {(row.step, row.attempt) for row in rows}:
        steps = [step for step, _ in left]
        attempts = StepAttempt.objects.filter(step__in=steps, step__run__session_id=session_id)
        found = [AnswerRow(*row) for row in attempts.values_list(*_ANSWER_ROW)]
        rows += [row for row in found if (row.step, row.attempt) in left]
    return live, sorted(rows, key=lambda row: (row.step, row.attempt))


def _live_runs(session: int) -> QuerySet[Run, tuple[Any, ...]]:
    return Run.objects.filter(session_id=session, status__in=LIVE_RUN).values_list("id")


def _current_attempts(session: int) -> QuerySet[StepAttempt, tuple[Any, ...]]:
    of_live = StepAttempt.objects.filter(step__run__session_id=session, step__run__status__in=LIVE_RUN)
    return of_live.filter(number=F("step__current_attempt")).values_list(*_ANSWER_ROW)
