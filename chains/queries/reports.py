"""A run as one JSON object for programs.

Times are ISO 8601 in UTC, durations ms, sizes bytes, costs USD, unknown null.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from chains.models import Attachment, Run
from chains.queries.columns import Column, columns
from chains.queries.figures import milliseconds_between
from chains.queries.reading import Prompts, Reading, ReadingColumn

FORMAT = "chainchat-run/1"


def run_report(run: Run) -> dict[str, Any]:
    """Return what a run came to, as ``run_chain --json`` prints it."""
    return {
        "run_id": run.pk,
        "session_id": run.session_id,
        "status": run.status,
        "wall_ms": _wall_ms(run),
        "error": run.error or None,
        "output": run.output,
        "steps": [_step(column) for column in columns(run_ids=[run.pk])],
    }


def run_export(reading: Reading) -> dict[str, Any]:
    """Return a run as its JSON export: the figures of ``run_report``, the message and the evidence."""
    run, totals = reading.run, reading.band.totals
    known, unknown = _cost([column.column for column in reading.columns])
    return {
        "format": FORMAT,
        "run": {
            "id": run.pk,
            "status": run.status,
            "error": reading.band.error or None,
            "chain": reading.band.chain.name,
            "version": reading.band.version_number,
            "created_at": _time(run.created_at),
            "started_at": _time(run.started_at),
            "finished_at": _time(run.finished_at),
            "wall_ms": _wall_ms(run),
            "sum_ms": totals.sum_ms if totals else None,
            "cost_usd": known,
            "calls_without_cost": unknown,
        },
        "message": run.input,
        "files": [_file(file) for file in reading.band.files],
        "steps": [_exported(column) for column in reading.columns],
    }


def _file(file: Attachment) -> dict[str, Any]:
    return {
        "name": file.name,
        "kind": file.kind,
        "media_type": file.media_type,
        "size": file.size,
        "width": file.width,
        "height": file.height,
    }


def _exported(shown: ReadingColumn) -> dict[str, Any]:
    column, skip = shown.column, shown.column.skip
    step = _step(column) | {
        "is_simulated": column.simulated,
        "is_truncated": bool(column.attempt and column.attempt.is_truncated),
        "is_reused": column.step.reused_from_id is not None,
        "reasoning": column.reasoning or None,
        "skip": skip
        and {
            "reason": skip.reason,
            "condition": skip.condition or None,
            "subject": skip.subject or None,
            "excerpt": skip.excerpt if skip.subject else None,
            "decided_by": skip.decided_by or None,
        },
    }
    return step | {"prompts": _prompts(shown.prompts)} if shown.prompts else step


def _prompts(prompts: Prompts) -> dict[str, Any]:
    return {
        "system": prompts.system or None,
        "earlier_messages": prompts.earlier,
        "prompt": prompts.prompt,
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


def _cost(shown: Sequence[Column]) -> tuple[float | None, int]:
    """Return the known cost of all calls that the run made, and how many calls' cost is unknown."""
    called = [column for column in shown if column.step.reused_from_id is None]
    costs = [call.cost_usd for column in called for call in (*column.earlier, column.attempt) if call]
    known = [cost for cost in costs if cost is not None]
    return (float(sum(known)) if known else None), len(costs) - len(known)


def _wall_ms(run: Run) -> int | None:
    if run.started_at is None or run.finished_at is None:
        return None
    return milliseconds_between(run.started_at, run.finished_at)


def _error(column: Column) -> str | None:
    status = column.http_status
    if column.error and status and str(status) not in column.error:
        return f"{column.error} (HTTP {status})"
    return column.error or None


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
