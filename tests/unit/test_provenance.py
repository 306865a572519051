"""Each message that is sent knows which of its passages came from the user's message and from which agent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chains.engine.prompts import MemberResult, Part, Sources, group_parts, joined, passages_of, render_parts
from chains.providers.base import ChatMessage
from chains.providers.errors import ErrorKind, ProviderError
from tests.unit.engine_cast import Agent, Stage, raises, says, stage


def origins(stage: Stage, slug: str) -> dict[str, list[str]]:
    """Return the passages of what an agent was sent, by their source."""
    found: dict[str, list[str]] = {}
    [request] = [request for request in stage.provider.requests if request.model == slug]
    sent = request.messages[-1]
    for source, start, end in sent.passages:
        found.setdefault(source, []).append(sent.content[start:end])
    return found


async def test_the_first_agent_got_the_users_message():
    played = stage(Agent("a", says("x"), prompt="Judge {{input}} and {{previous}}."), message="grüße 🌍")
    await played.run()
    assert origins(played, "a") == {"input": ["grüße 🌍", "grüße 🌍"]}


async def test_what_stands_before_is_named_after_its_agent():
    played = stage(Agent("a", says("the draft")), Agent("b", says("x"), prompt="Shorten it."))
    await played.run()
    assert origins(played, "b") == {"agents.a": ["the draft"]}


async def test_each_block_of_a_group_is_its_members():
    failing = raises(ProviderError(ErrorKind.AUTH, "No key."))
    played = stage(
        Agent("a", says("yes"), "parallel"),
        Agent("b", failing, "parallel"),
        Agent("c", says("x"), prompt="{{previous}} / {{agents.a}}"),
    )
    await played.run()
    assert origins(played, "c") == {
        "agents.a": ["**A** (test/a):\nyes", "yes"],
        "agents.b": ["**B** (test/b):\nFAILED: No key."],
    }


async def test_what_a_skipped_agent_passes_on_stays_whose_it_was():
    played = stage(
        Agent("a", says("the draft")),
        Agent("b", says("never"), "conditional", condition='contains("nothing of this")'),
        Agent("c", says("x"), prompt="{{previous}}"),
    )
    await played.run()
    assert origins(played, "c") == {"agents.a": ["the draft"]}


async def test_a_run_that_goes_on_knows_what_came_from_before():
    played = stage(
        Agent("a", says("never"), status="completed", attempts=1, said="the draft"), Agent("b", says("x"))
    )
    await played.run()
    assert origins(played, "b") == {"agents.a": ["the draft"]}


async def test_another_try_is_sent_the_same_passages():
    busy = raises(ProviderError(ErrorKind.OVERLOADED, "Busy."), times=1, then=says("x"))
    played = stage(Agent("a", busy))
    await played.run()
    assert [attempt.messages[-1].passages for attempt in played.attempts("a")] == [(("input", 0, 11),)] * 2


def test_passages_do_not_make_another_message():
    assert ChatMessage("user", "a", (("input", 0, 1),)) == ChatMessage("user", "a")


TEXTS = st.text(max_size=8)
PARTS = st.lists(st.builds(Part, TEXTS, st.sampled_from([None, "input", "agents.a", "agents.b"])), max_size=6)


@given(PARTS)
def test_every_passage_is_the_text_of_its_part(parts: list[Part]):
    text = joined(parts)
    named = [(part.source, part.text) for part in parts if part.source and part.text]
    assert [(source, text[start:end]) for source, start, end in passages_of(parts)] == named


@given(TEXTS, TEXTS)
def test_passages_are_what_the_previous_text_consists_of(one: str, other: str):
    members = [MemberResult(name, "m", "completed", text, "") for name, text in (("A", one), ("B", other))]
    parts = group_parts(members, ["a", "b"])
    sources = Sources("", joined(parts), {}, tuple(parts))
    rendered = render_parts("<{{previous}}>", sources, first_stage=False)
    assert joined(rendered) == f"<{joined(parts)}>"
    assert [part.source for part in rendered if part.source] == ["agents.a", "agents.b"]
