"""What providers count, and what of it is believed."""

from __future__ import annotations

import pytest

from chains.providers import gemini, openai
from chains.providers.base import Completion, FinishReason, Usage
from tests.unit.decoder_cast import ENDPOINT, candidate, delta, feed


def test_missing_usage_is_unknown_and_not_zero():
    decoder = openai.OpenAIDecoder(ENDPOINT)
    feed(decoder, delta("stop"), {"choices": [], "usage": {"prompt_tokens": 3}}, "[DONE]")
    assert decoder.completion == Completion(FinishReason.STOP, Usage(3, None))


@pytest.mark.parametrize(
    ("asked", "answered", "total", "output"),
    [
        (32, 9, 135, 103),  # xAI counts 94 tokens of reasoning in the total only
        (32, 103, 135, 103),
        (32, 9, None, 9),
        (32, 9, "many", 9),
        (32, 9, -1, 9),
        (32, 9, 0, 9),
        (32, 9, 20, 9),
        (None, 9, 135, 9),
        (32, None, 135, None),
    ],
)
def test_reasoning_that_stands_in_the_total_only_is_output_too(
    asked: int | None, answered: int | None, total: object, output: int | None
) -> None:
    usage = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": total}
    details = {"completion_tokens_details": {"reasoning_tokens": 94}}
    decoder = openai.OpenAIDecoder(ENDPOINT)
    feed(decoder, delta("stop"), {"choices": [], "usage": {**usage, **details}}, "[DONE]")
    assert decoder.completion == Completion(FinishReason.STOP, Usage(asked, output))


@pytest.mark.parametrize("count", [-1, 2**31, 2**63, 1.5, "7", True])
def test_a_count_that_cannot_be_one_or_cannot_be_stored_is_unknown(count: object) -> None:
    decoder = openai.OpenAIDecoder(ENDPOINT)
    feed(decoder, delta("stop"), {"usage": {"prompt_tokens": count, "completion_tokens": 2**31 - 1}})
    assert decoder.completion == Completion(FinishReason.STOP, Usage(None, 2**31 - 1))


def test_a_sum_of_counts_that_cannot_be_stored_is_unknown():
    decoder = gemini.GeminiDecoder(ENDPOINT)
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 2**31 - 1, "thoughtsTokenCount": 1}
    feed(decoder, {**candidate(finish="MAX_TOKENS"), "usageMetadata": usage})
    assert decoder.completion == Completion(FinishReason.LENGTH, Usage(5, None))
