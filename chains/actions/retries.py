"""Going on with a run that did not complete, or doing it again.

A run that waits for a person's decision goes on itself, with new attempts. One that has ended stays as it
ended: a new run takes over its answers and makes the calls that are left.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from chains.actions.errors import ActionError, NotRunnable, RunInProgress, SessionGone
from chains.actions.runs import COPIED, explain_conflict, first_try, hint_start
from chains.engine import resumption
from chains.engine.resumption import Resumption
from chains.models import AgentStep, ChatSession, LanguageModel, Run, RunAttachment, StepAttempt
from chains.models.run import LEFT_BEHIND, RunStatus, SkipReason, StepStatus

LIVE = "This run is going on: stop it first, or wait for its end."
NOT_UNFINISHED = "This agent has ended well: there is nothing of it to try again."
NO_TEXT = "Nothing of this answer had arrived: there is no text to keep."
NOT_THERE = "The run waits for another agent: decide about that one first."
# What an answer that is taken over had become.
_ENDED = ("status", "skip_reason", "tested_subject", "tested_excerpt", "decided_by", "is_kept")


def retry_step(*, step: AgentStep, request_id: str, model: LanguageModel | None = None) -> Run:
    """Call one agent again, perhaps another model, and then every agent behind it.

    Raises ``RunInProgress``, ``NotRunnable`` or another ``ActionError``.
    """
    if step.status not in resumption.UNFINISHED:
        raise ActionError(NOT_UNFINISHED)
    steps = steps_of(step.run)
    return _go_on(step.run, steps, resumption.retry(steps, step.index), request_id, {step.index: model})


def keep_step(*, step: AgentStep, request_id: str) -> Run:
    """Take an agent's partial text as its answer, and go on behind it. Raises as ``retry_step``."""
    if step.status not in resumption.UNFINISHED:
        raise ActionError(NOT_UNFINISHED)
    if not step.attempts.filter(number=step.current_attempt).exclude(text="").exists():
        raise ActionError(NO_TEXT)
    steps = steps_of(step.run)
    return _go_on(step.run, steps, resumption.keep(steps, step.index), request_id)


def continue_run(*, run: Run, request_id: str) -> Run:
    """Call what did not complete, and every agent behind it. Raises as ``retry_step``."""
    steps = steps_of(run)
    stage = waiting_stage(run) if run.is_waiting else None
    return _go_on(run, steps, resumption.go_on(steps, stage), request_id)


def run_again(*, run: Run, request_id: str) -> Run:
    """Send the same message through the same version once more, as a new run. Raises as ``retry_step``."""
    if run.is_live:
        raise ActionError(LIVE)
    steps = steps_of(run)
    return _start_anew(run, steps, resumption.again(steps), request_id, {})


def steps_of(run: Run) -> list[AgentStep]:
    """Read the steps of a run with their models, in chain order."""
    return list(run.steps.select_related("model__provider").order_by("index"))


def waiting_stage(run: Run) -> int:
    """Return the number of the stage at which a waiting run stands."""
    stages = _undecided(run).values_list("execution_group", flat=True)
    not_reached = run.steps.filter(skip_reason=SkipReason.NOT_REACHED)
    return min(stages, default=0) or min(not_reached.values_list("execution_group", flat=True), default=0)


def _undecided(run: Run) -> QuerySet[AgentStep]:
    return run.steps.filter(
        status=StepStatus.INTERRUPTED,
        attempts__number=F("current_attempt"),
        attempts__error_kind__in=LEFT_BEHIND,
    )


def _go_on(
    run: Run,
    steps: Sequence[AgentStep],
    plan: Resumption,
    request_id: str,
    models: dict[int, LanguageModel | None] | None = None,
) -> Run:
    if run.is_live:
        raise ActionError(LIVE)
    chosen = {index: model for index, model in (models or {}).items() if model}
    if run.is_waiting:
        return _resume(run, steps, plan, chosen)
    return _start_anew(run, steps, plan, request_id, chosen)


def _check_models(steps: Sequence[AgentStep], plan: Resumption, chosen: dict[int, LanguageModel]) -> None:
    for step in steps:
        model = chosen.get(step.index, step.model)
        if step.index in plan.run and not (model.enabled and model.provider.enabled):
            raise NotRunnable(
                f"{step.name} uses {model.label}, which is switched off: choose another model for it."
            )


# A run that waits


