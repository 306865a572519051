"""What going on with a run that ended, or that waits for a person, means for each of its steps. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

# What can be tried again; a partial text of it can be kept.
UNFINISHED = ("failed", "interrupted", "cancelled")
_LIVE = ("pending", "running", "streaming")


class StepState(Protocol):
    """A step as far as it counts here."""

    index: int
    execution_group: int
    status: str
    skip_reason: str


@dataclass(frozen=True, slots=True)
class Resumption:
    """By index: steps that are run (or tested), one whose partial text becomes its answer, and the rest.

    ``reused`` are the answers that are neither asked for nor paid again.
    """

    run: frozenset[int]
    reused: frozenset[int]
    kept: int | None = None


def retry(steps: Sequence[StepState], index: int) -> Resumption:
    """Run one step again and everything behind its stage; its companions stay as they ended."""
    return _from(steps, _stage_of(steps, index), {index})


def keep(steps: Sequence[StepState], index: int) -> Resumption:
    """Take a step's partial text as its answer, and run everything behind its stage."""
    return _from(steps, _stage_of(steps, index), (), kept=index)


def go_on(steps: Sequence[StepState], stage: int | None = None) -> Resumption:
    """Run whatever did not complete in a stage, by default the first that is not whole, and all behind it."""
    unfinished = [step for step in steps if _is_unfinished(step)]
    if not unfinished:
        return Resumption(frozenset(), frozenset(step.index for step in steps))
    if stage is None:
        stage = min(step.execution_group for step in unfinished)
    return _from(steps, stage, {step.index for step in unfinished if step.execution_group == stage})


def again(steps: Sequence[StepState]) -> Resumption:
    """Run all of it."""
    return Resumption(frozenset(step.index for step in steps), frozenset())


def _from(
    steps: Sequence[StepState], stage: int, own: Collection[int], kept: int | None = None
) -> Resumption:
    run = set(own) | {step.index for step in steps if step.execution_group > stage}
    reused = {step.index for step in steps if step.status == "completed"} - run
    return Resumption(frozenset(run), frozenset(reused), kept)


def _stage_of(steps: Sequence[StepState], index: int) -> int:
    return next(step.execution_group for step in steps if step.index == index)


def _is_unfinished(step: StepState) -> bool:
    not_reached = step.status == "skipped" and step.skip_reason == "not_reached"
    return step.status in UNFINISHED or step.status in _LIVE or not_reached
