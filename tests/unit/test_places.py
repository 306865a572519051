"""Where an agent goes when a button moves it."""

from __future__ import annotations

import pytest

from chains.engine.places import Place, Step, place_of
from chains.engine.plan import ConnectionType

D, P = ConnectionType.DIRECT, ConnectionType.PARALLEL


def test_up_passes_the_whole_stage_before() -> None:
    assert place_of([D, P, P, D], 3, Step.UP) == Place(1)


def test_down_passes_the_whole_stage_behind() -> None:
    assert place_of([D, P, P, D], 0, Step.DOWN) == Place(2)


def test_inside_a_group_one_companion_is_passed() -> None:
    assert place_of([P, P, P], 2, Step.UP) == Place(1)
    assert place_of([P, P, P], 0, Step.DOWN) == Place(1)


def test_join_goes_beside_the_last_of_the_stage_before() -> None:
    assert place_of([D, P, P, D], 3, Step.JOIN) == Place(3, P, beside=2)


def test_the_first_of_a_group_leaves_to_the_front_and_any_other_behind_it() -> None:
    assert place_of([P, P, P], 0, Step.LEAVE) == Place(0, D)
    assert place_of([P, P, P], 1, Step.LEAVE) == Place(2, D)


@pytest.mark.parametrize(
    ("connections", "index", "step"),
    [
        ([D, D], 0, Step.UP),
        ([D, D], 1, Step.DOWN),
        ([D, D], 0, Step.JOIN),
        ([D, D], 1, Step.LEAVE),
        ([P, P], 0, Step.UP),
        ([P, P], 1, Step.DOWN),
    ],
)
def test_a_step_that_leads_nowhere_is_none(connections: list[ConnectionType], index: int, step: Step) -> None:
    assert place_of(connections, index, step) is None
