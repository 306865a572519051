"""Runs that a program asked for: begin one, read how far it is, stop it. Blocking."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from django.db import transaction
from django.db.models import F

from chains import actions
from chains.actions.runs import title_of
from chains.api.errors import DO_NOT_RETRY, ApiError
from chains.api.offers import find_offer
from chains.api.wire import Completion, Question, Usage
from chains.models import AgentStep, Run, StepAttempt, User
from chains.models.chain import ConnectionType
from chains.models.run import LIVE_RUN, RunStatus, StepStatus

GONE = "The session of this run was deleted before the run ended."
STOPPED = "The run was stopped before it ended."


@dataclass(frozen=True, slots=True)
class BegunRun:
    """A run under way. ``live_step`` is the step whose text, if it runs, is the run's output."""

    id: int
    session: int
    live_step: int | None
    completion: Completion


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    status: str
    output: str = ""
    error: str = ""
    is_truncated: bool = False
    usage: Usage | None = None

    @property
    def finish_reason(self) -> str:
        """Return OpenAI's word for the end of a completed answer."""
        return "length" if self.is_truncated else "stop"

    @property
    def failure(self) -> ApiError | None:
        """Return why there is no answer, None when there is one."""
        if self.status == RunStatus.COMPLETED:
            return None
        if self.status == RunStatus.CANCELLED:
            return _failure(self.error or STOPPED, HTTPStatus.CONFLICT, "run_cancelled")
        return _failure(self.error, HTTPStatus.BAD_GATEWAY, f"run_{self.status}")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rows say: the result of a run that has ended, or the text that its live step has so far."""

    result: RunResult | None = None
    attempt: int = 0
    text: str = ""


def begin(user: User, question: Question) -> BegunRun:
    """Start a run in a session of its own, so that people can watch it. Raises ``ApiError``."""
    offer = find_offer(user, question.model)
    try:
        with transaction.atomic():
            session = actions.start_session(owner=user, chain=offer.chain)
            actions.rename_session(session=session, title=title_of(question.title))
            run = actions.start_run(
                session=session,
                chain=offer.chain,
                version=offer.version,
                text=question.text,
                earlier=question.earlier,
                request_id=uuid.uuid4().hex,
            )
    except actions.ActionError as error:
        raise ApiError(str(error), code="chain_not_runnable", param="model") from error
    created = int(run.created_at.timestamp())
    completion = Completion(f"chatcmpl-{run.pk}", created, offer.exact_name, question.include_usage)
    return BegunRun(run.pk, session.pk, _live_step(run), completion)


def read(run: BegunRun) -> Reading:
    """Read how far a run is."""
    row = Run.objects.filter(pk=run.id).values_list("status", "output", "error").first()
    if row is None:
        return Reading(RunResult(RunStatus.CANCELLED, error=GONE))
    if row[0] in LIVE_RUN:
        return _live_reading(run)
    steps = list(
        StepAttempt.objects.filter(step__run=run.id).values_list(
            "step__execution_group", "status", "is_truncated", "input_tokens", "output_tokens"
        )
    )
    usage = _sum_usage((asked, told) for *_, asked, told in steps)
    return Reading(RunResult(*row, is_truncated=_is_truncated(steps), usage=usage))


def stop(run: BegunRun) -> None:
    """Stop a run whose program has hung up."""
    if row := Run.objects.filter(pk=run.id).first():
        actions.stop_run(run=row)


def _live_step(run: Run) -> int | None:
    """Return the only member of the last stage. A group's output is its texts joined: not live."""
    steps = AgentStep.objects.filter(run=run).order_by("-execution_group", "-index")
    last, *before = steps.values_list("id", "execution_group", "connection_type")[:2]
    is_alone = last[2] != ConnectionType.PARALLEL and all(group != last[1] for _, group, _ in before)
    return last[0] if is_alone else None


def _live_reading(run: BegunRun) -> Reading:
    if run.live_step is None:
        return Reading()
    current = StepAttempt.objects.filter(step=run.live_step, number=F("step__current_attempt"))
    number, text = current.values_list("number", "text").first() or (0, "")
    return Reading(None, number, text)


def _is_truncated(steps: Iterable[tuple[int, str, bool, int | None, int | None]]) -> bool:
    """Whether an answer of the last stage that completed hit its length limit: the output is made of it."""
    completed = [(stage, cut) for stage, status, cut, *_ in steps if status == StepStatus.COMPLETED]
    return bool(completed) and (max(completed)[0], True) in completed


def _sum_usage(calls: Iterable[tuple[int | None, int | None]]) -> Usage | None:
    known, unknown = [], 0
    for asked, told in calls:
        if asked is None or told is None:
            unknown += 1
        else:
            known.append((asked, told))
    if not known:
        return None
    return Usage(sum(asked for asked, _ in known), sum(told for _, told in known), unknown)


def _failure(message: str, status: int, code: str) -> ApiError:
    return ApiError(message, status=status, code=code, kind="run_error", headers=DO_NOT_RETRY)
