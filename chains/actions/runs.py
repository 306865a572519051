"""Runs: start one, stop it or a part of it, keep it in the history."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from chains import live
from chains.actions.attachments import carry
from chains.actions.chains import compare_chain, lock_person
from chains.actions.errors import ActionError, NotRunnable, RunInProgress, SessionGone
from chains.actions.outputs import partial_output
from chains.engine.attempt import storable
from chains.engine.plan import plan_stages
from chains.engine.quotes import own_words
from chains.engine.statements import Row, insert_rows, update_row
from chains.models import (
    Agent,
    AgentStep,
    Attachment,
    Chain,
    ChainVersion,
    ChatSession,
    LanguageModel,
    Run,
    User,
)
from chains.models.run import LIVE_STEP, RunStatus, SkipReason, StepStatus

TITLE_WIDTH = 60  # characters
MIN_COMPARED, MAX_COMPARED = 2, 8
NOT_BEGUN = "Stopped before it began."
# What a step copies from its agent, or from the step that it follows: a run never changes with its chain.
COPIED = (
    "name",
    "slug",
    "model",
    "system_prompt",
    "prompt",
    "connection_type",
    "condition",
    "temperature",
    "max_output_tokens",
)
_STEP_COLUMNS = ("run", "index", "execution_group", *COPIED)
_FRESH_STEP = {
    "status": StepStatus.PENDING,
    "current_attempt": 0,
    "skip_reason": "",
    "tested_subject": "",
    "tested_excerpt": "",
    "decided_by": "",
}
CAN_BE_KEPT = (RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.INTERRUPTED)


def start_run(
    *,
    session: ChatSession,
    chain: Chain,
    text: str,
    request_id: str,
    version: ChainVersion | None = None,
    earlier: Sequence[tuple[str, str]] = (),
    attachments: Sequence[Attachment] = (),
    retry_of: Run | None = None,
    detached: bool = False,
) -> Run:
    """Send a message through a chain; the same ``request_id`` again is the same run.

    It runs the published ``version``, or else the newest. ``earlier`` holds the turns that a program sent
    along: (message, answer) pairs. An edited message is another try of the run that it stood in,
    ``retry_of``: it takes that run's place in the history. A ``detached`` run is for the calling process: no
    worker hears of it. Raises ``RunInProgress``, ``NotRunnable`` or another ``ActionError``.
    """
    run = Run(
        session=session,
        request_id=request_id,
        input=_message(text),
        earlier=[[storable(message), storable(answer)] for message, answer in earlier],
        is_detached=detached,
    )
    if retry_of:
        run.retry_of_id, run.earlier = first_try(retry_of), retry_of.earlier
    try:
        with transaction.atomic():
            _write(run, chain, version or chain.versions.published().first())
            carry(run=run, attachments=attachments)
    except IntegrityError as error:
        return explain_conflict(run, error)
    if not detached:
        transaction.on_commit(lambda: hint_start(run))
    return run


@transaction.atomic
def quick_compare(*, owner: User, models: Sequence[LanguageModel], text: str, request_id: str) -> Run:
    """Send one message to two to eight models at once, in a session and an unnamed chain of their own.

    Raises ``ActionError``.
    """
    lock_person(owner)
    mine = Run.objects.filter(session__owner=owner, request_id=request_id)
    if existing := mine.select_related("session").first():
        return existing
    if not MIN_COMPARED <= len(models) <= MAX_COMPARED:
        raise ActionError(f"Pick {MIN_COMPARED} to {MAX_COMPARED} models to compare.", field="models")
    chain = compare_chain(owner=owner, names=_names(models), models=models)
    session = ChatSession.objects.create(owner=owner, chain=chain, active_at=timezone.now())
    return start_run(session=session, chain=chain, text=text, request_id=request_id)


def stop_run(*, run: Run) -> None:
    """Ask for a run to be stopped, from wherever; one that nobody has taken yet ends here and now."""
    now = timezone.now()
    if not _cancel_queued(run, now):
        running = Run.objects.filter(pk=run.pk, status=RunStatus.RUNNING)
        running.update(stop_requested_at=now, stop_signals=F("stop_signals") + 1)
    transaction.on_commit(lambda: live.hint_stop(run.pk))


@transaction.atomic
def stop_step(*, step: AgentStep) -> None:
    """Ask for one agent of a run to be stopped; the others go on."""
    # The run's row first, as the engine does: two orders would wait for each other.
    if not Run.objects.filter(pk=step.run_id).live().update(stop_signals=F("stop_signals") + 1):
        return
    AgentStep.objects.filter(pk=step.pk, status__in=LIVE_STEP).update(stop_requested_at=timezone.now())
    transaction.on_commit(lambda: live.hint_stop(step.run_id))


def keep_run(*, run: Run, kept: bool) -> None:
    """Let a run that did not complete be part of the history or not. Completed runs always are."""
    ended = Run.objects.filter(pk=run.pk, status__in=CAN_BE_KEPT)
    # It has no final output: the history is what its last answers had come to.
    output = run.output or (partial_output(run) if kept else "")
    if ended.update(is_kept=kept, output=output):
        run.is_kept, run.output = kept, output
        live.hint_run(run.session_id, run.pk)


# Starting


def first_try(run: Run) -> int:
    """Return the run at whose place all tries of its message stand."""
    return run.retry_of_id or run.pk


def _message(text: str) -> str:
    if not text.strip():
        raise ActionError("Type a message first.", field="input")
    return storable(text)


def _write(run: Run, chain: Chain, version: ChainVersion | None) -> None:
    """Write the run, a step for every agent, and what the session shows of it."""
    if version is None:
        raise NotRunnable(f"“{chain}” was never published: publish it first.")
    agents = list(version.agents.select_related("model__provider"))
    _check_agents(chain, agents)
    run.chain_version = version
    run.save(force_insert=True)
    # One statement for any number: bulk_create makes several on SQLite when there are many agents.
    insert_rows(AgentStep, _STEP_COLUMNS, _step_rows(run, agents), constants=_FRESH_STEP)
    _touch_session(run, chain)
    # Without touching the time of its last change.
    update_row(Chain, chain.pk, used_at=run.created_at)


def _check_agents(chain: Chain, agents: Sequence[Agent]) -> None:
    if not agents:
        raise NotRunnable(f"“{chain}” has no agents: add one.")
    for agent in agents:
        if agent.model is None:
            raise NotRunnable(f"{agent.name} has no model: choose one for it.")
        if not (agent.model.enabled and agent.model.provider.enabled):
            raise NotRunnable(
                f"{agent.name} uses {agent.model.label}, which is switched off: choose another model for it."
            )


def _step_rows(run: Run, agents: Sequence[Agent]) -> list[Row]:
    stages = plan_stages([agent.connection_type for agent in agents])
    number_of = {member: stage.number for stage in stages for member in stage.members}
    return [
        (run, place, number_of[place], *(getattr(agent, name) for name in COPIED))
        for place, agent in enumerate(agents)
    ]


def _touch_session(run: Run, chain: Chain) -> None:
    session = run.session
    title = session.title or title_of(run.input)
    # Waits for whoever is deleting the session, and then finds it gone.
    if not update_row(ChatSession, session.pk, chain=chain, active_at=run.created_at, title=title):
        raise SessionGone
    session.chain, session.active_at, session.title = chain, run.created_at, title


def title_of(text: str) -> str:
    """Make a title of a message's first words, those of its author."""
    start = own_words(text)[: TITLE_WIDTH * 8]
    return textwrap.shorten(start, TITLE_WIDTH, placeholder=" …").strip(" …") or start.strip()[:TITLE_WIDTH]


