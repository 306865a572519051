"""Who may write a run: a lease by compare-and-swap on owner, epoch and expiry, by the database's clock.

These functions block: the journal's thread and the sweep call them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from chains.models.run import (
    LIVE_ATTEMPT,
    LIVE_STEP,
    AgentStep,
    Run,
    RunStatus,
    SkipReason,
    StepAttempt,
    StepStatus,
)

LEASE = timedelta(seconds=10)
WORKER_DIED = (
    "The server stopped while this run was going on. What had arrived is kept: send the message again."
)


class LeaseLost(Exception):
    """Another process has taken the run: nothing of ours may be written any more."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write a run, as long as its epoch stands."""

    run: int
    epoch: int


@dataclass(frozen=True, slots=True)
class StopFlags:
    """What the user asked to stop: the run, or some of its steps."""

    run: bool
    steps: frozenset[int]


def claim(run_id: int, owner: str, *, detached: bool = False) -> Lease | None:
    """Take a queued run that nobody holds; None when somebody else was first.

    A detached run is taken by a command for its own process; the sweep only ever marks it as interrupted.
    """
    taken = Run.objects.filter(_lapsed(), pk=run_id, status=RunStatus.QUEUED, is_detached=detached).update(
        status=RunStatus.RUNNING,
        lease_owner=owner,
        epoch=F("epoch") + 1,
        lease_expires_at=Now() + LEASE,
        started_at=timezone.now(),
    )
    if not taken:
        return None
    return Lease(run_id, Run.objects.values_list("epoch", flat=True).get(pk=run_id))


def renew(leases: Mapping[int, int], owner: str) -> dict[int, int]:
    """Renew the leases (run → epoch) in one statement and return run → stop signals of those that hold."""
    pairs = ", ".join(["(%s, %s)"] * len(leases))
    sql = (
        f"UPDATE chains_run SET lease_expires_at = {_expiry_sql()} "
        f"WHERE lease_owner = %s AND status = 'running' AND (id, epoch) IN (VALUES {pairs}) "
        "RETURNING id, stop_signals"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [owner, *(number for pair in leases.items() for number in pair)])
        return dict(cursor.fetchall())


def release(owner: str) -> None:
    """Give back everything that this owner holds, so that nobody has to wait for it to lapse."""
    # Without an owner no write of ours that is still on its way can renew it.
    Run.objects.filter(lease_owner=owner, status=RunStatus.RUNNING).update(
        lease_owner="", lease_expires_at=None
    )


def stop_flags(run_id: int) -> StopFlags:
    """Read what the user asked to stop."""
    steps = AgentStep.objects.filter(run_id=run_id, stop_requested_at__isnull=False).values_list(
        "id", flat=True
    )
    run = Run.objects.filter(pk=run_id, stop_requested_at__isnull=False).exists()
    return StopFlags(run=run, steps=frozenset(steps))


def queued_runs() -> list[int]:
    """Return the runs that wait for a process, oldest first."""
    runs = Run.objects.filter(_lapsed(), status=RunStatus.QUEUED, is_detached=False)
    return list(runs.order_by("id").values_list("id", flat=True))


def interrupt_lapsed(owner: str, spare: Collection[int] = ()) -> list[tuple[int, int]]:
    """End every run whose process died as interrupted; return (session, run) of each.

    ``spare`` are the runs that the asking process carries out itself: after a sleep of the machine, or of the
    database, they go on if nobody else was quicker.
    """
    lapsed = Run.objects.filter(_lapsed(), status=RunStatus.RUNNING).exclude(pk__in=spare)
    found = list(lapsed.values_list("session_id", "id", "epoch"))
    return [(session, run) for session, run, epoch in found if _interrupt(run, epoch, owner)]


@transaction.atomic
def give_up(held: Lease, owner: str, error: str) -> None:
    """End a run of ours as failed after a fault of our own."""
    mine = Run.objects.filter(pk=held.run, epoch=held.epoch, lease_owner=owner, status=RunStatus.RUNNING)
    if mine.update(epoch=F("epoch") + 1):
        _close(held.run, RunStatus.FAILED, StepStatus.FAILED, "internal", error)


def _lapsed() -> Q:
    return Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now())


@transaction.atomic
def _interrupt(run_id: int, epoch: int, owner: str) -> bool:
    # The epoch goes first: a process that was only asleep finds it gone and writes nothing.
    lapsed = Run.objects.filter(_lapsed(), pk=run_id, epoch=epoch, status=RunStatus.RUNNING)
    if not lapsed.update(epoch=F("epoch") + 1, lease_owner=owner):
        return False
    _close(run_id, RunStatus.INTERRUPTED, StepStatus.INTERRUPTED, "worker_died", WORKER_DIED)
    return True


def _close(run_id: int, run_status: RunStatus, step_status: StepStatus, kind: str, error: str) -> None:
    """Give everything that is live in a run its final status; partial texts stay."""
    now = timezone.now()
    for attempt in StepAttempt.objects.filter(step__run_id=run_id, status__in=LIVE_ATTEMPT):
        StepAttempt.objects.filter(pk=attempt.pk, status__in=LIVE_ATTEMPT).update(
            status=step_status,
            finished_at=now,
            text_length=len(attempt.text),
            text_sha256=hashlib.sha256(attempt.text.encode()).hexdigest(),
            error_kind=kind,
            error=error,
        )
    steps = AgentStep.objects.filter(run_id=run_id)
    steps.filter(status=StepStatus.PENDING).update(
        status=StepStatus.SKIPPED, skip_reason=SkipReason.NOT_REACHED
    )
    steps.filter(status__in=LIVE_STEP).update(status=step_status)
    Run.objects.filter(pk=run_id).update(
        status=run_status, error=error, finished_at=now, lease_owner="", lease_expires_at=None
    )


def _expiry_sql() -> str:
    seconds = int(LEASE.total_seconds())
    if connection.vendor == "postgresql":
        return f"statement_timestamp() + interval '{seconds} seconds'"
    # The same text as Django stores, so that the two compare.
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', '+{seconds} seconds')"
