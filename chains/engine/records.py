"""What a run writes, gathered: one batch becomes one transaction with one statement per table and kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chains.engine.attempt import Attempt
from chains.engine.context import Skip
from chains.engine.statements import Row, insert_rows, update_rows
from chains.models.run import AgentStep, Run, RunStatus, SkipReason, StepAttempt, StepStatus
from chains.providers.base import ChatMessage

_LIVE_SQL = "{table}.status IN ('pending', 'running', 'streaming')"
_START = ("step", "number", "messages", "started_at", "model", "input_price", "output_price")
_TEXT = ("step", "number", "status", "text", "reasoning", "text_length", "started_at", "first_token_at")
_END = (
    *_TEXT,
    "text_sha256",
    "finished_at",
    "stop_seen_at",
    "upstream_closed_at",
    "finish_reason",
    "is_truncated",
    "error_kind",
    "error",
    "http_status",
    "input_tokens",
    "output_tokens",
    "cost_usd",
)
_STEP = ("id", "status", "current_attempt", "skip_reason", "tested_subject", "tested_excerpt", "decided_by")
_FRESH = {
    "status": StepStatus.RUNNING,
    "text": "",
    "reasoning": "",
    "text_length": 0,
    "text_sha256": "",
    "finish_reason": "",
    "is_truncated": False,
    "error_kind": "",
    "error": "",
}


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The final state of a run."""

    run: int
    status: str
    output: str
    error: str
    at: datetime
    is_waiting: bool = False


@dataclass(slots=True)
class Batch:
    """What one run has to write in one turn."""

    starts: list[Row] = field(default_factory=list)
    texts: dict[tuple[int, int], Row] = field(default_factory=dict)
    ends: list[Row] = field(default_factory=list)
    steps: dict[int, Row] = field(default_factory=dict)
    run_ends: list[RunEnd] = field(default_factory=list)

    def start(self, attempt: Attempt) -> None:
        """Add a new attempt and what it makes of its step."""
        model = attempt.step.model
        messages = [_stored(message) for message in attempt.messages]
        row = (attempt.step.id, attempt.number, messages, attempt.started_at)
        self.starts.append((*row, model.row, model.input_price, model.output_price))
        self.step(attempt, StepStatus.RUNNING)

    def text(self, attempt: Attempt) -> None:
        """Add a checkpoint of a live attempt; the last one of a batch counts."""
        # Two rows for one attempt would not do: a database takes whichever it likes.
        self.texts[attempt.step.id, attempt.number] = _text_row(attempt)
        self.step(attempt, attempt.status)

    def end(self, attempt: Attempt, step_status: str) -> None:
        """Add the end of an attempt and what it makes of its step."""
        self.ends.append(_end_row(attempt))
        self.step(attempt, step_status)

    def step(self, attempt: Attempt, status: str) -> None:
        """Add a step's status; the last one of a batch counts."""
        self.steps[attempt.step.id] = (attempt.step.id, status, attempt.number, "", "", "", "")

    def skip_all(self, skips: Sequence[Skip]) -> None:
        """Add steps that do not run, each with its rule's evidence."""
        for skip in skips:
            self._skip(skip)

    def _skip(self, skip: Skip) -> None:
        verdict = skip.verdict
        evidence = (verdict.subject, verdict.excerpt, verdict.decided_by) if verdict else ("", "", "")
        reason = SkipReason.CONDITION if verdict else SkipReason.NOT_REACHED
        self.steps[skip.step.id] = (skip.step.id, StepStatus.SKIPPED, skip.step.attempts, reason, *evidence)

    def join(self, other: Batch) -> None:
        """Take over what another run has to write."""
        self.starts += other.starts
        self.texts |= other.texts
        self.ends += other.ends
        self.steps |= other.steps
        self.run_ends += other.run_ends

    def write(self) -> None:
        """Write all of it. Each change names the old state that it expects."""
        if self.starts:
            insert_rows(StepAttempt, _START, self.starts, constants=_FRESH)
        if self.texts:
            _update_attempts(_TEXT, list(self.texts.values()))
        if self.ends:
            _update_attempts(_END, self.ends)
        if self.steps:
            live = _LIVE_SQL.format(table=AgentStep._meta.db_table)
            update_rows(AgentStep, _STEP, list(self.steps.values()), where=live)
        for end in self.run_ends:
            Run.objects.filter(pk=end.run, status=RunStatus.RUNNING).update(
                status=end.status,
                output=end.output,
                error=end.error,
                finished_at=end.at,
                is_waiting=end.is_waiting,
                lease_owner="",
                lease_expires_at=None,
            )


def _stored(message: ChatMessage) -> dict[str, Any]:
    stored: dict[str, Any] = {"role": message.role, "content": message.content}
    # With its message: one statement writes a stage, and a copy of the message knows its sources too.
    if message.passages:
        stored["passages"] = message.passages
    # Where a picture is, not the picture: it is stored once.
    if message.images:
        stored["images"] = [{"attachment": image.attachment, "name": image.name} for image in message.images]
    return stored


def _update_attempts(columns: Sequence[str], rows: Sequence[Row]) -> None:
    table = StepAttempt._meta.db_table
    where = _LIVE_SQL.format(table=table)
    update_rows(StepAttempt, columns, rows, where=where, keys=2)


def _text_row(attempt: Attempt) -> Row:
    return (
        attempt.step.id,
        attempt.number,
        attempt.status,
        str(attempt.text),
        str(attempt.reasoning),
        attempt.text.length,
        attempt.started_at,
        attempt.first_token_at,
    )


def _end_row(attempt: Attempt) -> tuple[Any, ...]:
    return (
        *_text_row(attempt),
        attempt.sha256,
        attempt.finished_at,
        attempt.stop_seen_at,
        attempt.upstream_closed_at,
        attempt.finish_reason,
        attempt.is_truncated,
        attempt.error_kind,
        attempt.error,
        attempt.http_status,
        attempt.usage.input_tokens,
        attempt.usage.output_tokens,
        attempt.cost_usd,
    )
