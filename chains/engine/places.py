"""Where an agent goes when it is moved by one step, into a group or out of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from chains.engine.plan import ConnectionType, Stage, plan_stages


class Step(StrEnum):
    """One move of an agent, as a button or a key asks for it."""

    UP = "up"
    DOWN = "down"
    JOIN = "join"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Place:
    """Where it goes: ``index`` counts without the agent, ``beside`` is where a new companion stands now."""

    index: int
    connection: ConnectionType | None = None
    beside: int | None = None


def place_of(connections: Sequence[ConnectionType | str], index: int, step: Step) -> Place | None:
    """Return where a step takes an agent; None when it cannot take that step.

    Up and down pass a whole stage, or one companion inside a group. Join means beside the stage before.
    """
    stages = plan_stages(connections)
    at = next(number for number, stage in enumerate(stages) if index in stage.members)
    stage = stages[at]
    if step is Step.LEAVE:
        return _outside(stage, index) if len(stage.members) > 1 else None
    if len(stage.members) > 1:
        return _inside(stage, index, step)
    before = stages[at - 1] if at else None
    after = stages[at + 1] if at + 1 < len(stages) else None
    if step is Step.JOIN:
        return _beside(before, index)
    passed = before if step is Step.UP else after
    if passed is None:
        return None
    return Place(passed.members[0] if step is Step.UP else index + len(passed.members))


def _inside(stage: Stage, index: int, step: Step) -> Place | None:
    target = index + {Step.UP: -1, Step.DOWN: 1}.get(step, 0)
    return Place(target) if target != index and target in stage.members else None


def _outside(stage: Stage, index: int) -> Place:
    # The first member leaves to the front, so that it does not jump over its companions.
    at_front = index == stage.members[0]
    return Place(index if at_front else stage.members[-1], ConnectionType.DIRECT)


def _beside(before: Stage | None, index: int) -> Place | None:
    if before is None:
        return None
    return Place(index, ConnectionType.PARALLEL, beside=before.members[-1])
