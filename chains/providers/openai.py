"""OpenAI Chat Completions, and whoever speaks it: xAI, Ollama, OpenRouter, vLLM, LM Studio.

Format: https://platform.openai.com/docs/api-reference/chat-streaming. Reasoning comes as
``reasoning_content`` (xAI, DeepSeek, vLLM) or ``reasoning`` (OpenRouter, Ollama). Usage follows the finish
marker in a chunk of its own. OpenRouter reports a failure in the middle as an ``error`` beside the choices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chains.providers import http
from chains.providers.base import (
    ChatMessage,
    ChatRequest,
    Completion,
    Endpoint,
    FinishReason,
    ListedModel,
    ReasoningChunk,
    Sink,
    TextChunk,
    Usage,
    WireRequest,
)
from chains.providers.decoding import AnswerDecoder, Chunk, count_of, payload, text_of
from chains.providers.sse import ServerSentEvent

_FINISH = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}
# OpenAI lists all its models together and does not say which of them chat.
_NOT_CHAT = (
    "audio", "dall-e", "davinci", "babbage", "embedding", "image", "instruct", "moderation", "realtime",
    "sora", "transcribe", "tts", "whisper",
)  # fmt: skip


class OpenAIProvider:
    """Speaks Chat Completions with one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._base = api_base(endpoint.base_url)

    def wire(self, request: ChatRequest) -> WireRequest:
        """Return what ``chat`` sends for a request."""
        return WireRequest(f"{self._base}/chat/completions", self._headers(), chat_body(request))

    async def chat(self, request: ChatRequest, sink: Sink) -> Completion:
        """Stream an answer. Raises ``ProviderError``."""
        decoder = OpenAIDecoder(self._endpoint)
        return await http.stream_answer(self._endpoint, self.wire(request), decoder, sink)

    async def list_models(self) -> list[ListedModel]:
        """Read the endpoint's chat models. Raises ``ProviderError``."""
        wire = WireRequest(f"{self._base}/models", self._headers())
        return await http.fetch_models(self._endpoint, wire, listed_models)

    def _headers(self) -> dict[str, str]:
        key = self._endpoint.api_key
        return {"authorization": f"Bearer {key}"} if key else {}


def api_base(url: str) -> str:
    """Return the address of the API: people often leave out the ``/v1`` of a server of their own."""
    url = url.rstrip("/")
    _, _, place = url.rpartition("://")
    return url if "/" in place else f"{url}/v1"


def chat_body(request: ChatRequest) -> dict[str, object]:
    """Write the request as this format wants it."""
    body: dict[str, object] = {
        "model": request.model,
        "messages": [{"role": message.role, "content": _content(message)} for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.temperature is not None and request.flags.temperature_allowed:
        body["temperature"] = request.temperature
    if request.max_output_tokens is not None:
        body[request.flags.max_tokens_field] = request.max_output_tokens
    return body


def _content(message: ChatMessage) -> str | list[dict[str, object]]:
    # A list only where it must be one: not every server with this format reads parts.
    if not message.images:
        return message.content
    parts: list[dict[str, object]] = []
    if message.content.strip():
        parts.append({"type": "text", "text": message.content})
    return parts + [{"type": "image_url", "image_url": {"url": image.data_url}} for image in message.images]


def listed_models(document: Any) -> list[ListedModel]:
    """Read the answer to ``GET /models``."""
    return [
        ListedModel(
            model_id=entry["id"],
            name=str(entry.get("name") or entry["id"]),
            # OpenRouter's name for it, then vLLM's.
            context_window=count_of(entry.get("context_length") or entry.get("max_model_len")),
        )
        for entry in document["data"]
        if isinstance(entry["id"], str) and not any(word in entry["id"] for word in _NOT_CHAT)
    ]


class OpenAIDecoder(AnswerDecoder):
    """Reads the chunks of one answer."""

    _refused = False

    def read(self, event: ServerSentEvent) -> list[Chunk]:
        """Read one chunk; ``[DONE]`` without a finish marker ends the stream, not the answer."""
        if event.data.strip() == b"[DONE]":
            self.end()
            return []
        chunk = payload(event)
        if chunk.get("error"):
            raise self.failure(chunk["error"])
        pieces: list[Chunk] = []
        for choice in chunk.get("choices") or ():
            pieces += self._read_delta(choice.get("delta") or {})
            if choice.get("finish_reason"):
                self.finish(self._reason(choice["finish_reason"]))
        if usage := chunk.get("usage"):
            self.usage = _usage(usage)
        return pieces

    def _read_delta(self, delta: Mapping[str, Any]) -> list[Chunk]:
        pieces: list[Chunk] = []
        if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
            pieces.append(ReasoningChunk(text_of(reasoning)))
        if content := delta.get("content"):
            pieces.append(TextChunk(text_of(content)))
        if refusal := delta.get("refusal"):
            self._refused = True
            pieces.append(TextChunk(text_of(refusal)))
        return pieces

    def _reason(self, word: str) -> FinishReason:
        return FinishReason.REFUSAL if self._refused else _FINISH.get(word, FinishReason.OTHER)


def _usage(usage: Mapping[str, Any]) -> Usage:
    asked, answered, total = (
        count_of(usage.get(name)) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    if asked is not None and answered is not None and total is not None:
        # xAI leaves reasoning out of the completion, bills it all the same and has it in the total.
        answered = max(answered, total - asked)
    return Usage(asked, answered)
