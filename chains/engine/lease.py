"""Who may write a run: a lease by compare-and-swap on owner, epoch and expiry, by the database's clock.

These functions block: the journal's thread and the sweep call them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from chains.engine.closing import close_run
from chains.models.run import AgentStep, Run, RunStatus, StepStatus

LEASE = timedelta(seconds=10)


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


def reserve(run_id: int, owner: str) -> None:
    """Lease a command's queued run to it from the start: should it die before it claims it, that shows."""
    queued = Run.objects.filter(pk=run_id, status=RunStatus.QUEUED, is_detached=True)
    queued.update(lease_owner=owner, lease_expires_at=Now() + LEASE)


def claim(run_id: int, owner: str, *, detached: bool = False) -> Lease | None:
    """Take a queued run that nobody else holds; None when somebody else was first.

    A detached run is taken by a command for its own process; the sweep only ever marks it as interrupted.
    """
    # ``lapsed`` by hand, for RETURNING: this stands before the first request of every run.
    sql = (
        "UPDATE chains_run SET status = 'running', lease_owner = %s, epoch = epoch + 1, started_at = %s, "
        f"lease_expires_at = {_expiry_sql()} WHERE id = %s AND status = 'queued' AND is_detached = %s "
        f"AND (lease_expires_at IS NULL OR lease_expires_at < {_now_sql()} OR lease_owner = %s) "
        "RETURNING epoch"
    )
    started = Run._meta.get_field("started_at").get_db_prep_save(timezone.now(), connection)
    with connection.cursor() as cursor:
        cursor.execute(sql, [owner, started, run_id, detached, owner])
        taken = cursor.fetchall()
    return Lease(run_id, taken[0][0]) if taken else None


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


@transaction.atomic
def release(owner: str) -> list[int]:
    """Give back everything that this owner holds, so that nobody has to wait for it to lapse.

    The expiry stays as the moment at which the process was last there.
    """
    held = Run.objects.filter(lease_owner=owner, status=RunStatus.RUNNING)
    runs = list(held.values_list("id", flat=True))
    # Without an owner no write of ours that is still on its way can renew it.
    held.update(lease_owner="", lease_expires_at=Now() - timedelta(milliseconds=1))
    return runs


def stop_flags(run_id: int) -> StopFlags:
    """Read what the user asked to stop."""
    steps = AgentStep.objects.filter(run_id=run_id, stop_requested_at__isnull=False).values_list(
        "id", flat=True
    )
    run = Run.objects.filter(pk=run_id, stop_requested_at__isnull=False).exists()
    return StopFlags(run=run, steps=frozenset(steps))


def queued_runs() -> list[int]:
    """Return the runs that wait for a process, oldest first."""
    runs = Run.objects.filter(lapsed(), status=RunStatus.QUEUED, is_detached=False)
    return list(runs.order_by("id").values_list("id", flat=True))


@transaction.atomic
def give_up(held: Lease, owner: str, error: str) -> None:
    """End a run of ours as failed after a fault of our own."""
    mine = Run.objects.filter(pk=held.run, epoch=held.epoch, lease_owner=owner, status=RunStatus.RUNNING)
    if mine.update(epoch=F("epoch") + 1):
        close_run(held.run, RunStatus.FAILED, StepStatus.FAILED, kind="internal", error=error)


def last_alive(owner: str, expires_at: datetime | None) -> datetime | None:
    """Return when the process that left a run was last there: it gave the lease back, or renewed it."""
    if expires_at is None or not owner:
        return expires_at
    return expires_at - LEASE


def lapsed() -> Q:
    """Return the condition for a run that nobody holds."""
    return Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now())


def _expiry_sql() -> str:
    seconds = int(LEASE.total_seconds())
    if connection.vendor == "postgresql":
        return f"statement_timestamp() + interval '{seconds} seconds'"
    # The same text as Django stores, so that the two compare.
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', '+{seconds} seconds')"


def _now_sql() -> str:
    if connection.vendor == "postgresql":
        return "statement_timestamp()"
    return "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"
