"""What is offered for a run that did not complete, and what each offer would call and cost."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from chains.actions.retries import steps_of, waiting_stage
from chains.engine import resumption
from chains.engine.resumption import Resumption
from chains.models import AgentStep, Run
from chains.queries.estimates import cost_range


class OfferKind(StrEnum):
    """What a person may ask for."""

    RETRY = "retry"
    KEEP = "keep"
    CONTINUE = "continue"
    AGAIN = "again"


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer, as it is shown before somebody takes it.

    ``called`` are the agents that are called, those with a condition only if it holds; ``reused`` those whose
    answers are taken over. ``cost`` is the estimated range of the calls, in words.
    """

    kind: OfferKind
    run: Run
    step: AgentStep | None
    called: tuple[AgentStep, ...]
    reused: tuple[AgentStep, ...]
    cost: str

    @property
    def in_place(self) -> bool:
        """Whether the run itself goes on, instead of a new one."""
        return self.run.is_waiting and self.kind != OfferKind.AGAIN


def step_offer(step: AgentStep, kind: OfferKind) -> Offer:
    """Describe an offer for one agent: retry it or keep its text."""
    plan = resumption.retry if kind is OfferKind.RETRY else resumption.keep
    steps = steps_of(step.run)
    return _offer(kind, step.run, steps, plan(steps, step.index), step)


def run_offer(run: Run, kind: OfferKind) -> Offer:
    """Describe an offer for a whole run: go on with it or do it again."""
    steps = steps_of(run)
    if kind is OfferKind.AGAIN:
        return _offer(kind, run, steps, resumption.again(steps))
    stage = waiting_stage(run) if run.is_waiting else None
    return _offer(kind, run, steps, resumption.go_on(steps, stage))


def run_offers(run: Run, steps: Sequence[AgentStep]) -> tuple[OfferKind, ...]:
    """Return what is offered for a run that has ended. Asks no database."""
    if run.is_live:
        return ()
    plan = resumption.go_on(steps)
    can_continue = run.is_waiting or bool(plan.run and plan.reused)
    return (OfferKind.CONTINUE, OfferKind.AGAIN) if can_continue else (OfferKind.AGAIN,)


def step_offers(run: Run, step: AgentStep, *, has_text: bool) -> tuple[OfferKind, ...]:
    """Return what is offered for one agent of a run that has ended. Asks no database."""
    if run.is_live or step.status not in resumption.UNFINISHED:
        return ()
    return (OfferKind.RETRY, OfferKind.KEEP) if has_text else (OfferKind.RETRY,)


def _offer(
    kind: OfferKind,
    run: Run,
    steps: Sequence[AgentStep],
    plan: Resumption,
    step: AgentStep | None = None,
) -> Offer:
    called = _picked(steps, plan.run)
    return Offer(kind, run, step, called, _picked(steps, plan.reused), cost_range(called))


def _picked(steps: Sequence[AgentStep], indices: Collection[int]) -> tuple[AgentStep, ...]:
    return tuple(step for step in steps if step.index in indices)
