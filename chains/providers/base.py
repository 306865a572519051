"""What the engine and a provider agree on. No Django, no HTTP client here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]


# A place in a message, from start to end in code points, and what it came from: ``input`` or ``agents.slug``.
Passage = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Image:
    """A picture in a message. ``data`` is base64, as every wire carries it; ``attachment`` is its row.

    ``width`` and ``height`` count pixels.
    """

    name: str
    media_type: str
    data: str = field(repr=False)
    width: int = 0
    height: int = 0
    attachment: int | None = None

    @property
    def data_url(self) -> str:
        """The whole picture as an address."""
        return f"data:{self.media_type};base64,{self.data}"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation as it is sent to a provider.

    ``passages`` are not sent: whoever keeps the message can say by them where its parts came from. ``images``
    are sent only to a model whose flags say that it sees.
    """

    role: Role
    content: str
    passages: tuple[Passage, ...] = field(default=(), compare=False)
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long each part of a call may take, in seconds."""

    connect: float = 5.0
    first_token: float = 60.0
    idle: float = 30.0
    total: float = 900.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider is reached, and with which key. The key never shows in a repr."""

    slug: str
    name: str
    kind: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    key_variable: str = ""
    limits: TimeLimits = TimeLimits()


@dataclass(frozen=True, slots=True)
class ModelFlags:
    """What a model accepts: shared code reads these and never a provider's name."""

    temperature_allowed: bool = True
    max_tokens_field: str = "max_tokens"
    vision: bool = False


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One call: a model, its messages and its parameters. ``max_output_tokens`` counts tokens."""

    model: str
    messages: tuple[ChatMessage, ...]
    temperature: float | None = None
    max_output_tokens: int | None = None
    flags: ModelFlags = ModelFlags()
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WireRequest:
    """What travels over HTTP: a JSON body, or none for a GET."""

    url: str
    headers: Mapping[str, str]
    body: object | None = None


class FinishReason(StrEnum):
    """Why a provider ended an answer, in one vocabulary for all wire formats."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the provider counted; None where it did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class TextChunk:
    """A piece of the answer's text, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningChunk:
    """A piece of the model's reasoning, where the wire carries it; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of an answer: the provider's finish marker came."""

    reason: FinishReason
    usage: Usage = Usage()


Sink = Callable[[TextChunk | ReasoningChunk], None]


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model of a provider's own list. ``context_window`` counts tokens, None if unknown."""

    model_id: str
    name: str
    context_window: int | None = None


class ChatProvider(Protocol):
    """One wire kind, bound to one endpoint."""

    def wire(self, request: ChatRequest) -> WireRequest | None:
        """Return what ``chat`` sends for a request; None where nothing travels."""
        ...

    async def chat(self, request: ChatRequest, sink: Sink) -> Completion:
        """Call the model, hand each piece to ``sink`` as it arrives, return at the finish marker.

        The connection is closed before this returns or raises, on cancellation too.
        Raises ``ProviderError`` and nothing else (besides ``CancelledError``).
        """
        ...

    async def list_models(self) -> list[ListedModel]:
        """Read the provider's own list of models. Raises ``ProviderError``."""
        ...
