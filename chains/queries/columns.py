"""Columns: one agent's part of a run, as the page and the socket show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from django.db.models import Prefetch, Q
from django.utils.safestring import SafeString, mark_safe

from chains.engine.evidence import Piece, excerpt_pieces, rule_pieces
from chains.models import AgentStep, StepAttempt
from chains.models.chain import ConnectionType
from chains.models.run import LIVE_STEP, AgentStepQuerySet, StepStatus
from chains.providers.errors import parted
from chains.queries.figures import Metrics, duration_text, estimated_tokens, metrics_of, milliseconds_between
from chains.queries.labels import spoken_count, spoken_list, status_label
from chains.queries.offers import OfferKind
from chains.rendering.answer import answer_name
from chains.rendering.markdown import render_blocks


class Choice(StrEnum):
    """Whether the conversation may continue, or continues, with one answer of a run's last group."""

    NONE = ""
    OPEN = "open"
    CHOSEN = "chosen"
    OTHER = "other"


# (run, stage) → the names of its agents
StageNames = Mapping[tuple[int, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class SkipView:
    """Why a step did not run: its rule, what it was tested on, the part of it that decided."""

    reason: str
    condition: str
    subject: str
    excerpt: str
    decided_by: str

    @property
    def rule_pieces(self) -> tuple[Piece, ...]:
        """The rule, with the part that decided."""
        return rule_pieces(self.condition, self.decided_by)

    @property
    def excerpt_pieces(self) -> tuple[Piece, ...]:
        """The tested text, with the passage that decided."""
        return excerpt_pieces(self.excerpt, self.decided_by, self.subject)

    @property
    def is_otherwise(self) -> bool:
        """Whether it was left out because another branch ran."""
        return self.condition.strip() == "otherwise"


@dataclass(frozen=True)
class Column:
    """One step and its attempts. ``attempt`` is the current one, ``earlier`` are those before it.

    ``offers`` is what a person may do about it once its run has ended, ``choice`` whether the conversation
    continues with it.
    """

    step: AgentStep
    attempt: StepAttempt | None
    earlier: tuple[StepAttempt, ...]
    waiting_for: str
    offers: tuple[OfferKind, ...] = ()
    choice: Choice = Choice.NONE

    @property
    def can_stand_alone(self) -> bool:
        """Whether its agent can be asked without the others."""
        return not getattr(self.step, "names_agents", False)

    @property
    def attempt_count(self) -> int:
        """How many calls were made for the step so far."""
        return len(self.earlier) + (self.attempt is not None)

    @property
    def model_label(self) -> str:
        """The model as chain files name it: ``provider/model``."""
        return self.step.model.label

    @property
    def model_name(self) -> str:
        """The model as people name it."""
        return self.step.model.name

    @property
    def model_note(self) -> str:
        """What stands below the agent's name: the model, or whose it is where the agent is named like it."""
        model = self.step.model
        return model.provider.name if model.name == self.step.name else model.name

    @property
    def simulated(self) -> bool:
        """Whether the text is made up."""
        return self.step.model.is_simulated

    @property
    def stage(self) -> int:
        """The number of its stage, from 1."""
        return self.step.execution_group

    @property
    def parallel(self) -> bool:
        """Whether it is a member of a parallel group."""
        return self.step.connection_type == ConnectionType.PARALLEL

    @property
    def is_live(self) -> bool:
        """Whether the step has no final status yet."""
        return self.step.status in LIVE_STEP

    @property
    def label(self) -> str:
        """Its state in words."""
        return status_label(
            parallel=self.parallel,
            status=self.step.status,
            waiting_for=self.waiting_for,
            skip_reason=self.step.skip_reason,
        )

    @cached_property
    def html(self) -> SafeString:
        """The rendered answer, one element per block as on the live page. Costly: made when it is shown."""
        blocks = render_blocks(self.attempt.text, name=answer_name(self.step.pk)) if self.attempt else []
        return mark_safe("".join(f"<div data-block>{block}</div>" for block in blocks))  # noqa: S308 - blocks are safe

    @property
    def reasoning(self) -> str:
        """The model's reasoning, where the provider sent it."""
        return self.attempt.reasoning if self.attempt else ""

    @property
    def metrics(self) -> Metrics | None:
        """The figures of the current attempt, once the step has ended."""
        return metrics_of(self.attempt) if self.attempt and not self.is_live else None

    @property
    def skip(self) -> SkipView | None:
        """The evidence for a step that did not run."""
        step = self.step
        if step.status != StepStatus.SKIPPED:
            return None
        return SkipView(
            step.skip_reason, step.condition, step.tested_subject, step.tested_excerpt, step.decided_by
        )

    @property
    def error(self) -> str:
        """What went wrong, in a sentence; empty while another attempt may follow."""
        return self.attempt.error if self.attempt and not self.is_live else ""

    @property
    def failure(self) -> tuple[str, str]:
        """The same in two parts: our own sentence, and what the provider said of it."""
        return parted(self.error)

    @property
    def http_status(self) -> int | None:
        """What the provider's server answered, where that was the fault."""
        return self.attempt.http_status if self.attempt and not self.is_live else None

    @property
    def interruption(self) -> str:
        """Where an answer was cut off: ``Interrupted at 3,120 characters``; empty if none was."""
        if self.step.status != StepStatus.INTERRUPTED or self.attempt is None or not self.attempt.text_length:
            return ""
        return f"Interrupted at {spoken_count(self.attempt.text_length, 'character')}"

    @property
    def receipt(self) -> str:
        """What a stop did: when it came, how soon the connection was closed, how much text is kept."""
        if self.step.status != StepStatus.CANCELLED or self.attempt is None:
            return ""
        return _receipt(self.attempt)


def columns(*, run_ids: Sequence[int] | None = None, step_ids: Sequence[int] | None = None) -> list[Column]:
    """Return the columns of these runs or steps, in the order of runs and agents."""
    if run_ids is not None:
        return columns_of(load_steps(run_ids))
    steps = list(_rows().filter(pk__in=step_ids or []))
    rows = AgentStep.objects.filter(run_id__in={step.run_id for step in steps})
    return _columns(steps, _stage_names(rows.only("run_id", "execution_group", "name")))


def load_steps(run_ids: Sequence[int]) -> list[AgentStep]:
    """Read the steps of these runs with their models and attempts, in two queries."""
    return list(_rows().filter(run_id__in=run_ids))


def columns_of(steps: Sequence[AgentStep]) -> list[Column]:
    """Make the columns of whole runs."""
    return _columns(steps, _stage_names(steps))


def _rows() -> AgentStepQuerySet:
    # The messages sent are long, and no column shows them.
    attempts = StepAttempt.objects.defer("messages").order_by("number")
    return (
        AgentStep.objects.select_related("model__provider")
        .annotate(names_agents=Q(prompt__contains="{{agents.") | Q(prompt__contains="{{ agents."))
        .defer("system_prompt", "prompt")
        .prefetch_related(Prefetch("attempts", attempts))
        .order_by("run_id", "index")
    )


def _columns(steps: Iterable[AgentStep], names: StageNames) -> list[Column]:
    return [_column(step, names.get((step.run_id, step.execution_group - 1), ())) for step in steps]


def _column(step: AgentStep, before: Sequence[str]) -> Column:
    attempts = list(step.attempts.all())
    return Column(
        step=step,
        attempt=next((attempt for attempt in attempts if attempt.number == step.current_attempt), None),
        earlier=tuple(attempt for attempt in attempts if attempt.number < step.current_attempt),
        waiting_for=spoken_list(before),
    )


def _stage_names(steps: Iterable[AgentStep]) -> StageNames:
    names: dict[tuple[int, int], list[str]] = {}
    for step in steps:
        names.setdefault((step.run_id, step.execution_group), []).append(step.name)
    return names


def _receipt(attempt: StepAttempt) -> str:
    seen, closed = attempt.stop_seen_at, attempt.upstream_closed_at
    if seen is None:
        return "Stopped while it waited to try again."
    parts = [f"Stopped after {duration_text(milliseconds_between(attempt.started_at, seen))}"]
    if closed:
        taken = milliseconds_between(seen, closed)
        after = duration_text(taken) if taken else "less than 1 ms"
        parts.append(f"the connection to the provider was closed within {after}")
    kept = attempt.text_length
    received = (
        f"{spoken_count(kept, 'character')} (about {spoken_count(estimated_tokens(kept), 'token')}) kept"
    )
    parts.append(received if kept else "no text had come")
    return "; ".join(parts) + "."
