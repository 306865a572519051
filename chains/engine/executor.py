"""Runs a chain: stage after stage, the members of a stage at the same moment.

Knows no database and no web: it tells a journal what must be kept and emits what happens. Plain asyncio.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from chains.engine import prompts
from chains.engine.attempt import Attempt
from chains.engine.context import Context, Skip
from chains.engine.events import AttemptEnded, Emit, RunEnded, RunStarted, StepsSkipped, StepStarted
from chains.engine.member import Caller, OpenProvider
from chains.engine.prompts import MemberResult
from chains.engine.retry import Jitter, retry_delay
from chains.engine.spec import RunSpec, StepSpec

logger = logging.getLogger("chains.engine")


class Journal(Protocol):
    """Keeps a run. Each call returns when it is committed; any of them may raise ``LeaseLost``."""

    async def start(self, attempts: Sequence[Attempt], skips: Sequence[Skip]) -> None:
        """Record a stage before its first call, or one attempt again."""

    def end(self, attempt: Attempt, *, step_status: str) -> Awaitable[None]:
        """Record how an attempt ended, and its step with it; what is called next may share its commit."""

    async def skip(self, skips: Sequence[Skip]) -> None:
        """Record steps that do not run."""

    async def results(self, steps: Sequence[StepSpec]) -> list[MemberResult]:
        """Read what members of a stage became that somebody else carried out, in the same order."""

    async def finish(
        self, status: str, *, output: str, error: str, not_reached: Sequence[Skip], is_waiting: bool = False
    ) -> None:
        """Record the end of the run, or that it waits for a person's decision."""


