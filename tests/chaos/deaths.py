"""What a process that dies may take with it, and what it must not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from chains.engine.journal import TICK_S
from chains.engine.takeover import MAX_DEATHS
from tests.chaos.cast import TOKENS, all_of, calls_for
from tests.chaos.records import AttemptRow, RunRow, Snapshot, StepRow, Witness
from tests.integration.visitors import Visitor
from tests.loopback import Call, LoopbackProvider

# Promised in seconds: by then every run has ended, waits or goes on.
FOUND_WITHIN = 30.0


@dataclass
class Death:
    """Processes died: when, which, how late this machine was by then, and what the database held after it."""

    at: float
    pids: set[int]
    how: str
    lag: float
    left: Snapshot

    def has_killed(self, run: RunRow) -> bool:
        """Whether a run lost the process that carried it out."""
        return run.status == "running" and run.pid in self.pids


@dataclass
class Inquest:
    """Compares what deaths left with what became of it."""

    provider: LoopbackProvider
    witness: Witness
    final: Snapshot

    def check(self, death: Death) -> None:
        """Hold one death to every promise."""
        for run in death.left.runs.values():
            for step in death.left.steps_of(run.id):
                if step.status == "completed":
                    self._is_kept(death, run, step)
            if death.has_killed(run):
                self._was_found(death, run)
                for step in death.left.steps_of(run.id):
                    self._lost_little(death, run, step)

    def _is_kept(self, death: Death, run: RunRow, step: StepRow) -> None:
        """A step that was completed stays as it is, and nobody calls for it again."""
        assert self.final.steps[step.id] == step, death.how
        assert self.final.current(step) == death.left.current(step), death.how
        calls = calls_for(self.provider, step.slug, run.input)
        late = [call for call in calls if call.arrived > death.at]
        assert late == [], f"{death.how}: {step.slug} of run {run.id} was called again"

    def _was_found(self, death: Death, run: RunRow) -> None:
        sight = self.witness.sight_after(run.id, death.at, run.epoch)
        assert sight, f"{death.how}: nobody found {run}"
        assert sight.at - death.at <= FOUND_WITHIN, f"{death.how}: {run} was found late"

    def _lost_little(self, death: Death, run: RunRow, step: StepRow) -> None:
        """Of an answer that was on its way, everything but the newest piece was stored."""
        attempt = death.left.current(step)
        if attempt is None or not attempt.is_live:
            return
        after = self.final.attempts[step.id, attempt.number]
        assert (after.status, after.text) == ("interrupted", attempt.text), death.how
        for call in calls_for(self.provider, step.slug, run.input):
            if attempt.started_at <= call.arrived < death.at:
                self._has_most(death, step, attempt, call)

    def _has_most(self, death: Death, step: StepRow, attempt: AttemptRow, call: Call) -> None:
        died = min(death.at, call.hung_up_at or death.at)
        # A checkpoint falls due every TICK_S; it takes a while to be written, longer on a busy machine.
        had = call.sent_by(died - 2 * TICK_S - 4 * death.lag)
        has = attempt.text.count(" ")
        assert has >= had, f"{death.how}: of {had} words of {step.slug} there are {has}, lag {death.lag:.3f}"


def check_end(final: Snapshot, provider: LoopbackProvider, run: RunRow, *, again: bool) -> None:
    """Hold a run that has ended to what it may be; ``again``: its chain tries interrupted answers again."""
    steps = final.steps_of(run.id)
    for step in steps:
        attempts = final.attempts_of(step.id)
        calls = calls_for(provider, step.slug, run.input)
        # One that died between its record and its request has a record and no call.
        assert len(calls) <= len(attempts), f"{step.slug} of run {run.id} was called without a record"
        for attempt in attempts:
            _check_attempt(step, attempt)
        if step.status == "completed":
            assert [attempt.status for attempt in attempts].count("completed") == 1
            assert attempts[-1].text == all_of(step.slug, TOKENS[step.slug])
    _check_status(run, steps, final, again=again)
    _check_inputs(final, provider, run, steps)


def _check_attempt(step: StepRow, attempt: AttemptRow) -> None:
    text = attempt.text
    assert text == all_of(step.slug, text.count(" ")), f"{attempt} has a hole"
    assert not attempt.is_live, attempt
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert (attempt.length, attempt.sha256) == (len(text), digest), attempt
    assert attempt.status == "completed" or attempt.error_kind == "worker_died", attempt


def _check_status(run: RunRow, steps: list[StepRow], final: Snapshot, *, again: bool) -> None:
    statuses = [step.status for step in steps]
    if run.status == "completed":
        assert set(statuses) == {"completed"}, statuses
        return
    # Nothing else went wrong than our own deaths: a person has to decide.
    assert (run.status, bool(run.is_waiting)) == ("interrupted", True), run
    assert "interrupted" in statuses, statuses
    for step in steps:
        assert step.status in ("completed", "interrupted", "skipped"), statuses
        if step.status == "interrupted":
            attempts = final.attempts_of(step.id)
            assert {attempt.error_kind for attempt in attempts} == {"worker_died"}, attempts
            may_wait = attempts[-1].has_begun and not again
            assert may_wait or len(attempts) >= MAX_DEATHS, f"{step} could have been tried again"


def _check_inputs(final: Snapshot, provider: LoopbackProvider, run: RunRow, steps: list[StepRow]) -> None:
    """Whoever ran got the whole answers of the stage before."""
    text_of = {step.slug: attempt.text for step in steps if (attempt := final.current(step))}
    needs = dict.fromkeys(("bx", "cx", "dx", "ex"), ("ax",)) | {"fx": ("bx", "cx", "dx", "ex")}
    for slug, sources in needs.items():
        for call in calls_for(provider, slug, run.input):
            heard = call.body["messages"][-1]["content"]
            assert all(text_of[source].strip() in heard for source in sources), (slug, run)


def check_page(visitor: Visitor, final: Snapshot, run: RunRow) -> None:
    """Compare a page that is loaded now with the database, byte for byte."""
    [shown] = visitor.sees(run.session)
    steps = final.steps_of(run.id)
    assert (shown.id, shown.status) == (run.id, run.status)
    assert [(column.step, column.status) for column in shown.columns] == [
        (step.id, step.status) for step in steps
    ]
    for column, step in zip(shown.columns, steps, strict=True):
        attempt = final.current(step)
        text = attempt.text if attempt else ""
        assert visitor.text_of(column) == text, step
        if attempt:
            digest = hashlib.sha256(text.encode()).hexdigest()
            assert (column.attempt, column.length, column.sha256) == (attempt.number, len(text), digest), step
