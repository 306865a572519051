"""A run whose process died: another process takes it and goes on, or it waits for a person. Blocking."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from chains.engine.closing import close_attempt, close_run
from chains.engine.events import AttemptEnded
from chains.engine.lease import LEASE, Lease, lapsed, last_alive
from chains.models.chain import OnInterruption
from chains.models.run import (
    LIVE_ATTEMPT,
    LIVE_STEP,
    WORKER_DIED,
    WORKER_LEFT,
    AgentStep,
    Run,
    RunStatus,
    StepAttempt,
    StepStatus,
)

# What kills its process three times would do it for ever.
MAX_DEATHS = 3
DIED = "The server stopped in the middle of this answer. What had arrived is kept."
DIED_STOPPED = "The server stopped before the run could be. What had arrived is kept."
DIED_DETACHED = "The command that carried out this run ended before it did. What had arrived is kept."


@dataclass(frozen=True, slots=True)
class Takeover:
    """What came of a run that was left behind. Without a lease it has ended, or waits for a person."""

    session: int
    lease: Lease | None = None
    closed: tuple[AttemptEnded, ...] = ()


def lapsed_runs(spare: Collection[int] = ()) -> list[int]:
    """Return the runs whose process died, oldest first.

    ``spare`` are the runs that the asking process carries out itself: after a sleep of the machine, or of the
    database, they go on if nobody else was quicker.
    """
    runs = Run.objects.filter(_is_left_behind()).exclude(pk__in=spare)
    return list(runs.order_by("id").values_list("id", flat=True))


@transaction.atomic
def take_over(run_id: int, owner: str) -> Takeover | None:
    """Take a run whose lease lapsed, and close what was live in it; None when somebody else was first.

    What a person had stopped ends here, and what belongs to a command waits for a person. Otherwise steps
    without a first token are tried again; whether others are, their chain decides.
    """
    held = Run.objects.filter(pk=run_id).values_list("lease_owner", "lease_expires_at").first()
    alive_at = last_alive(*held) if held else None
    # Whoever gives a run back takes its name off.
    kind = WORKER_DIED if held and held[0] else WORKER_LEFT
    # The epoch goes first: a process that was only asleep finds it gone and writes nothing.
    left = Run.objects.filter(_is_left_behind(), pk=run_id)
    if not left.update(epoch=F("epoch") + 1, lease_owner=owner, lease_expires_at=Now() + LEASE):
        return None
    run = Run.objects.select_related("chain_version").get(pk=run_id)
    close = partial(close_run, run_id, kind=kind, alive_at=alive_at)
    if run.stop_requested_at:
        close(RunStatus.CANCELLED, StepStatus.CANCELLED, error=DIED_STOPPED)
        return Takeover(run.session_id)
    if run.is_detached:
        close(RunStatus.INTERRUPTED, StepStatus.INTERRUPTED, error=DIED_DETACHED, is_waiting=True)
        return Takeover(run.session_id)
    closed = tuple(_leave_behind(run, kind, alive_at))
    # A step between two attempts has no live one: it is tried again.
    AgentStep.objects.filter(run=run, status__in=LIVE_STEP).update(status=StepStatus.PENDING)
    return Takeover(run.session_id, Lease(run_id, run.epoch), closed)


def _is_left_behind() -> Q:
    # A command's run is its own from the start; what waits for a server waits for any.
    has_process = Q(status=RunStatus.RUNNING) | Q(status=RunStatus.QUEUED, is_detached=True)
    return lapsed() & has_process


def _leave_behind(run: Run, kind: str, alive_at: datetime | None) -> list[AttemptEnded]:
    """Close the live attempts of a run, and decide for each step whether it is tried again."""
    live = StepAttempt.objects.filter(step__run=run, status__in=LIVE_ATTEMPT).select_related("step")
    return [_leave_attempt(run, attempt, kind, alive_at) for attempt in live]


def _leave_attempt(run: Run, attempt: StepAttempt, kind: str, alive_at: datetime | None) -> AttemptEnded:
    step = attempt.step
    close_attempt(attempt, StepStatus.INTERRUPTED, kind=kind, error=DIED, alive_at=alive_at)
    if step.stop_requested_at:
        status = StepStatus.CANCELLED
    else:
        status = StepStatus.PENDING if _is_tried_again(run, attempt) else StepStatus.INTERRUPTED
    AgentStep.objects.filter(pk=step.pk, status__in=LIVE_STEP).update(status=status)
    return AttemptEnded(
        run=run.pk,
        step=step.pk,
        attempt=attempt.number,
        status=status if status == StepStatus.CANCELLED else StepStatus.INTERRUPTED,
        length=attempt.text_length,
        sha256=attempt.text_sha256,
        at=attempt.finished_at or run.created_at,
        will_retry=status == StepStatus.PENDING,
    )


def _is_tried_again(run: Run, attempt: StepAttempt) -> bool:
    # Restarts in good order do not count: nobody died of it.
    if attempt.step.attempts.filter(error_kind=WORKER_DIED).count() >= MAX_DEATHS:
        return False
    has_begun = attempt.first_token_at is not None or bool(attempt.text)
    return not has_begun or run.chain_version.on_interruption == OnInterruption.RETRY