def explain_conflict(run: Run, error: IntegrityError) -> Run:
    """Say which constraint refused a run: it exists already, or another one is live."""
    in_session = Run.objects.filter(session_id=run.session_id)
    if existing := in_session.filter(request_id=run.request_id).select_related("session").first():
        return existing
    if in_session.live().exists():
        raise RunInProgress from error
    raise error


def hint_start(run: Run) -> None:
    """Tell workers that a run waits, and windows that it is there."""
    live.hint_execute(run.pk)
    live.hint_session(run.session_id)


def _names(models: Sequence[LanguageModel]) -> list[str]:
    """Name an agent after each model; two models of one name show their provider too."""
    counts = Counter(model.name for model in models)
    return [
        (model.name if counts[model.name] == 1 else f"{model.name} ({model.provider.name})")[:100]
        for model in models
    ]


# Stopping


@transaction.atomic
def _cancel_queued(run: Run, now: datetime) -> bool:
    """End a run that waits for a process; False when one has taken it, or it has ended."""
    waiting = Run.objects.filter(pk=run.pk, status=RunStatus.QUEUED)
    if not waiting.update(
        status=RunStatus.CANCELLED,
        error=NOT_BEGUN,
        finished_at=now,
        stop_requested_at=now,
        # A command's has a lease from the start.
        lease_owner="",
        lease_expires_at=None,
    ):
        return False
    AgentStep.objects.filter(run=run.pk, status__in=LIVE_STEP).update(
        status=StepStatus.SKIPPED, skip_reason=SkipReason.NOT_REACHED
    )
    transaction.on_commit(lambda: live.hint_session(run.session_id))
    return True
