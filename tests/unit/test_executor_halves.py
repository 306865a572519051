"""Characters that a provider cuts into halves of a surrogate pair are whole before anybody sees them."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.engine.events import AttemptEnded, ReasoningDelta, TextDelta
from chains.providers.base import ChatRequest, Completion, FinishReason, ReasoningChunk, Sink, TextChunk
from chains.providers.errors import ErrorKind, ProviderError
from tests.unit.engine_cast import Agent, Script, Stage, hangs, raises, says, stage, until

CUT = ProviderError(ErrorKind.CUT, "The answer was cut.")


def deltas(chain: Stage) -> list[tuple[int, str]]:
    return [(event.offset, event.text) for event in chain.events if isinstance(event, TextDelta)]


def units(text: str) -> list[str]:
    """Cut a text into its UTF-16 code units, of which a character has one or two."""
    data = text.encode("utf-16-le")
    return [data[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(data), 2)]


async def test_a_character_whose_halves_come_in_two_pieces_is_one_character():
    chain = stage(Agent("a", says("so \ud83d", "\ude00 glad")))
    assert await chain.run() == "completed"
    assert deltas(chain) == [(0, "so "), (3, "😀 glad")]
    assert str(chain.attempts("a")[0].text) == "so 😀 glad"


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (("\ud83d", "\ude00"), "😀"),
        (("\ud83d", "\ude00\ud83d", "\ude01"), "😀😁"),
        (("\ud83d", "x"), "\ufffdx"),
        (("\ud83d", "😀"), "\ufffd😀"),
        (("\ud83d", "\ud83d", "\ude00"), "\ufffd😀"),
        (("x", "\ude00"), "x\ufffd"),
        (("x\ud83d",), "x\ufffd"),
        (("\ud83d",), "\ufffd"),
    ],
)
async def test_what_is_stored_is_what_was_told_piece_by_piece(pieces: tuple[str, ...], text: str) -> None:
    chain = stage(Agent("a", says(*pieces)))
    assert await chain.run() == "completed"
    (attempt,) = chain.attempts("a")
    assert (str(attempt.text), attempt.text.length, chain.text("a")) == (text, len(text), text)
    told = deltas(chain)
    assert [offset for offset, _ in told] == [
        sum(len(piece) for _, piece in told[:place]) for place in range(len(told))
    ]
    assert all(piece for _, piece in told)


@given(st.text(min_size=1).filter(str.strip))
async def test_a_text_cut_between_any_two_code_units_is_the_same_text(text: str) -> None:
    chain = stage(Agent("a", says(*units(text))))
    await chain.run()
    assert str(chain.attempts("a")[0].text) == chain.text("a") == text.replace("\x00", "\ufffd")


async def test_text_and_reasoning_keep_their_halves_apart():
    async def both(request: ChatRequest, sink: Sink) -> Completion:
        sink(ReasoningChunk("hm \ud83d"))
        sink(TextChunk("yes \ud83c"))
        sink(ReasoningChunk("\ude00"))
        sink(TextChunk("\udf89"))
        sink(ReasoningChunk("\ud83d"))
        return Completion(FinishReason.STOP)

    chain = stage(Agent("a", both))
    await chain.run()
    (attempt,) = chain.attempts("a")
    assert (str(attempt.text), str(attempt.reasoning)) == ("yes 🎉", "hm 😀\ufffd")
    thoughts = [(event.offset, event.text) for event in chain.events if isinstance(event, ReasoningDelta)]
    assert thoughts == [(0, "hm "), (3, "😀"), (4, "\ufffd")]


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (says("x\ud83d"), "completed"),
        (raises(CUT, "x\ud83d"), "interrupted"),
        (raises(RuntimeError("a bug"), "x\ud83d"), "failed"),
        (hangs("x\ud83d"), "cancelled"),
    ],
)
async def test_a_half_whose_other_half_never_came_is_told_before_the_end_and_is_part_of_it(
    script: Script, status: str
) -> None:
    chain = stage(Agent("a", script))
    running = asyncio.create_task(chain.run())
    await until(lambda: bool(chain.text("a")))
    chain.execution.stop()
    assert await running == status
    (attempt,) = chain.attempts("a")
    assert (str(attempt.text), chain.text("a")) == ("x\ufffd", "x\ufffd")
    (end,) = [event for event in chain.events if isinstance(event, AttemptEnded)]
    assert (end.length, end.sha256) == (2, attempt.sha256)
    assert max(place for place, event in enumerate(chain.events) if isinstance(event, TextDelta)) < (
        chain.events.index(end)
    )
