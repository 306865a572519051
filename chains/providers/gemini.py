"""Google Gemini, ``v1beta`` ``streamGenerateContent``.

Format: https://ai.google.dev/api/generate-content. Each event is a whole response with the new parts only;
the last one carries ``finishReason`` and the stream then simply ends. The key travels in a header, never in
the URL.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any
from urllib.parse import quote

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
from chains.providers.decoding import AnswerDecoder, Chunk, count_of, payload, sum_of, text_of
from chains.providers.sse import ServerSentEvent

_FINISH = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "RECITATION": FinishReason.CONTENT_FILTER,
    "BLOCKLIST": FinishReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "SPII": FinishReason.CONTENT_FILTER,
}
_ROLES = {"user": "user", "assistant": "model"}


class GeminiProvider:
    """Speaks the Gemini API with one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        # Both spellings of the address are about.
        self._base = endpoint.base_url.rstrip("/").removesuffix("/v1beta") + "/v1beta"

    def wire(self, request: ChatRequest) -> WireRequest:
        """Return what ``chat`` sends for a request."""
        model = quote(request.model.removeprefix("models/"), safe="")
        url = f"{self._base}/models/{model}:streamGenerateContent?alt=sse"
        return WireRequest(url, self._headers(), chat_body(request))

    async def chat(self, request: ChatRequest, sink: Sink) -> Completion:
        """Stream an answer. Raises ``ProviderError``."""
        decoder = GeminiDecoder(self._endpoint)
        return await http.stream_answer(self._endpoint, self.wire(request), decoder, sink)

    async def list_models(self) -> list[ListedModel]:
        """Read the endpoint's models that generate text. Raises ``ProviderError``."""
        wire = WireRequest(f"{self._base}/models?pageSize=1000", self._headers())
        return await http.fetch_models(self._endpoint, wire, listed_models)

    def _headers(self) -> dict[str, str]:
        return {"x-goog-api-key": self._endpoint.api_key}


def chat_body(request: ChatRequest) -> dict[str, object]:
    """Write the request as this format wants it."""
    system = [message.content for message in request.messages if message.role == "system"]
    others = [message for message in request.messages if message.role != "system"]
    body: dict[str, object] = {
        "contents": [
            {"role": _ROLES[role], "parts": [part for message in group for part in _parts(message)]}
            for role, group in groupby(others, key=lambda message: message.role)
        ]
    }
    if system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
    if config := _generation_config(request):
        body["generationConfig"] = config
    return body


def _parts(message: ChatMessage) -> Iterator[dict[str, object]]:
    for image in message.images:
        yield {"inlineData": {"mimeType": image.media_type, "data": image.data}}
    if message.content or not message.images:
        yield {"text": message.content}


def _generation_config(request: ChatRequest) -> dict[str, object]:
    config: dict[str, object] = {}
    if request.temperature is not None and request.flags.temperature_allowed:
        config["temperature"] = request.temperature
    if request.max_output_tokens is not None:
        config["maxOutputTokens"] = request.max_output_tokens
    return config


def listed_models(document: Any) -> list[ListedModel]:
    """Read the answer to ``GET /v1beta/models``."""
    return [
        ListedModel(
            model_id=entry["name"].removeprefix("models/"),
            name=str(entry.get("displayName") or entry["name"].removeprefix("models/")),
            context_window=count_of(entry.get("inputTokenLimit")),
        )
        for entry in document["models"]
        if isinstance(entry["name"], str) and "generateContent" in entry.get("supportedGenerationMethods", ())
    ]


class GeminiDecoder(AnswerDecoder):
    """Reads the responses of one stream."""

    def read(self, event: ServerSentEvent) -> list[Chunk]:
        """Read one response. A blocked prompt has no candidates, only the reason."""
        response = payload(event)
        if response.get("error"):
            raise self.failure(response["error"])
        if usage := response.get("usageMetadata"):
            answered = sum_of(usage.get("candidatesTokenCount"), usage.get("thoughtsTokenCount"))
            self.usage = Usage(count_of(usage.get("promptTokenCount")), answered)
        if (response.get("promptFeedback") or {}).get("blockReason"):
            self.finish(FinishReason.CONTENT_FILTER)
        pieces: list[Chunk] = []
        for candidate in response.get("candidates") or ():
            for part in (candidate.get("content") or {}).get("parts") or ():
                pieces += _read_part(part)
            if reason := candidate.get("finishReason"):
                self.finish(_FINISH.get(reason, FinishReason.OTHER))
        return pieces


def _read_part(part: dict[str, Any]) -> list[Chunk]:
    if not (text := part.get("text")):
        return []
    return [ReasoningChunk(text_of(text)) if part.get("thought") else TextChunk(text_of(text))]
