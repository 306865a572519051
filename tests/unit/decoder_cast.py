"""Events of the wire formats for tests of the decoders, without a network."""

from __future__ import annotations

import json
from typing import Any

from chains.providers.base import Endpoint
from chains.providers.decoding import AnswerDecoder, Chunk
from chains.providers.sse import ServerSentEvent

ENDPOINT = Endpoint("x", "X", "x")


def feed(decoder: AnswerDecoder, *events: dict[str, Any] | str) -> list[Chunk]:
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return [chunk for text in texts for chunk in decoder.feed(ServerSentEvent("", text.encode()))]


def has_ended(decoder: AnswerDecoder) -> bool:
    return decoder.is_done and decoder.completion is not None


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def candidate(*parts: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": finish}]}
