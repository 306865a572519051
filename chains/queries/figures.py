"""Durations, tokens and costs, from recorded times. Nothing here asks the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from chains.engine.history import CHARACTERS_PER_TOKEN
from chains.models import Run, StepAttempt
from chains.queries.labels import spoken_count

LEAST_SHOWN = Decimal("0.0001")  # USD
# What came within less says nothing about a model's speed.
LEAST_MEASURED_MS = 100


@dataclass(frozen=True, slots=True)
class Metrics:
    """The figures of one call; None where something is unknown. ``cost`` is in words: ``$0.0123``."""

    duration_ms: int
    first_token_ms: int | None
    input_tokens: int | None
    output_tokens: int | None
    tokens_per_second: float | None
    cost: str


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures of a run. ``sum_ms`` adds up all calls, ``saved_ms`` is what parallelism took off it.

    ``waited_ms`` is the part of the wall time in which the run waited long, with no call live.
    """

    wall_ms: int
    sum_ms: int
    saved_ms: int
    cost: str
    tokens: int | None
    waited_ms: int = 0


def milliseconds_between(start: datetime, end: datetime) -> int:
    """Return a duration in ms, never negative: two hosts' clocks may differ."""
    return max(0, round((end - start).total_seconds() * 1000))


def size_text(size: int) -> str:
    """Write a size in bytes as a person reads it: ``812 bytes``, ``12 KB``, ``1.4 MB``."""
    if size < 1024:
        return f"{size} byte{'' if size == 1 else 's'}"
    if size < 1024**2:
        return f"{size / 1024:.0f} KB"
    return f"{size / 1024**2:.1f} MB"


def duration_text(ms: float) -> str:
    """Write a duration as a person reads it: ``85 ms``, ``3.6 s``, ``2 min 05 s``, ``2 h 5 min``."""
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if ms < 59_950:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02} s"
    hours, minutes = divmod(round(ms / 60_000), 60)
    return f"{hours} h {minutes} min"


def estimated_tokens(characters: int) -> int:
    """Estimate tokens as history does: characters ÷ 4, rounded up."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def cost_text(costs: Iterable[Decimal | None]) -> str:
    """Write a sum in USD that says how much of it is unknown: ``$0.0123 + unknown for 2 calls``."""
    all_costs = list(costs)
    known = [cost for cost in all_costs if cost is not None]
    parts = [_dollars(sum(known, Decimal(0)))] if known or not all_costs else []
    if unknown := len(all_costs) - len(known):
        parts.append(f"unknown for {spoken_count(unknown, 'call')}")
    return " + ".join(parts)


def _dollars(amount: Decimal) -> str:
    if 0 < amount < LEAST_SHOWN:
        return f"< ${LEAST_SHOWN}"
    if amount < 1:
        return f"${amount:.4f}" if amount else "$0"
    return f"${amount:,.2f}"


def metrics_of(attempt: StepAttempt) -> Metrics | None:
    """Return the figures of a call that has ended."""
    if attempt.finished_at is None:
        return None
    first, streamed_ms = None, 0
    if attempt.first_token_at:
        first = milliseconds_between(attempt.started_at, attempt.first_token_at)
        streamed_ms = milliseconds_between(attempt.first_token_at, attempt.finished_at)
    tokens = attempt.output_tokens
    return Metrics(
        duration_ms=milliseconds_between(attempt.started_at, attempt.finished_at),
        first_token_ms=first,
        input_tokens=attempt.input_tokens,
        output_tokens=tokens,
        tokens_per_second=tokens * 1000 / streamed_ms
        if tokens and streamed_ms >= LEAST_MEASURED_MS
        else None,
        cost="unknown" if attempt.cost_usd is None else cost_text([attempt.cost_usd]),
    )


def totals_of(run: Run, attempts: Sequence[StepAttempt], *, waited_ms: int = 0) -> Totals | None:
    """Return the figures of a run that has ended; None when it made no call."""
    if run.started_at is None or run.finished_at is None or not attempts:
        return None
    wall = milliseconds_between(run.started_at, run.finished_at)
    total = _sum_ms(attempts)
    tokens = [
        count for attempt in attempts for count in (attempt.input_tokens, attempt.output_tokens) if count
    ]
    return Totals(
        wall_ms=wall,
        sum_ms=total,
        saved_ms=max(0, total - (wall - waited_ms)),
        cost=cost_text(attempt.cost_usd for attempt in attempts),
        tokens=sum(tokens) if tokens else None,
        waited_ms=waited_ms,
    )


def _sum_ms(attempts: Iterable[StepAttempt]) -> int:
    return sum(
        milliseconds_between(attempt.started_at, attempt.finished_at)
        for attempt in attempts
        if attempt.finished_at
    )
