"""Reads a run from the database into what the executor needs. Blocking: the journal's thread calls it."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from chains.engine.history import Turn
from chains.engine.plan import ConnectionType
from chains.engine.spec import ModelSpec, RunSpec, StepSpec
from chains.models.chain import OnFailure
from chains.models.provider import LanguageModel
from chains.models.run import WORKER_DIED, AgentStep, Run, RunStatus, StepAttempt, StepStatus

MAX_TURNS = 200


def load_run(run_id: int) -> RunSpec:
    """Return the whole run: its steps with their models and endpoints, and the history before it."""
    run = Run.objects.select_related("chain_version").get(pk=run_id)
    died = StepAttempt.objects.filter(
        step=models.OuterRef("pk"), number=models.OuterRef("current_attempt"), error_kind=WORKER_DIED
    )
    steps = (
        AgentStep.objects.filter(run=run)
        .select_related("model__provider")
        .annotate(has_died=models.Exists(died))
        .order_by("index")
    )
    return RunSpec(
        id=run.pk,
        session=run.session_id,
        input=run.input,
        steps=tuple(_step(step) for step in steps),
        continue_on_failure=run.chain_version.on_failure == OnFailure.CONTINUE,
        history=load_history(run),
    )


def load_history(run: Run) -> tuple[Turn, ...]:
    """Return the turns that precede a run: completed ones and those the user kept, oldest first.

    A run that was tried again stands where its first try stood, and its newest completed try stands for all.
    """
    place = Coalesce("retry_of_id", "id")
    better = Run.objects.filter(
        retry_of=Coalesce(models.OuterRef("retry_of_id"), models.OuterRef("pk")),
        pk__gt=models.OuterRef("pk"),
        status=RunStatus.COMPLETED,
    )
    earlier = (
        Run.objects.filter(Q(status=RunStatus.COMPLETED) | Q(is_kept=True), session_id=run.session_id)
        .annotate(place=place)
        .filter(~models.Exists(better), place__lt=run.retry_of_id or run.pk)
    )
    turns = list(earlier.order_by("-place", "-id").select_related("chain_version")[:MAX_TURNS])[::-1]
    answers = _group_answers(turns)
    sent_along = tuple(Turn(message, answer, {}) for message, answer in run.earlier)
    return sent_along + tuple(
        Turn(
            input=turn.input,
            output=turn.output,
            agent_outputs=answers.get(turn.pk, {})
            if turn.chain_version.chain_id == run.chain_version.chain_id
            else {},
        )
        for turn in turns
    )


def _group_answers(runs: list[Run]) -> dict[int, dict[str, str]]:
    """Return, for each run that ended in a group, slug → text of the members that completed in it."""
    rows = (
        StepAttempt.objects.filter(
            step__run__in=runs, step__status=StepStatus.COMPLETED, number=models.F("step__current_attempt")
        )
        .annotate(last=models.Subquery(_last_stage("step__run_id")))
        .filter(step__execution_group=models.F("last"), step__connection_type=ConnectionType.PARALLEL)
        .values_list("step__run_id", "step__slug", "text")
    )
    answers: dict[int, dict[str, str]] = {}
    for run_id, slug, text in rows:
        answers.setdefault(run_id, {})[slug] = text
    return answers


def _last_stage(outer: str) -> models.QuerySet[AgentStep, int]:
    ran = AgentStep.objects.filter(run_id=models.OuterRef(outer)).exclude(status=StepStatus.SKIPPED)
    return ran.order_by("-execution_group").values_list("execution_group", flat=True)[:1]


def _step(step: Any) -> StepSpec:
    return StepSpec(
        id=step.pk,
        index=step.index,
        stage=step.execution_group,
        name=step.name,
        slug=step.slug,
        connection=ConnectionType(step.connection_type),
        model=_model(step.model),
        prompt=step.prompt,
        system_prompt=step.system_prompt,
        condition=step.condition,
        temperature=step.temperature,
        max_output_tokens=step.max_output_tokens,
        status=step.status,
        attempts=step.current_attempt,
        is_undecided=step.status == StepStatus.INTERRUPTED and step.has_died,
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