def _resume(run: Run, steps: Sequence[AgentStep], plan: Resumption, chosen: dict[int, LanguageModel]) -> Run:
    """Let a waiting run go on, unless another of its answers still waits for a decision."""
    _check_models(steps, plan, chosen)
    try:
        with transaction.atomic():
            _reopen(run, steps, plan, chosen)
    except IntegrityError as error:
        raise RunInProgress from error
    transaction.on_commit(lambda: hint_start(run))
    return run


def _reopen(run: Run, steps: Sequence[AgentStep], plan: Resumption, chosen: dict[int, LanguageModel]) -> None:
    touched = plan.run if plan.kept is None else plan.run | {plan.kept}
    if min(step.execution_group for step in steps if step.index in touched) != waiting_stage(run):
        raise ActionError(NOT_THERE)
    waiting = Run.objects.filter(pk=run.pk, status=RunStatus.INTERRUPTED, is_waiting=True)
    if plan.kept is not None:
        # The row first, as the engine does: two orders would wait for each other.
        if not waiting.update(epoch=F("epoch") + 1):
            raise ActionError(LIVE)
        run.steps.filter(index=plan.kept).update(status=StepStatus.COMPLETED, is_kept=True)
        if _undecided(run).exists():
            return
    if not waiting.update(
        status=RunStatus.QUEUED,
        is_waiting=False,
        is_detached=False,
        stop_requested_at=None,
        finished_at=None,
        error="",
        epoch=F("epoch") + 1,
    ):
        raise ActionError(LIVE)
    reopened = run.steps.filter(index__in=plan.run)
    reopened.update(status=StepStatus.PENDING, skip_reason="", stop_requested_at=None)
    for index, model in chosen.items():
        run.steps.filter(index=index).update(model=model)
    ChatSession.objects.filter(pk=run.session_id).update(active_at=timezone.now())


# A run that has ended


def _start_anew(
    run: Run,
    steps: Sequence[AgentStep],
    plan: Resumption,
    request_id: str,
    chosen: dict[int, LanguageModel],
) -> Run:
    if not plan.run and plan.kept is None:
        raise ActionError(NOT_UNFINISHED)
    _check_models(steps, plan, chosen)
    anew = Run(
        session_id=run.session_id,
        chain_version_id=run.chain_version_id,
        request_id=request_id,
        input=run.input,
        earlier=run.earlier,
        # All tries of one message stand at the place of its first.
        retry_of_id=first_try(run),
    )
    try:
        with transaction.atomic():
            anew.save(force_insert=True)
            _write_steps(anew, steps, plan, chosen)
            _carry_over(run, anew)
            if not ChatSession.objects.filter(pk=run.session_id).update(active_at=anew.created_at):
                raise SessionGone
    except IntegrityError as error:
        return explain_conflict(anew, error)
    transaction.on_commit(lambda: hint_start(anew))
    return anew


def _carry_over(run: Run, anew: Run) -> None:
    uses = run.carried.values_list("attachment_id", "position")
    RunAttachment.objects.bulk_create(
        RunAttachment(run=anew, attachment_id=attachment, position=position) for attachment, position in uses
    )


def _write_steps(
    anew: Run, steps: Sequence[AgentStep], plan: Resumption, chosen: dict[int, LanguageModel]
) -> None:
    made = [_step_of(anew, step, plan, chosen) for step in steps]
    AgentStep.objects.bulk_create(made)
    origin = {step.pk: new for step, new in zip(steps, made, strict=True) if new.current_attempt}
    rows = StepAttempt.objects.filter(step__in=origin, number=F("step__current_attempt"))
    StepAttempt.objects.bulk_create(_attempt_of(origin[row.step_id], row) for row in rows)


def _step_of(anew: Run, step: AgentStep, plan: Resumption, chosen: dict[int, LanguageModel]) -> AgentStep:
    new = AgentStep(run=anew, **{name: getattr(step, name) for name in ("index", "execution_group", *COPIED)})
    if step.index in plan.run:
        new.model = chosen.get(step.index, step.model)
        return new
    for name in _ENDED:
        setattr(new, name, getattr(step, name))
    if step.index == plan.kept:
        new.status, new.is_kept = StepStatus.COMPLETED, True
    new.current_attempt = 1 if step.current_attempt else 0
    new.reused_from_id = step.reused_from_id or step.pk
    return new


def _attempt_of(step: AgentStep, row: StepAttempt) -> StepAttempt:
    row.pk, row.step, row.number = None, step, 1
    row._state.adding = True
    return row
