"""The three wire formats, as the loopback provider writes them."""

from __future__ import annotations

import json
from typing import Any, Protocol

from tests.loopback.pictures import SeenPicture, from_base64, from_data_url
from tests.loopback.script import Script

# The status that goes with each provider's word for an error.
WORDS = {
    400: ("invalid_request_error", "INVALID_ARGUMENT"),
    401: ("authentication_error", "UNAUTHENTICATED"),
    403: ("permission_error", "PERMISSION_DENIED"),
    404: ("not_found_error", "NOT_FOUND"),
    429: ("rate_limit_error", "RESOURCE_EXHAUSTED"),
    503: ("overloaded_error", "UNAVAILABLE"),
    529: ("overloaded_error", "UNAVAILABLE"),
}


class Wire(Protocol):
    """How one provider writes a stream. Each method returns whole events."""

    name: str

    def prompt(self, body: Any) -> str: ...
    def pictures(self, body: Any) -> list[SeenPicture]: ...
    def opening(self, script: Script, body: Any) -> list[str]: ...
    def token(self, text: str, *, is_last: bool = False) -> str: ...
    def reasoning(self, text: str) -> str: ...
    def ending(self, script: Script, counts: tuple[int, int]) -> list[str]: ...
    def ping(self) -> str: ...
    def error(self, status: int, word: str, message: str) -> Any: ...
    def error_event(self, word: str, message: str) -> str: ...
    def models(self, ids: list[str]) -> Any: ...


def event(data: Any, name: str = "") -> str:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return (f"event: {name}\n" if name else "") + f"data: {text}\n\n"


def parts_of(content: Any) -> list[Any]:
    """Return the parts of an OpenAI or Anthropic message, whose content may be a bare text."""
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def text_of(content: Any) -> str:
    return "\n".join(part["text"] for part in parts_of(content) if part["type"] == "text")


