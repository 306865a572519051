"""Which answer of a compare the conversation continues with."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from chains import live
from chains.actions.chains import alone_chain, lock_person
from chains.actions.errors import ActionError
from chains.engine.prompts import references
from chains.models import AgentStep, Chain, ChatSession, Run
from chains.models.chain import ConnectionType
from chains.models.run import RunStatus, StepStatus

NOT_A_CHOICE = "The conversation can continue only with a complete answer of a run's last group."
NEEDS_OTHERS = "Its prompt names other agents: alone it would have nothing to work on."


def choosable(run: Run, steps: Sequence[AgentStep]) -> list[AgentStep]:
    """Return the answers of which one may stand for the whole run: those of the group that it ended with."""
    if run.is_live or run.is_waiting or not (run.status == RunStatus.COMPLETED or run.is_kept):
        return []
    last = max((step.execution_group for step in steps if step.status != StepStatus.SKIPPED), default=0)
    group = [step for step in steps if step.execution_group == last]
    if len(group) < 2:
        return []
    parallel = (step for step in group if step.connection_type == ConnectionType.PARALLEL)
    return [step for step in parallel if step.status == StepStatus.COMPLETED]


@transaction.atomic
def choose_answer(*, step: AgentStep) -> None:
    """Let the next messages see this answer as that of the whole run. Raises ``ActionError``."""
    run = Run.objects.select_for_update().get(pk=step.run_id)
    steps = list(run.steps.order_by("index"))
    if step not in choosable(run, steps):
        raise ActionError(NOT_A_CHOICE)
    run.steps.filter(is_chosen=True).exclude(pk=step.pk).update(is_chosen=False)
    run.steps.filter(pk=step.pk).update(is_chosen=True)
    step.is_chosen = True
    transaction.on_commit(lambda: live.hint_run(run.session_id, run.pk))


@transaction.atomic
def unchoose_answer(*, step: AgentStep) -> None:
    """Let the next messages see the run as it ended, each agent its own answer."""
    AgentStep.objects.filter(pk=step.pk).update(is_chosen=False)
    step.is_chosen = False
    transaction.on_commit(lambda: live.hint_run(step.run.session_id, step.run_id))


@transaction.atomic
def continue_alone(*, step: AgentStep) -> Chain:
    """Continue with an answer, and ask its agent alone from now on. Raises ``ActionError``."""
    if any(reference.slug for reference in references(step.prompt)):
        raise ActionError(NEEDS_OTHERS)
    session = ChatSession.objects.select_related("owner").get(runs=step.run_id)
    lock_person(session.owner)
    choose_answer(step=step)
    chain = alone_chain(owner=session.owner, session=session, step=step)
    ChatSession.objects.filter(pk=session.pk).update(chain=chain, active_at=timezone.now())
    return chain
