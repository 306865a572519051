"""OpenAI's Chat Completions format: a request's body read into a question, answers written. Pure.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

import orjson

from chains.api.errors import ApiError
from chains.forms import MAX_MESSAGE

SYSTEM_ROLES = ("system", "developer")
ROLES = (*SYSTEM_ROLES, "user", "assistant")
KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"

_KINDS = {str: "text", bool: "true or false", list: "a list", dict: "an object", int: "a whole number"}
Kind = TypeVar("Kind")
Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """What a program asks. ``text`` goes to the chain; ``title`` is the user's own part of it."""

    model: str
    text: str
    title: str
    earlier: tuple[tuple[str, str], ...]
    stream: bool
    include_usage: bool


@dataclass(frozen=True, slots=True)
class Said:
    """One message: whose it is, and its text."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of all calls of a run; ``unknown`` calls whose provider did not say are not in the sums."""

    input_tokens: int
    output_tokens: int
    unknown: int = 0

    def as_json(self) -> dict[str, int]:
        """Return OpenAI's usage object, with one more field where something is unknown."""
        usage = {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
        }
        return usage | ({"calls_without_usage": self.unknown} if self.unknown else {})


@dataclass(frozen=True, slots=True)
class Completion:
    """What all parts of one answer have in common. ``created`` counts seconds since 1970."""

    id: str
    created: int
    model: str
    include_usage: bool = False

    def whole(self, text: str, *, finish_reason: str, usage: Usage | None) -> Fields:
        """Return the answer as one object."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        return self._object("chat.completion", [choice]) | {"usage": usage and usage.as_json()}

    def chunk(self, delta: Fields, *, finish_reason: str | None = None) -> bytes:
        """Return one event of the stream."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return event(self._chunk([choice]))

    def usage_chunk(self, usage: Usage | None) -> bytes:
        """Return the event that carries the usage."""
        return event(self._chunk([]) | {"usage": usage and usage.as_json()})

    def _chunk(self, choices: list[Fields]) -> Fields:
        fields = self._object("chat.completion.chunk", choices)
        return fields | ({"usage": None} if self.include_usage else {})

    def _object(self, kind: str, choices: list[Fields]) -> Fields:
        about = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return about | {"choices": choices}


def event(data: object) -> bytes:
    """Return one server-sent event."""
    return b"data: " + orjson.dumps(data) + b"\n\n"


def read_question(body: bytes) -> Question:
    """Read a request's body. Raises ``ApiError`` with the path of what is wrong.

    System messages come before the user's message, messages of one role in a row are one message. What the
    chain decides itself (temperature and the like) is ignored.
    """
    fields = _load(body)
    model = _required(fields, "model", str)
    conversation = [_read_message(said, place) for place, said in _messages(fields)]
    system = [said.text for said in conversation if said.role in SYSTEM_ROLES]
    turns = _turns(conversation)
    if _optional(fields, "n", int) not in (None, 1):
        raise ApiError("A chain gives one answer: leave out n.", param="n")
    options = _optional(fields, "stream_options", dict) or {}
    return Question(
        model=model,
        text=_bounded("\n\n".join([*system, turns[-1].text])),
        title=turns[-1].text,
        earlier=tuple((asked.text, told.text) for asked, told in zip(turns[:-1:2], turns[1::2], strict=True)),
        stream=bool(_optional(fields, "stream", bool)),
        include_usage=bool(_optional(options, "include_usage", bool, "stream_options.")),
    )


def _load(body: bytes) -> Fields:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ApiError(f"The body is no JSON that can be read ({error}).") from error
    if not isinstance(fields, dict):
        raise ApiError("The body must be a JSON object.")
    return fields


def _messages(fields: Fields) -> list[tuple[str, Any]]:
    return [(f"messages[{place}]", said) for place, said in enumerate(_required(fields, "messages", list))]


def _read_message(said: Any, path: str) -> Said:
    if not isinstance(said, dict):
        raise ApiError(f"{path} must be an object.", param=path)
    role = _required(said, "role", str, f"{path}.")
    if role not in ROLES:
        raise ApiError(
            f"{path} has the role “{role[:40]}”: a chain takes {', '.join(ROLES)}.", param=f"{path}.role"
        )
    return Said(role, _read_content(said.get("content"), f"{path}.content"))


def _read_content(content: Any, path: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ApiError(f"{path} must be text or a list of text parts.", param=path)
    return "\n".join(_read_part(part, f"{path}[{place}]") for place, part in enumerate(content))


def _read_part(part: Any, path: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind != "text":
        what = f"is of the type “{str(kind)[:40]}”" if kind else "has no type"
        raise ApiError(f"{path} {what}: a chain reads text only, no images, sound or files.", param=path)
    return _required(part, "text", str, f"{path}.")


def _turns(conversation: list[Said]) -> list[Said]:
    """Return the user's and the assistant's messages in turn, from the user's first to the user's last."""
    spoken = [said for said in conversation if said.role not in SYSTEM_ROLES]
    turns = [
        Said(role, "\n\n".join(said.text for said in together))
        for role, together in groupby(spoken, lambda said: said.role)
    ]
    if not turns or turns[0].role != "user" or turns[-1].role != "user":
        raise ApiError(
            "The first and the last message (system messages aside) must be the user's.", param="messages"
        )
    if not turns[-1].text.strip():
        raise ApiError("The last message is empty: a chain needs text to work on.", param="messages")
    return turns


def _bounded(text: str) -> str:
    if len(text) > MAX_MESSAGE:
        raise ApiError(
            f"The message has {len(text):,} characters with its system messages: "
            f"it may have {MAX_MESSAGE:,}. Send a shorter one.",
            code="context_length_exceeded",
            param="messages",
        )
    return text


def _required(fields: Fields, name: str, kind: type[Kind], path: str = "") -> Kind:
    value = _optional(fields, name, kind, path)
    if value is None:
        raise ApiError(f"{path}{name} is missing.", param=f"{path}{name}")
    return value


def _optional(fields: Fields, name: str, kind: type[Kind], path: str = "") -> Kind | None:
    value = fields.get(name)
    # By its exact type: to Python, true is a whole number.
    if value is not None and type(value) is not kind:
        raise ApiError(f"{path}{name} must be {_KINDS[kind]}.", param=f"{path}{name}")
    return value
