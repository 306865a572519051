"""Keeps the runs of this process in the database: one thread, one connection, one transaction per batch.

What falls due within a few turns of the loop, of however many runs, is one batch. Its transaction renews
the leases first; the same statement brings back the stop flags. While a batch is being written the next one
gathers. Every 0.5 s the leases tick and the text of all live attempts is checkpointed in one statement.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection, models, transaction

from chains.engine import killpoints, lease
from chains.engine.attempt import Attempt
from chains.engine.context import Skip
from chains.engine.lease import Lease, LeaseLost, StopFlags
from chains.engine.prompts import MemberResult
from chains.engine.records import Batch, RunEnd
from chains.engine.spec import StepSpec
from chains.models.run import AgentStep

logger = logging.getLogger("chains.journal")

TICK_S = 0.5
GATHER_TURNS = 4  # of the loop: from an agent's end to the start of the next stage it takes two
FIRST_RETRY_S, LAST_RETRY_S = 0.1, 2.0
# A pool waits for a database that is away, and no error tells of it.
SLOW_S = lease.LEASE.total_seconds() / 2
Result = TypeVar("Result")
Outcome = int | Exception


class Journal:
    """The journal of one process. ``owner`` is the name that its leases carry."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._runs: dict[int, RunJournal] = {}
        self._due: dict[Lease, Batch] = {}
        self._waiters: list[tuple[Lease, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._away_at: float | None = None

    def open(
        self, held: Lease, *, on_stop: Callable[[StopFlags], None], on_lost: Callable[[], None]
    ) -> RunJournal:
        """Begin to keep a run whose lease this process holds."""
        run = RunJournal(self, held, on_stop=on_stop, on_lost=on_lost)
        self._runs[held.run] = run
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick(), name="journal-tick")
        return run

    def close(self, run: RunJournal) -> None:
        """Stop keeping a run; without runs nothing ticks."""
        self._runs.pop(run.lease.run, None)
        if not self._runs and self._ticker:
            self._ticker.cancel()
            self._ticker = None

    async def call(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Run blocking database work on the journal's thread, again and again while the database is away."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        delay = FIRST_RETRY_S
        while True:
            try:
                result = await loop.run_in_executor(self._thread, work, *arguments)
                if loop.time() - begun >= SLOW_S:
                    self._away_at = loop.time()
                return result
            except (OperationalError, InterfaceError) as error:
                self._away_at = loop.time()
                logger.warning("The database does not answer, trying again: %s", error)
            await loop.run_in_executor(self._thread, _disconnect)
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_RETRY_S)

    def submit(self, run: RunJournal, add: Callable[[Batch], None]) -> asyncio.Future[None]:
        """Add to the batch that is gathering; the future is done when it is committed."""
        add(self._due.setdefault(run.lease, Batch()))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((run.lease, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all(), name="journal-writer")
        return future

    def answers_since(self, seconds: float) -> bool:
        """Whether the database has answered every call for that long, and soon."""
        return self._away_at is None or asyncio.get_running_loop().time() - self._away_at >= seconds

    async def release(self) -> list[int]:
        """Checkpoint every open run a last time, give all leases back and return the runs."""
        await asyncio.gather(*self._checkpoint(), return_exceptions=True)
        return await self.call(lease.release, self.owner)

    async def stop(self) -> None:
        """End the ticker, the writer and the thread. What is not written by now stays unwritten."""
        tasks = [task for task in (self._ticker, self._writer) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(self._thread, _disconnect)
        self._thread.shutdown()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            # One at a time: while the database is away they do not pile up. A lost lease is told by on_lost.
            await asyncio.gather(*self._checkpoint(), return_exceptions=True)

    def _checkpoint(self) -> list[asyncio.Future[None]]:
        return [run.checkpoint() for run in self._runs.values()]

    async def _write_all(self) -> None:
        while self._waiters:
            # So that all who end in this turn share the batch, and the start of the stage that follows them.
            for _ in range(GATHER_TURNS):
                await asyncio.sleep(0)
            due, self._due = self._due, {}
            waiters, self._waiters = self._waiters, []
            outcomes = await self._outcomes(due)
            for held, outcome in outcomes.items():
                if run := self._runs.get(held.run):
                    run.take_outcome(outcome)
            for held, future in waiters:
                _settle(future, outcomes[held])

    async def _outcomes(self, due: Mapping[Lease, Batch]) -> dict[Lease, Outcome]:
        """Write what is due, and return for each run its stop signals or why it was not written."""
        try:
            signals = await self.call(_write, due, self.owner)
        except Exception as error:
            if len(due) == 1:
                logger.exception("Run %d could not be written", next(iter(due)).run)
                return dict.fromkeys(due, error)
            # What one run cannot write must not take the others with it.
            alone = [await self._outcomes({held: batch}) for held, batch in due.items()]
            return {held: outcome for outcomes in alone for held, outcome in outcomes.items()}
        return {held: signals.get(held.run, LeaseLost(held.run)) for held in due}


class RunJournal:
    """The journal of one run, as the executor sees it."""

    def __init__(
        self,
        journal: Journal,
        held: Lease,
        *,
        on_stop: Callable[[StopFlags], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.lease = held
        self._journal = journal
        self._on_stop = on_stop
        self._on_lost = on_lost
        self._live: dict[Attempt, tuple[int, int, str]] = {}
        self._signals = 0
        self._readings: set[asyncio.Task[None]] = set()

    async def start(self, attempts: Sequence[Attempt], skips: Sequence[Skip]) -> None:
        """Record a stage before its first call, or one attempt again."""

        def add(batch: Batch) -> None:
            for attempt in attempts:
                batch.start(attempt)
            batch.skip_all(skips)

        await self._journal.submit(self, add)
        killpoints.reach("start")
        self._live.update(dict.fromkeys(attempts, (0, 0, "running")))

    def end(self, attempt: Attempt, *, step_status: str) -> asyncio.Future[None]:
        """Record how an attempt ended, and its step with it; done when it is committed."""
        self._live.pop(attempt, None)
        return self._journal.submit(self, lambda batch: batch.end(attempt, step_status))

    async def skip(self, skips: Sequence[Skip]) -> None:
        """Record steps that do not run."""
        await self._journal.submit(self, lambda batch: batch.skip_all(skips))

    async def results(self, steps: Sequence[StepSpec]) -> list[MemberResult]:
        """Read what these members became, in the same order, with one query."""
        return await self._journal.call(_read_results, steps)

    async def finish(
        self, status: str, *, output: str, error: str, not_reached: Sequence[Skip], is_waiting: bool = False
    ) -> None:
        """Record the end of the run, or that it waits for a person; its lease ends with it."""
        end = RunEnd(self.lease.run, status, output, error, datetime.now(UTC), is_waiting)

        def add(batch: Batch) -> None:
            batch.skip_all(not_reached)
            batch.run_ends.append(end)

        await self._journal.submit(self, add)
        self._journal.close(self)

    def checkpoint(self) -> asyncio.Future[None]:
        """Add the texts that grew since the last checkpoint, and renew the lease."""
        grown = [attempt for attempt, seen in self._live.items() if _progress(attempt) != seen]
        for attempt in grown:
            self._live[attempt] = _progress(attempt)

        def add(batch: Batch) -> None:
            for attempt in grown:
                batch.text(attempt)

        return self._journal.submit(self, add)

    def take_outcome(self, outcome: Outcome) -> None:
        """Take what a write said: the lease is lost, or somebody asked to stop something."""
        if isinstance(outcome, LeaseLost):
            self._on_lost()
        elif isinstance(outcome, int) and outcome != self._signals:
            self._signals = outcome
            self.look_for_stops()

    def look_for_stops(self) -> None:
        """Read the stop flags now; a hint says that there is something to read."""
        task = asyncio.create_task(self._read_stops(), name=f"run-{self.lease.run}-stops")
        self._readings.add(task)
        task.add_done_callback(self._readings.discard)

    async def _read_stops(self) -> None:
        self._on_stop(await self._journal.call(lease.stop_flags, self.lease.run))


def _progress(attempt: Attempt) -> tuple[int, int, str]:
    return (attempt.text.length, attempt.reasoning.length, attempt.status)


def _write(due: Mapping[Lease, Batch], owner: str) -> dict[int, int]:
    """Write what is due, but for the runs whose lease is lost. Return the stop signals of the others."""
    with transaction.atomic():
        signals = lease.renew({held.run: held.epoch for held in due}, owner)
        whole = Batch()
        for held, batch in due.items():
            if held.run in signals:
                whole.join(batch)
        whole.write()
        killpoints.reach("before-commit")
    killpoints.reach("after-commit")
    return signals


def _read_results(steps: Sequence[StepSpec]) -> list[MemberResult]:
    current = models.Q(attempts__number=models.F("current_attempt"))
    answer = models.FilteredRelation("attempts", condition=current)
    rows = (
        AgentStep.objects.filter(pk__in=[step.id for step in steps])
        .annotate(answer=answer)
        .values_list("id", "status", "answer__text", "answer__error")
    )
    found = {row[0]: row[1:] for row in rows}
    return [
        MemberResult(step.name, step.model.label, status, text or "", error or "")
        for step in steps
        for status, text, error in [found[step.id]]
    ]


def _disconnect() -> None:
    # In a function: which connection it is depends on the thread that asks.
    connection.close()


def _settle(future: asyncio.Future[None], outcome: Outcome) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(None)