class OpenAIWire:
    name = "openai"

    def prompt(self, body: Any) -> str:
        return text_of([m["content"] for m in body["messages"] if m["role"] == "user"][-1])

    def pictures(self, body: Any) -> list[SeenPicture]:
        parts = [(m["role"], part) for m in body["messages"] for part in parts_of(m["content"])]
        others = [part for _, part in parts if part["type"] not in ("text", "image_url")]
        if others or any(role != "user" for role, part in parts if part["type"] != "text"):
            raise ValueError("Only user messages have parts of the types text and image_url.")
        return [from_data_url(part["image_url"]["url"]) for _, part in parts if part["type"] == "image_url"]

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> str:
        return event({"object": "chat.completion.chunk",
                      "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})  # fmt: skip

    def opening(self, script: Script, body: Any) -> list[str]:
        return [self._chunk({"role": "assistant", "content": ""})]

    def token(self, text: str, *, is_last: bool = False) -> str:
        return self._chunk({"content": text}, "stop" if is_last else None)

    def reasoning(self, text: str) -> str:
        return self._chunk({"reasoning_content": text})

    def ending(self, script: Script, counts: tuple[int, int]) -> list[str]:
        events = []
        if script.finish == "refusal":
            events.append(self._chunk({"refusal": "I cannot help with that."}))
        reason = {"refusal": "stop", "blocked_prompt": "content_filter"}.get(script.finish, script.finish)
        events.append(self._chunk({}, reason))
        if script.usage:
            usage = {"prompt_tokens": counts[0], "completion_tokens": counts[1]}
            events.append(event({"choices": [], "usage": usage}))
        return [*events, event("[DONE]")] if script.end_marker else events

    def ping(self) -> str:
        return ": keep-alive\n\n"

    def error(self, status: int, word: str, message: str) -> Any:
        return {
            "error": {
                "message": message,
                "type": word or WORDS.get(status, ("server_error",))[0],
                "code": None,
            }
        }

    def error_event(self, word: str, message: str) -> str:
        return event(self.error(503, word, message))

    def models(self, ids: list[str]) -> Any:
        return {"object": "list", "data": [{"id": i, "object": "model"} for i in [*ids, "text-embedding-9"]]}


class AnthropicWire:
    name = "anthropic"

    def prompt(self, body: Any) -> str:
        return text_of([m["content"] for m in body["messages"] if m["role"] == "user"][-1])

    def pictures(self, body: Any) -> list[SeenPicture]:
        parts = [part for m in body["messages"] for part in parts_of(m["content"])]
        if any(part["type"] == "text" and not part["text"].strip() for part in parts):
            raise ValueError("messages: text content blocks must be non-empty")
        sources = [part["source"] for part in parts if part["type"] == "image"]
        if any(source["type"] != "base64" or len(source["data"]) > 5_000_000 for source in sources):
            raise ValueError("image exceeds 5 MB maximum")
        return [from_base64(source["media_type"], source["data"]) for source in sources]

    def opening(self, script: Script, body: Any) -> list[str]:
        message: dict[str, Any] = {"role": "assistant", "content": []}
        if script.usage:
            message["usage"] = {"input_tokens": len(self.prompt(body).split()), "output_tokens": 1}
        start = {"type": "message_start", "message": message}
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        return [event(start, "message_start"), event(block, "content_block_start"), self.ping()]

    def _delta(self, delta: dict[str, str]) -> str:
        return event({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")

    def token(self, text: str, *, is_last: bool = False) -> str:
        # Its finish marker is an event of its own, which no gateway is known to send early.
        return self._delta({"type": "text_delta", "text": text})

    def reasoning(self, text: str) -> str:
        return self._delta({"type": "thinking_delta", "thinking": text})

    def ending(self, script: Script, counts: tuple[int, int]) -> list[str]:
        reason = {"stop": "end_turn", "length": "max_tokens"}.get(script.finish, "refusal")
        delta: dict[str, Any] = {"type": "message_delta", "delta": {"stop_reason": reason}}
        if script.usage:
            delta["usage"] = {"output_tokens": counts[1]}
        stop = {"type": "content_block_stop", "index": 0}
        events = [event(stop, "content_block_stop"), event(delta, "message_delta")]
        return [*events, event({"type": "message_stop"}, "message_stop")] if script.end_marker else events

    def ping(self) -> str:
        return event({"type": "ping"}, "ping")

    def error(self, status: int, word: str, message: str) -> Any:
        kind = word or WORDS.get(status, ("api_error",))[0]
        return {"type": "error", "error": {"type": kind, "message": message}}

    def error_event(self, word: str, message: str) -> str:
        return event(self.error(529, word, message), "error")

    def models(self, ids: list[str]) -> Any:
        return {"data": [{"id": i, "display_name": i.title()} for i in ids], "has_more": False}


class GeminiWire:
    name = "gemini"

    def prompt(self, body: Any) -> str:
        return str([c["parts"][-1]["text"] for c in body["contents"] if c["role"] == "user"][-1])

    def pictures(self, body: Any) -> list[SeenPicture]:
        parts = [part for content in body["contents"] for part in content["parts"]]
        found = [part["inlineData"] for part in parts if "inlineData" in part]
        if any(data["mimeType"] == "image/gif" for data in found):
            raise ValueError("Unsupported MIME type: image/gif")
        return [from_base64(data["mimeType"], data["data"]) for data in found]

    def _response(self, parts: list[dict[str, Any]], finish: str = "", **more: Any) -> str:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        return event({"candidates": [candidate], **more})

    def opening(self, script: Script, body: Any) -> list[str]:
        return []

    def token(self, text: str, *, is_last: bool = False) -> str:
        return self._response([{"text": text}], "STOP" if is_last else "")

    def reasoning(self, text: str) -> str:
        return self._response([{"text": text, "thought": True}])

    def ending(self, script: Script, counts: tuple[int, int]) -> list[str]:
        reason = {"stop": "STOP", "length": "MAX_TOKENS"}.get(script.finish, "SAFETY")
        usage = {"promptTokenCount": counts[0], "candidatesTokenCount": counts[1] - script.reasoning}
        if script.reasoning:
            usage["thoughtsTokenCount"] = script.reasoning
        more: dict[str, Any] = {"usageMetadata": usage} if script.usage else {}
        if script.finish == "blocked_prompt":
            return [event({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **more})]
        return [self._response([], reason, **more)]

    def ping(self) -> str:
        return ": keep-alive\n\n"

    def error(self, status: int, word: str, message: str) -> Any:
        name = word or WORDS.get(status, ("", "INTERNAL"))[1]
        return {"error": {"code": status, "message": message, "status": name}}

    def error_event(self, word: str, message: str) -> str:
        return event(self.error(503, word, message))

    def models(self, ids: list[str]) -> Any:
        listed = [{"name": f"models/{i}", "displayName": i.title(), "inputTokenLimit": 1000,
                   "supportedGenerationMethods": ["generateContent"]} for i in ids]  # fmt: skip
        return {"models": [*listed, {"name": "models/embed", "supportedGenerationMethods": ["embedContent"]}]}
