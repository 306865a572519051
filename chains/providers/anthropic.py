"""Anthropic Messages.

Format: https://platform.claude.com/docs/en/build-with-claude/streaming. The reason for the end comes in
``message_delta``, the end is ``message_stop``. An ``error`` event may follow a 200, ``overloaded_error`` for
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from chains.providers import http
from chains.providers.base import (
    ChatMessage,
    ChatRequest,
    Completion,
    Endpoint,
    FinishReason,
    Image,
    ListedModel,
    ReasoningChunk,
    Sink,
    TextChunk,
    Usage,
    WireRequest,
)
from chains.providers.decoding import AnswerDecoder, Chunk, count_of, payload, sum_of, text_of
from chains.providers.sse import ServerSentEvent

API_VERSION = "2023-06-01"
# The field is mandatory. Thinking counts too, so a few thousand could be gone before any text; every current
# model accepts this.
DEFAULT_MAX_TOKENS = 16_384

_FINISH = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "refusal": FinishReason.REFUSAL,
}


class AnthropicProvider:
    """Speaks the Messages API with one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        # Both spellings of the address are about.
        self._base = endpoint.base_url.rstrip("/").removesuffix("/v1")

    def wire(self, request: ChatRequest) -> WireRequest:
        """Return what ``chat`` sends for a request."""
        return WireRequest(f"{self._base}/v1/messages", self._headers(), chat_body(request))

    async def chat(self, request: ChatRequest, sink: Sink) -> Completion:
        """Stream an answer. Raises ``ProviderError``."""
        decoder = AnthropicDecoder(self._endpoint)
        return await http.stream_answer(self._endpoint, self.wire(request), decoder, sink)

    async def list_models(self) -> list[ListedModel]:
        """Read the endpoint's models. Raises ``ProviderError``."""
        wire = WireRequest(f"{self._base}/v1/models?limit=1000", self._headers())
        return await http.fetch_models(self._endpoint, wire, listed_models)

    def _headers(self) -> dict[str, str]:
        return {"x-api-key": self._endpoint.api_key, "anthropic-version": API_VERSION}


def chat_body(request: ChatRequest) -> dict[str, object]:
    """Write the request as this format wants it."""
    system = [message.content for message in request.messages if message.role == "system"]
    body: dict[str, object] = {
        "model": request.model,
        "messages": merged(message for message in request.messages if message.role != "system"),
        "max_tokens": request.max_output_tokens or DEFAULT_MAX_TOKENS,
        "stream": True,
    }
    if system:
        body["system"] = "\n\n".join(system)
    if request.temperature is not None and request.flags.temperature_allowed:
        body["temperature"] = request.temperature
    return body


def merged(messages: Iterable[ChatMessage]) -> list[dict[str, object]]:
    """Join neighbours of one role: the roles must alternate."""
    return [
        {"role": role, "content": _content(list(group))}
        for role, group in groupby(messages, key=lambda message: message.role)
    ]


def _content(messages: Sequence[ChatMessage]) -> str | list[dict[str, object]]:
    text = "\n\n".join(message.content for message in messages)
    images = [_image(image) for message in messages for image in message.images]
    if not images:
        return text
    # Pictures before the words about them; a text block must not be empty.
    return [*images, {"type": "text", "text": text}] if text.strip() else images


def _image(image: Image) -> dict[str, object]:
    source = {"type": "base64", "media_type": image.media_type, "data": image.data}
    return {"type": "image", "source": source}


def listed_models(document: Any) -> list[ListedModel]:
    """Read the answer to ``GET /v1/models``."""
    return [
        ListedModel(
            model_id=entry["id"],
            name=str(entry.get("display_name") or entry["id"]),
            context_window=count_of(entry.get("max_input_tokens")),
        )
        for entry in document["data"]
        if isinstance(entry["id"], str)
    ]


class AnthropicDecoder(AnswerDecoder):
    """Reads the events of one message."""

    def read(self, event: ServerSentEvent) -> list[Chunk]:
        """Read one event; its kind stands in the JSON too, and only there with some gateways."""
        document = payload(event)
        match document.get("type"):
            case "content_block_delta":
                return _read_delta(document["delta"])
            case "content_block_start":
                return _read_delta(document["content_block"])
            case "message_start":
                self._count(document["message"].get("usage") or {})
            case "message_delta":
                self._count(document.get("usage") or {})
                if reason := document["delta"].get("stop_reason"):
                    self.finish(_FINISH.get(reason, FinishReason.OTHER))
            case "message_stop":
                self.end()
            case "error":
                raise self.failure(document["error"])
        return []

    def _count(self, usage: Mapping[str, Any]) -> None:
        # Tokens written to and read from the cache are input as well.
        sent = sum_of(
            usage.get("input_tokens"),
            usage.get("cache_creation_input_tokens"),
            usage.get("cache_read_input_tokens"),
        )
        answered = count_of(usage.get("output_tokens"))
        # Both are totals so far. A later 0 or gap is what gateways send that counted only once.
        self.usage = Usage(
            input_tokens=sent or self.usage.input_tokens,
            output_tokens=self.usage.output_tokens if answered is None else answered,
        )


def _read_delta(delta: Mapping[str, Any]) -> list[Chunk]:
    # Blocks and deltas of other types (signatures, tools) carry nothing to show.
    if text := delta.get("text"):
        return [TextChunk(text_of(text))]
    if thinking := delta.get("thinking"):
        return [ReasoningChunk(text_of(thinking))]
    return []
