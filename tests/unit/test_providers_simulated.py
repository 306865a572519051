"""The simulated provider: repeatable, labelled, paced, and able to fail like a real one."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from chains.providers.base import ChatMessage, ChatRequest, Completion, Endpoint, FinishReason, TextChunk
from chains.providers.errors import ErrorKind, ProviderError
from chains.providers.simulated import SimulatedProvider, plan
from chains.providers.simulated_phrases import NOTE
from tests.pictures import shown

PROVIDER = SimulatedProvider(Endpoint("simulated", "Simulated", "simulated"))
AT_ONCE = {"first_token_ms": 0, "tokens_per_second": 1_000_000}
BAKERY = "Should a small bakery in Lisbon replace paper bags by reusable containers?"


def asked(prompt: str = BAKERY, *, model: str = "fast", system: str = "", **parameters: Any) -> ChatRequest:
    messages = (ChatMessage("system", system), ChatMessage("user", prompt))
    return ChatRequest(model, messages, parameters=AT_ONCE | parameters)


async def answer(request: ChatRequest) -> tuple[str, Completion]:
    pieces: list[str] = []
    completion = await PROVIDER.chat(request, lambda chunk: pieces.append(chunk.text))
    return "".join(pieces), completion


async def failure(request: ChatRequest) -> tuple[str, ProviderError]:
    pieces: list[str] = []
    with pytest.raises(ProviderError) as caught:
        await PROVIDER.chat(request, lambda chunk: pieces.append(chunk.text))
    return "".join(pieces), caught.value


async def test_the_same_request_gets_the_same_answer():
    assert await answer(asked()) == await answer(asked())


async def test_another_seed_another_model_or_another_role_gets_another_answer():
    texts = [await answer(request) for request in (
        asked(), asked(seed=1), asked(seed=2), asked(model="slow"), asked(system="You are a critic."),
    )]  # fmt: skip
    assert len({text for text, _ in texts}) == len(texts)


async def test_the_text_says_that_it_is_simulated_and_speaks_of_its_input():
    text, _ = await answer(asked())
    assert NOTE in (text.splitlines()[0], text.splitlines()[-1])
    assert "bakery" in text
    assert "## " in text


async def test_the_text_says_which_pictures_were_seen_and_how_large_they_are():
    request = asked()
    looked = ChatMessage("user", BAKERY, images=(shown("bags.png", size=(80, 60)), shown("cup.png")))
    text, _ = await answer(replace(request, messages=(request.messages[0], looked)))
    assert text.startswith("I see “bags.png” (80 × 60 pixels) and “cup.png” (8 × 6 pixels).")
    assert "I see" not in (await answer(request))[0]


async def test_an_answer_is_complete_with_its_tokens_counted():
    text, completion = await answer(asked())
    assert completion.reason is FinishReason.STOP
    assert completion.usage.output_tokens == len(plan(asked()).tokens) < len(text)
    assert completion.usage.input_tokens


@pytest.mark.parametrize("length", [1, 7, 300, 2000])
async def test_an_answer_can_be_of_any_length(length: int) -> None:
    _, completion = await answer(asked(length=length))
    assert (completion.reason, completion.usage.output_tokens) == (FinishReason.STOP, length)


async def test_a_token_limit_cuts_an_answer_and_says_so():
    request = ChatRequest("fast", (ChatMessage("user", BAKERY),), max_output_tokens=5, parameters=AT_ONCE)
    _, completion = await answer(request)
    assert (completion.reason, completion.usage.output_tokens) == (FinishReason.LENGTH, 5)


async def test_headings_that_a_prompt_asks_for_are_there():
    text, _ = await answer(
        asked(f"<text>{BAKERY}</text>\n\nWrite:\n**Costs**: a line.\n**Hygiene**: a line.")
    )
    assert "### Costs" in text
    assert "### Hygiene" in text


async def test_the_members_of_a_group_are_named_by_who_sums_them_up():
    results = "**Sceptic** (GPT):\n\nToo dear.\n\n**Optimist** (Claude):\n\nWorth it."
    text, _ = await answer(asked(f"{results}\n\nSum up."))
    assert "Sceptic" in text
    assert "Optimist" in text


ROUTER = "<message>{}</message>\n\nAnswer with exactly one word: CODE, WRITING or RESEARCH."


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ("My python function has a bug", "CODE"),
        ("Write a poem about autumn", "WRITING"),
        ("Compare the market for heat pumps in two countries", "RESEARCH"),
    ],
)
async def test_a_router_gets_one_word_that_fits(message: str, word: str) -> None:
    assert (await answer(asked(ROUTER.format(message))))[0] == word


async def test_a_router_gets_one_of_its_words_even_if_none_fits():
    assert (await answer(asked(ROUTER.format("Mm."))))[0] in {"CODE", "WRITING", "RESEARCH"}


async def test_json_is_answered_in_the_form_of_its_example():
    example = '{"risk": 7, "kind": "migration", "reasons": ["…", "…"], "reversible": false}'
    text, _ = await answer(asked(f"{BAKERY}\n\nAnswer with JSON of exactly this form:\n{example}"))
    given, wanted = json.loads(text), json.loads(example)
    assert {name: type(value) for name, value in given.items()} == {
        name: type(value) for name, value in wanted.items()
    }


# Pace


async def test_tokens_come_at_their_pace_from_the_first_on():
    arrivals: list[float] = []
    request = asked(length=20, first_token_ms=200, tokens_per_second=50)
    began = time.monotonic()
    await PROVIDER.chat(request, lambda chunk: arrivals.append(time.monotonic() - began))
    assert arrivals[0] >= 0.2
    assert 0.8 < (arrivals[-1] - arrivals[0]) / (19 / 50) < 1.6


async def test_a_late_wake_up_is_caught_up_with():
    """The loop is held up for a moment; the answer ends when it would have ended anyway."""
    chunks: list[str] = []

    def take(chunk: object) -> None:
        assert isinstance(chunk, TextChunk)
        chunks.append(chunk.text)
        if len(chunks) == 3:
            time.sleep(0.2)

    began = time.monotonic()
    await PROVIDER.chat(asked(length=40, tokens_per_second=100), take)
    held_up = time.monotonic() - began
    assert held_up / (40 / 100) < 1.3
    assert len(chunks) < 40


async def test_slow_takes_longer_than_fast():
    slow, fast = (plan(ChatRequest(model, (ChatMessage("user", "x"),))).pace for model in ("slow", "fast"))
    assert slow.first_token_ms > fast.first_token_ms
    assert slow.tokens_per_second < fast.tokens_per_second


async def test_a_cancelled_answer_stops():
    chunks: list[object] = []
    task = asyncio.create_task(PROVIDER.chat(asked(tokens_per_second=20), chunks.append), name="call")
    await asyncio.sleep(0.15)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 0 < len(chunks) < 20


# Failures


async def test_broken_always_fails_with_a_500_and_a_sentence():
    text, error = await failure(asked(model="broken"))
    assert (text, error.kind, error.http_status) == ("", ErrorKind.SERVER, 500)
    assert "choose simulated/fast" in error.sentence


async def test_failing_at_token_zero_brings_no_token():
    text, error = await failure(asked(fail_at=0))
    assert (text, error.retryable) == ("", True)


async def test_failing_later_breaks_off_after_that_many_tokens():
    whole, _ = await answer(asked())
    text, error = await failure(asked(fail_at=9))
    assert error.kind is ErrorKind.CUT
    assert text == "".join(plan(asked()).tokens[:9])
    assert whole.startswith(text)


async def test_flaky_fails_now_and_then_and_never_at_the_third_attempt_before_a_token():
    outcomes = [plan(asked(model="flaky", seed=seed, attempt=1)).fail_at for seed in range(60)]
    assert {0, None} <= set(outcomes)
    later = [plan(asked(model="flaky", seed=seed, attempt=3)).fail_at for seed in range(60)]
    assert 0 not in later


async def test_an_unknown_model_is_refused_with_the_known_ones():
    _, error = await failure(asked(model="gpt"))
    assert (error.kind, error.retryable) == (ErrorKind.NOT_FOUND, False)
    assert "fast, slow, flaky, broken" in error.sentence


@pytest.mark.parametrize("value", ["many", -1, True, [3]])
async def test_a_parameter_that_is_no_number_is_named(value: object) -> None:
    _, error = await failure(asked(length=value))
    assert error.kind is ErrorKind.BAD_REQUEST
    assert "“length”" in error.sentence


async def test_the_list_has_all_four_models():
    assert [model.model_id for model in await PROVIDER.list_models()] == ["fast", "slow", "flaky", "broken"]
