"""Reads a run from the database into what the executor needs. Blocking: the journal's thread calls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import models

from chains.engine.carried import Carried, load_carried
from chains.engine.history import Turn
from chains.engine.plan import ConnectionType
from chains.engine.spec import ModelSpec, RunSpec, StepSpec
from chains.models.chain import ChainVersion, OnFailure
from chains.models.provider import LanguageModel
from chains.models.run import WORKER_DIED, AgentStep, Run, RunStatus, StepAttempt, StepStatus
from chains.providers.base import Image

MAX_TURNS = 200


@dataclass(slots=True)
class Answers:
    """The answers of a run's last group by slug, and the one that somebody chose to continue with."""

    by_slug: dict[str, str] = field(default_factory=dict)
    chosen: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A message with its files, and what was said before it, oldest first."""

    input: str
    images: tuple[Image, ...]
    history: tuple[Turn, ...]


def load_run(run_id: int) -> RunSpec:
    """Return the whole run: its steps with their models and endpoints, and the history before it."""
    run = Run.objects.select_related("chain_version").get(pk=run_id)
    steps = list(AgentStep.objects.filter(run=run).select_related("model__provider").order_by("index"))
    died = _died([step for step in steps if step.status == StepStatus.INTERRUPTED])
    known: dict[int, ModelSpec] = {}
    specs = tuple(_step(step, known, is_undecided=step.pk in died) for step in steps)
    said = load_conversation(run, sees=any(spec.model.flags.vision for spec in specs))
    return RunSpec(
        id=run.pk,
        session=run.session_id,
        input=said.input,
        steps=specs,
        continue_on_failure=run.chain_version.on_failure == OnFailure.CONTINUE,
        history=said.history,
        images=said.images,
    )


def _died(interrupted: Sequence[AgentStep]) -> set[int]:
    """Return those of these steps whose process died in the middle of their answer."""
    if not interrupted:
        return set()
    current = models.F("step__current_attempt")
    died = StepAttempt.objects.filter(step__in=interrupted, number=current, error_kind=WORKER_DIED)
    return set(died.values_list("step_id", flat=True))


def load_conversation(run: Run, *, sees: bool = False) -> Conversation:
    """Return a run's message and the turns that precede it: completed ones and those the user kept.

    A run that was tried again stands where its first try stood, and its newest completed try stands for all.
    Unless some agent ``sees``, pictures are known by their names only.
    """
    turns = _turns_before(run)
    carried = load_carried([run.pk, *(turn.pk for turn in reversed(turns))], pictures=sees)
    return Conversation(
        input=carried.message(run.pk, run.input),
        images=tuple(carried.images.get(run.pk, ())),
        history=_history(run, turns, carried),
    )


def _turns_before(run: Run) -> list[Run]:
    place = run.retry_of_id or run.pk
    tries = Run.objects.filter(session_id=run.session_id).order_by("-pk")
    # Few columns of many rows, looked through here, cost a fifth of the query that would say the same.
    turns, settled = [], set()
    for pk, first, status, is_kept in tries.values_list("pk", "retry_of_id", "status", "is_kept"):
        known = first or pk
        if known >= place or known in settled:
            continue
        if status == RunStatus.COMPLETED:
            settled.add(known)
        if is_kept or status == RunStatus.COMPLETED:
            turns.append((known, pk))
    chosen = [pk for _, pk in sorted(turns)[-MAX_TURNS:]]
    runs = Run.objects.select_related("chain_version").in_bulk(chosen) if chosen else {}
    return [runs[pk] for pk in chosen]


def _history(run: Run, turns: Sequence[Run], carried: Carried) -> tuple[Turn, ...]:
    newest_lost = max((place for place, turn in enumerate(turns) if turn.pk in carried.too_long), default=-1)
    groups = _group_answers(turns) if turns else {}
    sent_along = tuple(Turn(message, answer, {}) for message, answer in run.earlier)
    known = tuple(
        _turn(turn, groups.get(turn.pk, Answers()), carried, run.chain_version)
        for turn in turns[newest_lost + 1 :]
    )
    # Whole turns go, and all that is older goes with them.
    return known if newest_lost >= 0 else sent_along + known


def _turn(turn: Run, answers: Answers, carried: Carried, version: ChainVersion) -> Turn:
    is_own = answers.chosen is None and turn.chain_version.chain_id == version.chain_id
    return Turn(
        input=carried.message(turn.pk, turn.input),
        output=turn.output if answers.chosen is None else answers.chosen,
        agent_outputs=answers.by_slug if is_own else {},
        images=tuple(carried.images.get(turn.pk, ())),
        unseen=tuple(carried.unseen.get(turn.pk, ())),
    )


def _group_answers(runs: Sequence[Run]) -> dict[int, Answers]:
    """Return, for each run that ended in a group, the texts of the members that completed in it."""
    rows = (
        StepAttempt.objects.filter(
            step__run__in=runs, step__status=StepStatus.COMPLETED, number=models.F("step__current_attempt")
        )
        .annotate(last=models.Subquery(_last_stage("step__run_id")))
        .filter(step__execution_group=models.F("last"), step__connection_type=ConnectionType.PARALLEL)
        .values_list("step__run_id", "step__slug", "step__is_chosen", "text")
    )
    answers: dict[int, Answers] = {}
    for run_id, slug, is_chosen, text in rows:
        group = answers.setdefault(run_id, Answers())
        group.by_slug[slug] = text
        if is_chosen:
            group.chosen = text
    return answers


def _last_stage(outer: str) -> models.QuerySet[AgentStep, int]:
    ran = AgentStep.objects.filter(run_id=models.OuterRef(outer)).exclude(status=StepStatus.SKIPPED)
    return ran.order_by("-execution_group").values_list("execution_group", flat=True)[:1]


def _step(step: AgentStep, known: dict[int, ModelSpec], *, is_undecided: bool) -> StepSpec:
    # Most agents of a chain share their models: keys and addresses are looked up once for each.
    if step.model_id not in known:
        known[step.model_id] = _model(step.model)
    return StepSpec(
        id=step.pk,
        index=step.index,
        stage=step.execution_group,
        name=step.name,
        slug=step.slug,
        connection=ConnectionType(step.connection_type),
        model=known[step.model_id],
        prompt=step.prompt,
        system_prompt=step.system_prompt,
        condition=step.condition,
        temperature=step.temperature,
        max_output_tokens=step.max_output_tokens,
        status=step.status,
        attempts=step.current_attempt,
        is_undecided=is_undecided,
    )


def _model(model: LanguageModel) -> ModelSpec:
    return ModelSpec(
        label=model.label,
        model_id=model.model_id,
        endpoint=model.provider.endpoint,
        flags=model.flags,
        context_window=model.context_window,
        input_price=model.input_price,
        output_price=model.output_price,
        row=model.pk,
    )
