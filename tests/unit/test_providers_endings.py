"""When a finish marker is the end of an answer: some gateways send one early, or with every piece of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chains.providers import anthropic, gemini, openai
from chains.providers.base import Completion, FinishReason, TextChunk, Usage
from chains.providers.decoding import AnswerDecoder
from chains.providers.errors import ErrorKind
from tests.loopback import Fault, LoopbackProvider, Script
from tests.loopback.conversation import AMPLE, SHORT_IDLE, Conversation, tokens
from tests.unit.decoder_cast import ENDPOINT, candidate, delta, feed

pytest_plugins = ["tests.loopback.fixtures"]
pytestmark = pytest.mark.usefixtures("http_client")

STOPPED = Completion(FinishReason.STOP)
either_wire = pytest.mark.parametrize("wire", ["openai", "gemini"])

# A decoder with events of its format: a piece of text, the same with the finish marker, the marker alone.
Format = tuple[Callable[..., AnswerDecoder], dict[str, Any], dict[str, Any], dict[str, Any]]
TEXT, THOUGHT = {"text": "Hi"}, {"text": "hm", "thought": True}
OPENAI: Format = (openai.OpenAIDecoder, delta(content="Hi"), delta("stop", content="Hi"), delta("stop"))
GEMINI: Format = (
    gemini.GeminiDecoder,
    candidate(TEXT),
    candidate(TEXT, finish="STOP"),
    candidate({"text": ""}, finish="STOP"),
)
either = pytest.mark.parametrize("form", [OPENAI, GEMINI], ids=["openai", "gemini"])


# What the decoders make of it


@either
def test_a_marker_after_the_text_ends_the_answer_with_and_without_text_beside_it(form: Format) -> None:
    make, text, marked, bare = form
    for end in (marked, bare):
        decoder = make(ENDPOINT)
        feed(decoder, text)
        assert (decoder.completion, decoder.is_settled) == (None, False)
        feed(decoder, end)
        assert (decoder.completion, decoder.is_settled) == (STOPPED, True)


@either
def test_text_after_a_marker_takes_it_back(form: Format) -> None:
    make, text, marked, bare = form
    for early in (marked, bare):
        decoder = make(ENDPOINT)
        feed(decoder, text, early, text)
        assert (decoder.completion, decoder.is_settled) == (None, False)


@either
def test_a_marker_with_every_piece_says_only_at_the_end_of_the_stream_that_it_was_the_end(
    form: Format,
) -> None:
    make, _, marked, bare = form
    decoder = make(ENDPOINT)
    for _ in range(3):
        feed(decoder, marked)
        assert (decoder.completion, decoder.is_settled) == (STOPPED, False)
    feed(decoder, bare)
    assert (decoder.completion, decoder.is_settled) == (STOPPED, False)


@either
def test_a_marker_before_the_text_is_believed_only_if_none_follows(form: Format) -> None:
    make, text, _, bare = form
    decoder = make(ENDPOINT)
    feed(decoder, bare)
    assert (decoder.completion, decoder.is_settled) == (STOPPED, False)
    feed(decoder, text)
    assert decoder.completion is None


def test_thoughts_are_no_text_that_could_have_ended():
    decoder = gemini.GeminiDecoder(ENDPOINT)
    feed(decoder, candidate(THOUGHT), candidate(TEXT, finish="STOP"))
    assert (decoder.completion, decoder.is_settled) == (STOPPED, False)


@pytest.mark.parametrize(
    ("decoder", "event"),
    [
        (gemini.GeminiDecoder(ENDPOINT), {"promptFeedback": {"blockReason": "SAFETY"}}),
        (gemini.GeminiDecoder(ENDPOINT), candidate(finish="SAFETY")),
        (gemini.GeminiDecoder(ENDPOINT), candidate(finish="MAX_TOKENS")),
        (openai.OpenAIDecoder(ENDPOINT), delta("content_filter")),
        (openai.OpenAIDecoder(ENDPOINT), delta("length")),
    ],
)
def test_an_answer_that_is_withheld_or_full_needs_no_text_to_end(
    decoder: AnswerDecoder, event: dict[str, Any]
) -> None:
    feed(decoder, event)
    assert decoder.is_settled


def test_openai_usage_and_its_end_marker_follow_the_finish():
    decoder = openai.OpenAIDecoder(ENDPOINT)
    feed(decoder, delta(content="Hi"), delta("stop"))
    feed(decoder, {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
    assert (decoder.completion, decoder.is_settled) == (Completion(FinishReason.STOP, Usage(3, 2)), True)
    assert not decoder.is_done
    feed(decoder, "[DONE]")
    assert decoder.is_done


def test_an_end_marker_of_the_stream_settles_what_a_finish_marker_before_any_text_does_not():
    asked = openai.OpenAIDecoder(ENDPOINT)
    feed(asked, delta("stop"), "[DONE]")
    told = anthropic.AnthropicDecoder(ENDPOINT)
    feed(told, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"})
    assert asked.is_settled
    assert told.is_settled


def test_an_end_marker_of_the_stream_brings_an_early_finish_marker_back():
    decoder = openai.OpenAIDecoder(ENDPOINT)
    feed(decoder, delta("stop"), delta(content="Hi"), delta(content="!"))
    assert (decoder.completion, decoder.is_settled) == (None, False)
    feed(decoder, "[DONE]")
    assert (decoder.completion, decoder.is_settled) == (STOPPED, True)


def test_nothing_is_read_behind_the_end_marker():
    decoder = openai.OpenAIDecoder(ENDPOINT)
    chunks = feed(decoder, delta("stop", content="Hi"), "[DONE]", delta(content="more"), "{")
    assert chunks == [TextChunk("Hi")]
    assert (decoder.completion, decoder.is_settled) == (STOPPED, True)


# What becomes of a call


@either_wire
@pytest.mark.parametrize(
    "script",
    [Script(tokens=9, early=9), Script(tokens=9, early=1), Script(tokens=9, premature=True)],
    ids=["with every piece", "with the first piece", "before the first piece"],
)
async def test_an_answer_with_early_markers_arrives_whole(
    loopback: LoopbackProvider, wire: str, script: Script
) -> None:
    conversation = Conversation(loopback, wire, script)
    assert (await conversation.ask()).reason is FinishReason.STOP
    assert conversation.text == tokens(conversation.model, 9)


@either_wire
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.STALL, ErrorKind.TIMEOUT_IDLE),
        (Fault.DROP, ErrorKind.CUT),
        (Fault.MALFORMED, ErrorKind.PROTOCOL),
        (Fault.ERROR_EVENT, ErrorKind.OVERLOADED),
    ],
)
@pytest.mark.parametrize("after", [1, 5])
async def test_an_early_marker_does_not_make_a_broken_answer_complete(
    loopback: LoopbackProvider, wire: str, fault: Fault, kind: ErrorKind, after: int
) -> None:
    word = "UNAVAILABLE" if wire == "gemini" else "overloaded_error"
    script = Script(tokens=9, early=9, fault=fault, after=after, error=word)
    limits = SHORT_IDLE if fault is Fault.STALL else AMPLE
    conversation = Conversation(loopback, wire, script, limits)
    assert (await conversation.ask_in_vain()).kind is kind
    assert conversation.text == tokens(conversation.model, after)


@either_wire
async def test_an_answer_that_went_on_after_a_marker_and_lacks_another_is_cut(
    loopback: LoopbackProvider, wire: str
) -> None:
    conversation = Conversation(loopback, wire, Script(tokens=9, early=1, fault=Fault.CUT, after=5))
    assert (await conversation.ask_in_vain()).kind is ErrorKind.CUT


@either_wire
async def test_a_marker_before_the_first_token_does_not_shorten_the_wait_for_it(
    loopback: LoopbackProvider, wire: str
) -> None:
    script = Script(tokens=3, premature=True, first=4 * SHORT_IDLE.idle)
    conversation = Conversation(loopback, wire, script, SHORT_IDLE)
    assert (await conversation.ask()).reason is FinishReason.STOP
    assert conversation.text == tokens(conversation.model, 3)
