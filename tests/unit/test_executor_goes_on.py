"""A run that was begun before goes on: what ended is not called again, what was open is not forgotten."""

from __future__ import annotations

from chains.engine.prompts import GROUP_END, GROUP_START
from chains.providers.errors import ErrorKind, ProviderError
from tests.unit.engine_cast import Agent, raises, says, stage

NEVER = raises(AssertionError("called again"))
PARALLEL = "parallel"


def done(slug: str, text: str, **more: object) -> Agent:
    """An agent that had completed before."""
    return Agent(slug, NEVER, status="completed", attempts=1, said=text, **more)  # type: ignore[arg-type]


async def test_completed_agents_are_not_called_again_and_hand_on_their_text():
    made = stage(done("a", "from before"), Agent("b", says("new")))
    assert await made.run() == "completed"
    assert made.provider.prompts("b") == ["Previous output:\n\nfrom before"]
    assert [request.model for request in made.provider.requests] == ["b"]


async def test_of_a_group_only_those_are_called_that_were_open():
    made = stage(
        done("a", "A", connection=PARALLEL),
        Agent("b", says("B"), PARALLEL, attempts=1, said="half of B"),
        Agent("c", says("end")),
    )
    assert await made.run() == "completed"
    assert [request.model for request in made.provider.requests] == ["b", "c"]
    joined = f"{GROUP_START}\n\n**A** (test/a):\nA\n\n**B** (test/b):\nB\n\n{GROUP_END}"
    assert made.provider.prompts("c") == [f"Previous output:\n\n{joined}"]


async def test_a_new_attempt_has_the_next_number_and_all_its_retries():
    error = ProviderError(ErrorKind.SERVER, "Test provider", http_status=500)
    made = stage(Agent("a", raises(error, times=2, then=says("at last")), attempts=4, said=""))
    assert await made.run() == "completed"
    assert [attempt.number for attempt in made.attempts("a")] == [4, 5, 6, 7]


async def test_a_condition_that_held_before_is_not_tested_again():
    rule = 'contains("never said")'
    made = stage(done("a", "something"), Agent("b", says("B"), "conditional", condition=rule, attempts=1))
    assert await made.run() == "completed"
    assert made.status("b") == "completed"


async def test_a_stage_that_was_not_begun_tests_its_conditions():
    made = stage(done("a", "something"), Agent("b", NEVER, "conditional", condition='contains("never said")'))
    assert await made.run() == "completed"
    assert made.status("b") == "skipped"


async def test_what_was_skipped_before_stays_skipped_and_hands_on_what_it_received():
    made = stage(
        done("a", "from a"),
        Agent("b", NEVER, "conditional", condition='contains("x")', status="skipped"),
        Agent("c", says("C")),
    )
    assert await made.run() == "completed"
    assert made.provider.prompts("c") == ["Previous output:\n\nfrom a"]


async def test_the_rest_of_a_group_ends_before_the_run_waits_for_a_decision():
    made = stage(
        Agent("a", NEVER, PARALLEL, status="interrupted", attempts=1, said="half", is_undecided=True),
        Agent("b", says("B"), PARALLEL),
        Agent("c", NEVER),
    )
    assert await made.run() == "interrupted"
    assert made.journal.is_waiting
    assert made.journal.finished == ("interrupted", "", "A (test/a): it was cut")
    assert [made.status(slug) for slug in "abc"] == ["interrupted", "completed", "skipped"]


async def test_an_interruption_by_the_provider_ends_the_run_and_waits_for_nobody():
    made = stage(Agent("a", NEVER, status="interrupted", attempts=1, said="half"), Agent("b", NEVER))
    assert await made.run() == "interrupted"
    assert not made.journal.is_waiting


async def test_a_run_whose_every_agent_had_ended_ends_without_a_call():
    made = stage(done("a", "A"), done("b", "B"))
    assert await made.run() == "completed"
    assert made.journal.finished == ("completed", "B", "")
    assert made.provider.requests == []


async def test_a_stop_that_came_meanwhile_lets_nothing_open_begin():
    made = stage(done("a", "A"), Agent("b", NEVER, attempts=1, said="half"), Agent("c", NEVER))
    made.execution.stop()
    assert await made.run() == "cancelled"
    assert [made.status(slug) for slug in "abc"] == ["completed", "skipped", "skipped"]


async def test_a_stop_does_not_wait_for_a_decision():
    undecided = Agent("a", NEVER, status="interrupted", attempts=1, said="half", is_undecided=True)
    made = stage(undecided)
    made.execution.stop()
    assert await made.run() == "cancelled"
