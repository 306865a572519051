"""Pictures and files on their way through a chain: they go where the user's message goes."""

from __future__ import annotations

from dataclasses import replace

from chains.engine.history import Turn
from chains.providers.base import ModelFlags
from chains.providers.errors import ErrorKind, ProviderError
from tests.pictures import shown
from tests.unit.engine_cast import Agent, Stage, raises, says, stage

SEES = ModelFlags(vision=True)
CAT = shown()
TOLD = "the message\n\n(an image was attached: cat.png)"


def with_cat(*agents: Agent, seeing: tuple[str, ...] = (), history: tuple[Turn, ...] = ()) -> Stage:
    """Set a run up whose message carries a picture; some agents' models see."""
    plain = stage(*agents)
    steps = tuple(
        replace(step, model=replace(step.model, flags=SEES)) if step.slug in seeing else step
        for step in plain.spec.steps
    )
    spec = replace(plain.spec, steps=steps, images=(CAT,), history=history)
    return Stage(spec, plain.provider)


async def test_who_sees_is_shown_the_picture_and_who_does_not_is_told_of_it():
    run = with_cat(Agent("a", says("x"), "parallel"), Agent("b", says("x"), "parallel"), seeing=("a",))
    await run.run()
    [seen], [told] = (run.attempts(slug)[0].messages for slug in "ab")
    assert (seen.content, seen.images) == ("the message", (CAT,))
    assert (told.content, told.images) == (TOLD, ())


async def test_a_later_agent_gets_the_picture_if_its_prompt_names_the_message():
    run = with_cat(
        Agent("a", says("x")),
        Agent("b", says("x")),
        Agent("c", says("x"), prompt="{{input}} and {{previous}}"),
        Agent("d", says("x"), prompt="Only {{agents.a}}"),
        seeing=("a", "b", "c", "d"),
    )
    await run.run()
    assert [run.attempts(slug)[0].messages[-1].images for slug in "abcd"] == [(CAT,), (), (CAT,), ()]


async def test_after_a_skipped_first_stage_the_picture_is_still_part_of_what_is_passed_on():
    run = with_cat(
        Agent("a", says("x"), "conditional", condition='contains("no")'), Agent("b", says("x")), seeing=("b",)
    )
    await run.run()
    assert run.attempts("b")[0].messages[-1].images == (CAT,)


async def test_a_condition_tests_the_message_and_not_what_is_said_of_its_pictures():
    run = with_cat(Agent("a", says("x"), "conditional", condition='contains("attached")'))
    await run.run()
    assert run.status("a") == "skipped"


async def test_pictures_of_earlier_turns_are_shown_again():
    turn = Turn("before", "seen", {}, images=(shown("old.png"),))
    run = with_cat(Agent("a", says("x")), seeing=("a",), history=(turn,))
    await run.run()
    assert [[image.name for image in said.images] for said in run.attempts("a")[0].messages] == [
        ["old.png"],
        [],
        ["cat.png"],
    ]


async def test_a_retry_sends_the_same_picture_again():
    overloaded = ProviderError(ErrorKind.OVERLOADED, "try again")
    run = with_cat(Agent("a", raises(overloaded, times=1, then=says("x"))), seeing=("a",))
    assert await run.run() == "completed"
    assert [request.messages[-1].images for request in run.provider.requests] == [(CAT,), (CAT,)]