def utc_now() -> datetime:
    """Return the time as the engine records it."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class StageEnd:
    """What became of a stage, the sentences of whatever failed, and what keeps the run from going on.

    ``left_undone``: a stop did. ``is_undecided``: a person has to say what becomes of an answer that a dead
    process left in the middle.
    """

    outcome: str
    error: str = ""
    left_undone: bool = False
    is_undecided: bool = False


class RunExecution:
    """One run, carried out once. ``execute`` runs it; ``stop`` and ``stop_step`` come from outside.

    A run that was begun before goes on: its steps that have ended are read, not run.
    """

    def __init__(
        self,
        spec: RunSpec,
        *,
        journal: Journal,
        emit: Emit,
        open_provider: OpenProvider,
        clock: Callable[[], datetime] = utc_now,
        jitter: Jitter = random.uniform,
    ) -> None:
        self.spec = spec
        self._journal = journal
        self._emit = emit
        self._clock = clock
        self._jitter = jitter
        self._caller = Caller(run=spec.id, emit=emit, open_provider=open_provider, clock=clock)
        self._context = Context.at_start(spec)
        self._ends: list[asyncio.Task[None]] = []

    def stop(self) -> None:
        """Stop every live call and begin no other. The run ends as cancelled."""
        self._caller.stop_all()

    def stop_step(self, step_id: int) -> None:
        """Stop one step's call, or keep it from being made."""
        self._caller.stop(step_id)

    async def execute(self) -> str:
        """Carry the run out and return its final status.

        Raises ``LeaseLost`` when another process has taken the run, and ``CancelledError`` when this
        process shuts down: both leave the run for somebody else to finish.
        """
        self._emit(RunStarted(self.spec.id, self._clock()))
        try:
            return await self._run_stages()
        finally:
            for end in self._ends:
                end.cancel()
            await asyncio.gather(*self._ends, return_exceptions=True)

    async def _run_stages(self) -> str:
        stages = self.spec.stages()
        for number, stage in enumerate(stages):
            end = await self._run_stage(stage)
            rest = [Skip(step) for later in stages[number + 1 :] for step in later]
            if self._caller.stopping and (rest or end.left_undone or end.is_undecided):
                return await self._finish("cancelled", "", rest)
            if end.is_undecided:
                return await self._finish("interrupted", end.error, rest, is_waiting=True)
            succeeded = end.outcome in ("completed", "skipped")
            if not succeeded and not (self.spec.continue_on_failure and rest):
                return await self._finish(end.outcome, end.error, rest)
        return await self._finish("completed", "", [])

    async def _run_stage(self, stage: Sequence[StepSpec]) -> StageEnd:
        chosen, skips = self._choose(stage)
        if self._caller.stopping and (chosen or skips):
            await self._skip([Skip(step) for step in stage if step.is_open])
            return StageEnd("cancelled", left_undone=True)
        is_group = len(stage) > 1 or stage[0].connection == "parallel"
        known = {skip.step.id: _result(skip.step, "skipped") for skip in skips}
        if chosen:
            log = GroupLog(self.spec.id, chosen) if is_group else None
            known |= await self._run_members(chosen, skips, log)
        elif skips:
            await self._skip(skips)
            return StageEnd("skipped")
        # What was committed a moment ago need not be read back, only what ended in an earlier epoch.
        if left := [step for step in stage if step.id not in known]:
            known |= zip((step.id for step in left), await self._journal.results(left), strict=True)
        results = [known[step.id] for step in stage]
        outcome = prompts.stage_outcome([result.status for result in results])
        if outcome == "completed":
            self._context.advance(results, stage, is_group=is_group)
        return StageEnd(
            outcome,
            explain_failures(results),
            left_undone=any(result.status == "cancelled" for result in results),
            is_undecided=any(step.is_undecided for step in stage),
        )

    def _choose(self, stage: Sequence[StepSpec]) -> tuple[list[StepSpec], list[Skip]]:
        """Divide a stage into those who run and those who are skipped; whoever has ended is neither."""
        if all(step.is_open and not step.attempts for step in stage):
            return self._context.choose(stage)
        # It was begun before: the conditions of those who are left have held.
        return [step for step in stage if step.is_open], []

    async def _run_members(
        self, steps: Sequence[StepSpec], skips: Sequence[Skip], log: GroupLog | None
    ) -> dict[int, MemberResult]:
        at = self._clock()
        attempts = [Attempt(step, step.attempts + 1, self._context.messages(step), at) for step in steps]
        if log:
            log.starting()
        await self._commit(lambda: self._journal.start(attempts, skips))
        if log:
            log.recorded()
        # From here to the requests nothing waits: one turn of the loop starts them all.
        started = self._clock()
        members: dict[int, asyncio.Task[MemberResult]] = {}
        async with asyncio.TaskGroup() as group:
            for attempt in attempts:
                attempt.started_at = started
                name = f"run-{self.spec.id}-{attempt.step.slug}"
                members[attempt.step.id] = group.create_task(self._run_member(attempt, log), name=name)
            self._announce(attempts, skips)
        if log:
            log.completed()
        return {step: member.result() for step, member in members.items()}

    def _announce(self, attempts: Sequence[Attempt], skips: Sequence[Skip]) -> None:
        for attempt in attempts:
            self._emit(StepStarted(self.spec.id, attempt.step.id, attempt.number, attempt.started_at))
        if skips:
            self._emit(StepsSkipped(self.spec.id, tuple(skip.step.id for skip in skips)))

    async def _run_member(self, attempt: Attempt, log: GroupLog | None) -> MemberResult:
        if log:
            log.member_starting(attempt)
        while True:
            error = await self._caller.call(attempt)
            status = attempt.status
            delay = retry_delay(attempt, error, self._jitter) if error else None
            if delay is None:
                break
            await self._end(attempt, "running", self._journal.end(attempt, step_status="running"))
            if not await self._caller.pause(attempt.step, delay):
                status = "cancelled"
                break
            attempt = Attempt(attempt.step, attempt.number + 1, attempt.messages, self._clock())
            await self._journal.start([attempt], [])
            self._announce([attempt], [])
        written = self._journal.end(attempt, step_status=status)
        self._ends.append(asyncio.create_task(self._end(attempt, status, written)))
        if log:
            log.member_ended(attempt)
        return _result(attempt.step, status, str(attempt.text), attempt.error)

    async def _end(self, attempt: Attempt, step_status: str, written: Awaitable[None]) -> None:
        await written
        self._emit(
            AttemptEnded(
                run=self.spec.id,
                step=attempt.step.id,
                attempt=attempt.number,
                status=attempt.status if step_status == "running" else step_status,
                length=attempt.text.length,
                sha256=attempt.sha256,
                at=attempt.finished_at or self._clock(),
                will_retry=step_status == "running",
            )
        )

    async def _commit(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write what comes next, and wait for it and for all ends before it.

        Nobody waits for the end of a stage by itself: it is in the commit that begins the next one.
        """
        for end in self._ends:
            if end.done():
                end.result()
        await write()
        await asyncio.gather(*self._ends)
        self._ends.clear()

    async def _skip(self, skips: Sequence[Skip]) -> None:
        await self._commit(lambda: self._journal.skip(skips))
        self._emit(StepsSkipped(self.spec.id, tuple(skip.step.id for skip in skips)))

    async def _finish(
        self, status: str, error: str, rest: Sequence[Skip], *, is_waiting: bool = False
    ) -> str:
        output = self._context.previous if status == "completed" else ""
        not_reached = [skip for skip in rest if skip.step.is_open]
        await self._commit(
            lambda: self._journal.finish(
                status, output=output, error=error, not_reached=not_reached, is_waiting=is_waiting
            )
        )
        if not_reached:
            self._emit(StepsSkipped(self.spec.id, tuple(skip.step.id for skip in not_reached)))
        self._emit(RunEnded(self.spec.id, status, self._clock()))
        logger.info("Run %d %s", self.spec.id, status, extra={"run": self.spec.id, "status": status})
        return status


def _result(step: StepSpec, status: str, text: str = "", reason: str = "") -> MemberResult:
    return MemberResult(step.name, step.model.label, status, text, reason)


def explain_failures(results: Sequence[MemberResult]) -> str:
    """Return one line per member that failed: agent, model, reason."""
    failed = [result for result in results if result.status in ("failed", "interrupted")]
    return "\n".join(f"{result.name} ({result.model}): {result.reason}" for result in failed)


class GroupLog:
    """The log of one parallel group: a readable line, structured fields behind it."""

    def __init__(self, run: int, steps: Sequence[StepSpec]) -> None:
        self._run = run
        self._places = {step.id: place for place, step in enumerate(steps, start=1)}
        self._stage = steps[0].stage
        self._durations: list[int] = []
        self._began = utc_now()

    def starting(self) -> None:
        """Say how many start, and that their records are being made."""
        count = len(self._places)
        self._line(f"Starting {count} agents concurrently")
        self._line(f"Creating {count} database records")

    def recorded(self) -> None:
        """Say that the records are committed."""
        self._line(f"All {len(self._places)} database records created")
        self._began = utc_now()

    def member_starting(self, attempt: Attempt) -> None:
        """Say that one agent's request leaves."""
        self._line(f"{self._name(attempt)} starting", step=attempt.step.id)

    def member_ended(self, attempt: Attempt) -> None:
        """Say how one agent ended, and after how long."""
        taken = attempt.duration_ms
        self._durations.append(taken)
        how = f"completed in {taken}ms"
        if attempt.status != "completed":
            word = "stopped" if attempt.status == "cancelled" else "failed"
            how = f"{word} after {taken}ms" + (f": {attempt.error}" if attempt.error else "")
        self._line(f"{self._name(attempt)} {how}", step=attempt.step.id, status=attempt.status, ms=taken)

    def completed(self) -> None:
        """Say how long the group took against its slowest member and the sum."""
        wall = round((utc_now() - self._began).total_seconds() * 1000)
        slowest, total = max(self._durations, default=0), sum(self._durations)
        self._line(
            f"All {len(self._places)} agents completed in {wall}ms (slowest {slowest}ms, sum {total}ms)",
            ms=wall,
            slowest_ms=slowest,
            sum_ms=total,
        )

    def _name(self, attempt: Attempt) -> str:
        return f"Agent {self._places[attempt.step.id]} ({attempt.step.name})"

    def _line(self, text: str, **fields: object) -> None:
        extra = {"run": self._run, "stage": self._stage, **fields}
        logger.info("PARALLEL-EXECUTION: %s", text, extra=extra)
