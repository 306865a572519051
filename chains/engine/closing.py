"""Gives what a process left behind its final state, with the texts that had come. Blocking."""

from __future__ import annotations

import hashlib
from datetime import datetime

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


def close_run(
    run_id: int,
    run_status: RunStatus,
    step_status: StepStatus,
    *,
    kind: str,
    error: str,
    is_waiting: bool = False,
    alive_at: datetime | None = None,
) -> None:
    """Give everything that is live in a run its final status; partial texts stay.

    Its calls ended when their process was last alive, now if that is not known.
    """
    for attempt in StepAttempt.objects.filter(step__run_id=run_id, status__in=LIVE_ATTEMPT):
        close_attempt(attempt, step_status, kind=kind, error=error, alive_at=alive_at)
    steps = AgentStep.objects.filter(run_id=run_id)
    steps.filter(status=StepStatus.PENDING).update(
        status=StepStatus.SKIPPED, skip_reason=SkipReason.NOT_REACHED
    )
    steps.filter(status__in=LIVE_STEP).update(status=step_status)
    Run.objects.filter(pk=run_id).update(
        status=run_status,
        error=error,
        finished_at=timezone.now(),
        is_waiting=is_waiting,
        lease_owner="",
        lease_expires_at=None,
    )


def close_attempt(
    attempt: StepAttempt, status: StepStatus, *, kind: str, error: str, alive_at: datetime | None = None
) -> None:
    """Give a live attempt its final status, and its text the digest that a viewer compares with."""
    attempt.status, attempt.error_kind, attempt.error = status, kind, error
    # A server that was down for a night was not in a call all that time. Two hosts' clocks may differ.
    begun = attempt.first_token_at or attempt.started_at
    attempt.finished_at = max(begun, alive_at) if alive_at else timezone.now()
    attempt.text_length = len(attempt.text)
    attempt.text_sha256 = hashlib.sha256(attempt.text.encode()).hexdigest()
    changed = ["status", "error_kind", "error", "finished_at", "text_length", "text_sha256"]
    StepAttempt.objects.filter(pk=attempt.pk, status__in=LIVE_ATTEMPT).update(
        **{name: getattr(attempt, name) for name in changed}
    )
