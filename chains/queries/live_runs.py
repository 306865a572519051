"""What runs at this moment, of everybody, for those who look after the place. No text is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from chains.models import AgentStep, Run, StepAttempt
from chains.models.run import LIVE_ATTEMPT, LIVE_STEP
from chains.queries.figures import duration_text, milliseconds_between

SHOWN = 100
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class LiveStep:
    """An agent that was called and has not ended. ``since`` is when its newest request left."""

    id: int
    name: str
    connection: str
    status: str
    label: str
    since: datetime
    attempt: int
    tokens: int


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run that has not ended. ``tokens`` are the output of all its calls, estimated where one goes on."""

    run: Run
    owner: str
    chain: str
    since: datetime
    lasted: str
    is_stopping: bool
    steps: list[LiveStep]
    ended: int
    agents: int
    tokens: int


def live_runs(*, limit: int = SHOWN) -> list[LiveRun]:
    """Read the oldest live runs with their steps and calls: three queries."""
    rows = Run.objects.live().select_related("session__owner", "chain_version__chain")
    # Their texts may be long, and may not be for whoever looks.
    lean = rows.defer("input", "output", "earlier", "session__title", "chain_version__chain__description")
    runs = list(lean.order_by("id")[:limit])
    steps = _steps(runs)
    attempts = _attempts(runs)
    return [_live_run(run, steps[run.pk], attempts) for run in runs]


def _steps(runs: Sequence[Run]) -> dict[int, list[AgentStep]]:
    columns = ("run", "index", "name", "connection_type", "status", "current_attempt")
    by_run: dict[int, list[AgentStep]] = defaultdict(list)
    for step in AgentStep.objects.filter(run__in=runs).only(*columns).order_by("run_id", "index"):
        by_run[step.run_id].append(step)
    return by_run


def _attempts(runs: Sequence[Run]) -> dict[int, list[StepAttempt]]:
    columns = ("step", "number", "status", "started_at", "text_length", "output_tokens")
    by_step: dict[int, list[StepAttempt]] = defaultdict(list)
    for attempt in StepAttempt.objects.filter(step__run__in=runs).only(*columns).order_by("number"):
        by_step[attempt.step_id].append(attempt)
    return by_step


def _live_run(run: Run, steps: Sequence[AgentStep], attempts: dict[int, list[StepAttempt]]) -> LiveRun:
    since = run.started_at or run.created_at
    called = [step for step in steps if attempts.get(step.pk)]
    at_work = [_live_step(step, attempts[step.pk]) for step in called if step.status in LIVE_STEP]
    return LiveRun(
        run=run,
        owner=run.session.owner.get_username(),
        chain=str(run.chain_version),
        since=since,
        lasted=duration_text(milliseconds_between(since, timezone.now())),
        is_stopping=run.stop_requested_at is not None,
        steps=at_work,
        ended=sum(step.status not in LIVE_STEP for step in steps),
        agents=len(steps),
        tokens=sum(_tokens(attempts[step.pk]) for step in called),
    )


def _live_step(step: AgentStep, attempts: Sequence[StepAttempt]) -> LiveStep:
    newest = attempts[-1]
    # Between two attempts of a step the last one has ended already.
    label = newest.get_status_display() if newest.status in LIVE_ATTEMPT else "Trying again"
    return LiveStep(
        id=step.pk,
        name=step.name,
        connection=step.connection_type,
        status=step.status,
        label=label,
        since=newest.started_at,
        attempt=newest.number,
        tokens=_tokens(attempts),
    )


def _tokens(attempts: Sequence[StepAttempt]) -> int:
    """Count output tokens: what the provider said, else a quarter of the stored characters."""
    return sum(
        attempt.text_length // CHARACTERS_PER_TOKEN
        if attempt.output_tokens is None
        else attempt.output_tokens
        for attempt in attempts
    )
