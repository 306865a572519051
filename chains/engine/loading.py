"""Reads a run from the database into what the executor needs. Blocking: the journal's thread calls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import DEFAULT_DB_ALIAS, models

from chains.engine.carried import Carried, load_carried
from chains.engine.history import Turn
from chains.engine.plan import ConnectionType
from chains.engine.prepared import read
from chains.engine.spec import ModelSpec, RunSpec, StepSpec
from chains.models.chain import OnFailure
from chains.models.provider import LanguageModel, Provider
from chains.models.run import LEFT_BEHIND, AgentStep, Run, RunStatus, StepAttempt, StepStatus
from chains.providers.base import Endpoint

MAX_TURNS = 200
# Columns: of a step those that say what it is and what it asks for, of its model and provider all.
_STEP = (
    *("id", "status", "current_attempt", "index", "execution_group", "name", "slug"),
    *("connection_type", "prompt", "system_prompt", "condition", "temperature", "max_output_tokens"),
)
_MODEL = tuple(field.attname for field in LanguageModel._meta.concrete_fields)
_PROVIDER = tuple(field.attname for field in Provider._meta.concrete_fields)


@dataclass(slots=True)
class Answers:
    """The answers of a run's last group by slug, and the one that somebody chose to continue with."""

    by_slug: dict[str, str] = field(default_factory=dict)
    chosen: str | None = None


@dataclass(frozen=True, slots=True)
class _Message:
    """Where a message stands, and what a program sent along before it."""

    run: int
    session: int
    input: str
    earlier: Sequence[tuple[str, str]]
    retry_of: int | None
    chain: int
    on_failure: str


def load_run(run_id: int) -> RunSpec:
    """Return the whole run: its steps with their models and endpoints, and the history before it.

    Raises ``Run.DoesNotExist``.
    """
    message = _message(run_id)
    rows = read(_steps, run_id)
    died = _died([step for step, status, *_ in rows if status == StepStatus.INTERRUPTED])
    known = _Known()
    specs = tuple(_step(row, known.model(row), is_undecided=row[0] in died) for row in rows)
    turns = _turns_before(message)
    # Unless some agent sees them, pictures are known by their names only.
    sees = any(spec.model.flags.vision for spec in specs)
    carried = load_carried([run_id, *(turn.pk for turn in reversed(turns))], pictures=sees)
    return RunSpec(
        id=run_id,
        session=message.session,
        input=carried.message(run_id, message.input),
        steps=specs,
        continue_on_failure=message.on_failure == OnFailure.CONTINUE,
        history=_history(message, turns, carried),
        images=tuple(carried.images.get(run_id, ())),
    )


def _message(run_id: int) -> _Message:
    for row in read(_runs, run_id):
        return _Message(run_id, *row)
    raise Run.DoesNotExist(f"run {run_id}")


def _runs(pk: int) -> models.QuerySet[Run, tuple[Any, ...]]:
    columns = ("session_id", "input", "earlier", "retry_of_id", "chain_version__chain_id")
    return Run.objects.filter(pk=pk).values_list(*columns, "chain_version__on_failure")


def _steps(run: int) -> models.QuerySet[AgentStep, tuple[Any, ...]]:
    steps = AgentStep.objects.filter(run_id=run).order_by("index")
    provider = [f"model__provider__{name}" for name in _PROVIDER]
    return steps.values_list(*_STEP, *(f"model__{name}" for name in _MODEL), *provider)


def _died(interrupted: Sequence[int]) -> set[int]:
    """Return those of these steps whose process died in the middle of their answer."""
    if not interrupted:
        return set()
    current = models.F("step__current_attempt")
    died = StepAttempt.objects.filter(step__in=interrupted, number=current, error_kind__in=LEFT_BEHIND)
    return set(died.values_list("step_id", flat=True))


def _tries(session: int) -> models.QuerySet[Run, tuple[Any, ...]]:
    tries = Run.objects.filter(session_id=session).order_by("-pk")
    return tries.values_list("pk", "retry_of_id", "status", "is_kept")


def _turns_before(message: _Message) -> list[Run]:
    """Return the runs that precede a message, oldest first: completed ones and those the user kept.

    A run that was tried again stands where its first try stood, and its newest completed try stands for all.
    """
    place = message.retry_of or message.run
    # Few columns of many rows, looked through here, cost a fifth of the query that would say the same.
    turns, settled = [], set()
    for pk, first, status, is_kept in read(_tries, message.session):
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


def _history(message: _Message, turns: Sequence[Run], carried: Carried) -> tuple[Turn, ...]:
    newest_lost = max((place for place, turn in enumerate(turns) if turn.pk in carried.too_long), default=-1)
    groups = _group_answers(turns) if turns else {}
    sent_along = tuple(Turn(said, answer, {}) for said, answer in message.earlier)
    known = tuple(
        _turn(turn, groups.get(turn.pk, Answers()), carried, message.chain)
        for turn in turns[newest_lost + 1 :]
    )
    # Whole turns go, and all that is older goes with them.
    return known if newest_lost >= 0 else sent_along + known


def _turn(turn: Run, answers: Answers, carried: Carried, chain: int) -> Turn:
    is_own = answers.chosen is None and turn.chain_version.chain_id == chain
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


def _step(row: tuple[Any, ...], model: ModelSpec, *, is_undecided: bool) -> StepSpec:
    step, status, attempts, index, stage, name, slug, connection, *asks = row[: len(_STEP)]
    prompt, system_prompt, condition, temperature, max_output_tokens = asks
    return StepSpec(
        id=step,
        index=index,
        stage=stage,
        name=name,
        slug=slug,
        connection=ConnectionType(connection),
        model=model,
        prompt=prompt,
        system_prompt=system_prompt,
        condition=condition,
        temperature=temperature,
        max_output_tokens=max_output_tokens,
        status=status,
        attempts=attempts,
        is_undecided=is_undecided,
    )


@dataclass(slots=True)
class _Known:
    """What agents share, by its id: most their model, nearly all their provider with its key and address."""

    models: dict[int, ModelSpec] = field(default_factory=dict)
    endpoints: dict[int, Endpoint] = field(default_factory=dict)

    def model(self, row: tuple[Any, ...]) -> ModelSpec:
        """Return the model of a step's row."""
        if (key := row[len(_STEP)]) not in self.models:
            model = LanguageModel.from_db(DEFAULT_DB_ALIAS, _MODEL, row[len(_STEP) : -len(_PROVIDER)])
            model.provider = Provider.from_db(DEFAULT_DB_ALIAS, _PROVIDER, row[-len(_PROVIDER) :])
            self.models[key] = _model(model, self._endpoint(model.provider))
        return self.models[key]

    def _endpoint(self, provider: Provider) -> Endpoint:
        if provider.pk not in self.endpoints:
            self.endpoints[provider.pk] = provider.endpoint
        return self.endpoints[provider.pk]


def _model(model: LanguageModel, endpoint: Endpoint) -> ModelSpec:
    return ModelSpec(
        label=model.label,
        model_id=model.model_id,
        endpoint=endpoint,
        flags=model.flags,
        context_window=model.context_window,
        input_price=model.input_price,
        output_price=model.output_price,
        row=model.pk,
    )
