"""What each wire format sends and reads, without a network."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chains.providers import anthropic, gemini, openai
from chains.providers.base import (
    ChatMessage,
    ChatRequest,
    Completion,
    FinishReason,
    Image,
    ListedModel,
    ModelFlags,
    ReasoningChunk,
    TextChunk,
    Usage,
)
from chains.providers.errors import ErrorKind, ProviderError
from tests.unit.decoder_cast import ENDPOINT, candidate, delta, feed, has_ended

TALK = (
    ChatMessage("system", "Be kind."),
    ChatMessage("user", "Hello"),
    ChatMessage("user", "Are you there?"),
    ChatMessage("assistant", "Yes"),
    ChatMessage("user", "Good"),
)

CAT = Image("cat.png", "image/png", "Q0FU", 8, 6, attachment=1)
DOG = Image("dog.jpg", "image/jpeg", "RE9H", 8, 6, attachment=2)
SHOWN = (ChatMessage("system", "Be kind."), ChatMessage("user", "Which is it?", images=(CAT, DOG)))


def request(**settings: Any) -> ChatRequest:
    return ChatRequest("m", TALK, **settings)


# OpenAI: what is sent


def test_openai_is_asked_for_a_stream_with_usage():
    body = openai.chat_body(request())
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert body["messages"][0] == {"role": "system", "content": "Be kind."}  # type: ignore[index]


def test_settings_that_nobody_made_are_not_sent():
    assert {"temperature", "max_tokens", "max_completion_tokens"}.isdisjoint(openai.chat_body(request()))


def test_a_models_flags_name_its_token_limit_and_keep_back_its_temperature():
    flags = ModelFlags(temperature_allowed=False, max_tokens_field="max_completion_tokens")
    body = openai.chat_body(request(temperature=0.5, max_output_tokens=9, flags=flags))
    assert body["max_completion_tokens"] == 9
    assert "temperature" not in body
    assert "max_tokens" not in body


def test_parameters_of_the_simulation_are_not_sent():
    assert "attempt" not in openai.chat_body(request(parameters={"attempt": 1}))


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434/v1"),
        ("http://127.0.0.1:11434/", "http://127.0.0.1:11434/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
    ],
)
def test_a_server_without_a_path_gets_the_usual_one(given: str, base: str) -> None:
    assert openai.api_base(given) == base


# OpenAI: what is read


def test_openai_text_finish_and_usage_are_read():
    decoder = openai.OpenAIDecoder(ENDPOINT)
    chunks = feed(decoder, delta(role="assistant", content=""), delta(content="Hel"), delta(content="lo"))
    assert chunks == [TextChunk("Hel"), TextChunk("lo")]
    assert not has_ended(decoder)
    feed(
        decoder,
        delta("stop"),
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
        "[DONE]",
    )
    assert decoder.completion == Completion(FinishReason.STOP, Usage(3, 2))
    assert has_ended(decoder)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_read_under_both_names(name: str) -> None:
    assert feed(openai.OpenAIDecoder(ENDPOINT), delta(**{name: "hm"})) == [ReasoningChunk("hm")]


def test_a_refusal_is_kept_as_text_and_as_the_reason():
    decoder = openai.OpenAIDecoder(ENDPOINT)
    assert feed(decoder, delta(refusal="No."), delta("stop")) == [TextChunk("No.")]
    assert decoder.completion == Completion(FinishReason.REFUSAL)


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ("length", FinishReason.LENGTH),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("tool_calls", FinishReason.OTHER),
    ],
)
def test_openai_reasons_have_one_vocabulary(wire: str, reason: FinishReason) -> None:
    decoder = openai.OpenAIDecoder(ENDPOINT)
    feed(decoder, delta(wire))
    assert decoder.completion == Completion(reason)


def test_done_without_a_finish_marker_completes_nothing():
    decoder = openai.OpenAIDecoder(ENDPOINT)
    feed(decoder, delta(content="half"), "[DONE]")
    assert decoder.completion is None
    assert not decoder.is_done


def test_an_error_beside_the_choices_is_an_error():
    wrong = {"error": {"code": 502, "message": "upstream died"}, **delta("error", content="")}
    with pytest.raises(ProviderError, match="upstream died") as caught:
        feed(openai.OpenAIDecoder(ENDPOINT), wrong)
    assert (caught.value.kind, caught.value.http_status) == (ErrorKind.SERVER, 502)


def test_half_of_an_emoji_does_not_break_the_answer():
    event = '{"choices":[{"delta":{"content":"a\\ud83d"}}]}'
    assert feed(openai.OpenAIDecoder(ENDPOINT), event) == [TextChunk("a\ud83d")]


@pytest.mark.parametrize(
    "event", ["{", "[]", "7", '{"choices": 7}', '{"choices": [{"delta": {"content": [1]}}]}', "not json"]
)
def test_an_event_of_another_shape_is_a_protocol_error(event: str) -> None:
    with pytest.raises(ProviderError) as caught:
        feed(openai.OpenAIDecoder(ENDPOINT), event)
    assert caught.value.kind is ErrorKind.PROTOCOL


def test_models_that_do_not_chat_are_left_out_of_the_list():
    listed = openai.listed_models(
        {
            "data": [
                {"id": "gpt-6"},
                {"id": "text-embedding-3"},
                {"id": "whisper-1"},
                {"id": "a/b", "context_length": 9},
                {"id": "c/d", "context_length": "many"},
            ]
        }
    )
    windows = {model.model_id: model.context_window for model in listed}
    assert windows == {"gpt-6": None, "a/b": 9, "c/d": None}


@pytest.mark.parametrize("odd", [7, None, ["a"]])
@pytest.mark.parametrize("adapter", [openai, anthropic, gemini])
def test_what_a_list_names_otherwise_than_by_a_text_is_left_out(adapter: Any, odd: object):
    chats = {"supportedGenerationMethods": ["generateContent"]}
    given: dict[str, Any] = {
        "data": [{"id": odd}, {"id": "a", "name": 7, "display_name": 7}],
        "models": [{"name": odd, **chats}, {"name": "models/a", "displayName": 7, **chats}],
    }
    assert adapter.listed_models(given) == [ListedModel("a", "7")]


# Anthropic


def test_anthropic_gets_the_system_prompt_apart_and_roles_in_turn():
    body = anthropic.chat_body(request())
    assert body["system"] == "Be kind."
    assert body["messages"] == [
        {"role": "user", "content": "Hello\n\nAre you there?"},
        {"role": "assistant", "content": "Yes"},
        {"role": "user", "content": "Good"},
    ]


def test_anthropic_always_gets_a_token_limit():
    assert anthropic.chat_body(request())["max_tokens"] == anthropic.DEFAULT_MAX_TOKENS
    assert anthropic.chat_body(request(max_output_tokens=5))["max_tokens"] == 5


def test_anthropic_text_thinking_reason_and_usage_are_read():
    decoder = anthropic.AnthropicDecoder(ENDPOINT)
    start = {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 1}
    chunks = feed(
        decoder,
        {"type": "message_start", "message": {"usage": start}},
        {"type": "ping"},
        {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "abc"}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
        {"type": "something_new"},
    )
    assert chunks == [ReasoningChunk("hm"), TextChunk("Hi")]
    assert has_ended(decoder) is False
    feed(decoder, {"type": "message_stop"})
    assert has_ended(decoder) is True
    assert decoder.completion == Completion(FinishReason.STOP, Usage(7, 9))


def test_a_gateway_that_counts_the_input_only_at_the_end_is_believed():
    decoder = anthropic.AnthropicDecoder(ENDPOINT)
    end = {"input_tokens": 8, "output_tokens": 2}
    feed(
        decoder,
        {"type": "message_start", "message": {"usage": {"input_tokens": 0, "output_tokens": 0}}},
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": end},
    )
    assert decoder.completion == Completion(FinishReason.LENGTH, Usage(8, 2))


def test_overloaded_inside_a_stream_is_an_error_worth_another_try():
    event = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(ProviderError) as caught:
        feed(anthropic.AnthropicDecoder(ENDPOINT), event)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.OVERLOADED, True)


def test_anthropic_refusals_are_told_apart():
    decoder = anthropic.AnthropicDecoder(ENDPOINT)
    feed(decoder, {"type": "message_delta", "delta": {"stop_reason": "refusal"}, "usage": {}})
    assert decoder.completion == Completion(FinishReason.REFUSAL)


# Gemini


def test_gemini_gets_its_own_roles_and_settings():
    body = gemini.chat_body(request(temperature=0.2, max_output_tokens=5))
    assert body["systemInstruction"] == {"parts": [{"text": "Be kind."}]}
    assert body["generationConfig"] == {"temperature": 0.2, "maxOutputTokens": 5}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "Hello"}, {"text": "Are you there?"}]},
        {"role": "model", "parts": [{"text": "Yes"}]},
        {"role": "user", "parts": [{"text": "Good"}]},
    ]


def test_gemini_thoughts_text_reason_and_usage_are_read():
    decoder = gemini.GeminiDecoder(ENDPOINT)
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 30}
    chunks = feed(
        decoder,
        candidate({"text": "hm", "thought": True}),
        candidate({"text": "Hi"}, {"text": " you"}),
        {**candidate({"text": ""}, finish="STOP"), "usageMetadata": usage},
    )
    assert chunks == [ReasoningChunk("hm"), TextChunk("Hi"), TextChunk(" you")]
    assert decoder.completion == Completion(FinishReason.STOP, Usage(5, 32))


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("SAFETY", FinishReason.CONTENT_FILTER),
        ("PROHIBITED_CONTENT", FinishReason.CONTENT_FILTER),
        ("OTHER", FinishReason.OTHER),
    ],
)
def test_gemini_reasons_have_one_vocabulary(wire: str, reason: FinishReason) -> None:
    decoder = gemini.GeminiDecoder(ENDPOINT)
    feed(decoder, candidate(finish=wire))
    assert decoder.completion == Completion(reason)


def test_a_blocked_prompt_is_a_filtered_answer():
    decoder = gemini.GeminiDecoder(ENDPOINT)
    usage = {"promptTokenCount": 5}
    feed(decoder, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": usage})
    assert decoder.completion == Completion(FinishReason.CONTENT_FILTER, Usage(5, None))


# Pictures


def test_openai_gets_pictures_as_data_urls_behind_the_text():
    assert openai.chat_body(ChatRequest("m", SHOWN))["messages"] == [
        {"role": "system", "content": "Be kind."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Which is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,Q0FU"}},
                {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,RE9H"}},
            ],
        },
    ]


def test_anthropic_gets_pictures_as_base64_sources_before_the_text():
    assert anthropic.chat_body(ChatRequest("m", SHOWN))["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "Q0FU"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "RE9H"}},
                {"type": "text", "text": "Which is it?"},
            ],
        },
    ]


def test_anthropic_messages_that_are_joined_keep_their_pictures():
    talk = (ChatMessage("user", "One", images=(CAT,)), ChatMessage("user", "Two", images=(DOG,)))
    body: dict[str, Any] = anthropic.chat_body(ChatRequest("m", talk))
    [message] = body["messages"]
    assert [block["type"] for block in message["content"]] == ["image", "image", "text"]
    assert message["content"][-1]["text"] == "One\n\nTwo"


def test_gemini_gets_pictures_as_inline_data_before_the_text():
    assert gemini.chat_body(ChatRequest("m", SHOWN))["contents"] == [
        {
            "role": "user",
            "parts": [
                {"inlineData": {"mimeType": "image/png", "data": "Q0FU"}},
                {"inlineData": {"mimeType": "image/jpeg", "data": "RE9H"}},
                {"text": "Which is it?"},
            ],
        },
    ]


@pytest.mark.parametrize("wire", [openai, anthropic, gemini])
def test_a_picture_without_words_comes_without_an_empty_text(wire: Any) -> None:
    body = json.dumps(wire.chat_body(ChatRequest("m", (ChatMessage("user", "", images=(CAT,)),))))
    assert "Q0FU" in body
    assert '"text": ""' not in body


def test_a_picture_does_not_show_its_data_in_a_log():
    assert "Q0FU" not in repr(CAT)
