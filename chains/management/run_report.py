"""A run that has ended, as one JSON object for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chains.models import Run
from chains.queries import Column, columns, milliseconds_between


def run_report(run: Run) -> dict[str, Any]:
    """Return what a run came to. Times are ISO 8601 in UTC, durations ms, costs USD; unknown is null."""
    wall = (
        milliseconds_between(run.started_at, run.finished_at) if run.started_at and run.finished_at else None
    )
    return {
        "run_id": run.pk,
        "session_id": run.session_id,
        "status": run.status,
        "wall_ms": wall,
        "error": run.error or None,
        "output": run.output,
        "steps": [_step(column) for column in columns(run_ids=[run.pk])],
    }


def _step(column: Column) -> dict[str, Any]:
    step, attempt, metrics = column.step, column.attempt, column.metrics
    cost = attempt.cost_usd if attempt else None
    return {
        "index": step.index,
        "name": step.name,
        "model": column.model_label,
        "stage": column.stage,
        "connection_type": step.connection_type,
        "status": step.status,
        "text": attempt.text if attempt else "",
        "error": _error(column),
        "http_status": column.http_status,
        "skip_reason": step.skip_reason or None,
        "attempts": column.attempt_count,
        "started_at": _time(attempt.started_at if attempt else None),
        "first_token_at": _time(attempt.first_token_at if attempt else None),
        "finished_at": _time(attempt.finished_at if attempt else None),
        "duration_ms": metrics.duration_ms if metrics else None,
        "input_tokens": attempt.input_tokens if attempt else None,
        "output_tokens": attempt.output_tokens if attempt else None,
        "cost_usd": None if cost is None else float(cost),
    }


def _error(column: Column) -> str | None:
    status = column.http_status
    if column.error and status and str(status) not in column.error:
        return f"{column.error} (HTTP {status})"
    return column.error or None


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
