"""What going on with a run calls, takes over and leaves."""

from __future__ import annotations

from dataclasses import dataclass

from chains.engine import resumption


@dataclass
class Step:
    index: int
    execution_group: int
    status: str = "completed"
    skip_reason: str = ""


def steps(*states: tuple[int, str]) -> list[Step]:
    """Make steps from (stage, status); ``not_reached`` is a status here."""
    return [
        Step(index, stage, "skipped", "not_reached")
        if status == "not_reached"
        else Step(index, stage, status, "condition" if status == "skipped" else "")
        for index, (stage, status) in enumerate(states)
    ]


FAILED_IN_A_GROUP = steps(
    (1, "completed"), (2, "completed"), (2, "failed"), (2, "failed"), (3, "completed"), (4, "skipped")
)


def test_a_retry_runs_its_step_and_every_later_stage_and_takes_over_the_rest():
    plan = resumption.retry(FAILED_IN_A_GROUP, 2)
    assert plan == resumption.Resumption(frozenset({2, 4, 5}), frozenset({0, 1}))


def test_keeping_runs_only_what_stands_behind():
    plan = resumption.keep(FAILED_IN_A_GROUP, 2)
    assert plan == resumption.Resumption(frozenset({4, 5}), frozenset({0, 1}), kept=2)


def test_going_on_runs_all_that_did_not_complete_in_the_first_stage_that_is_not_whole():
    assert resumption.go_on(FAILED_IN_A_GROUP).run == {2, 3, 4, 5}


def test_going_on_after_a_stop_runs_what_was_stopped_and_what_was_not_reached():
    stopped = steps((1, "completed"), (2, "cancelled"), (3, "not_reached"))
    assert resumption.go_on(stopped) == resumption.Resumption(frozenset({1, 2}), frozenset({0}))


def test_going_on_from_a_stage_leaves_the_failures_before_it():
    went_on = steps((1, "failed"), (2, "interrupted"), (3, "not_reached"))
    assert resumption.go_on(went_on, 2).run == {1, 2}


def test_a_branch_that_was_not_taken_is_whole():
    assert resumption.go_on(steps((1, "completed"), (2, "skipped"), (2, "completed"))).run == frozenset()


def test_again_takes_nothing_over():
    plan = resumption.again(FAILED_IN_A_GROUP)
    assert (plan.run, plan.reused) == (frozenset(range(6)), frozenset())
