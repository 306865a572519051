"""One call to a provider while it lasts: its text so far, and how it ended."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from chains.engine.spec import ModelSpec, StepSpec
from chains.providers.base import ChatMessage, Completion, FinishReason, Usage
from chains.providers.errors import ProviderError

# Neither database stores these, and no browser shows them.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MILLION = Decimal(1_000_000)

COMPLETED, FAILED, CANCELLED, INTERRUPTED = "completed", "failed", "cancelled", "interrupted"


def storable(text: str) -> str:
    """Replace NUL and lone surrogates, so that every copy of a text is the same text."""
    return _UNSTORABLE.sub("\ufffd", text)


def with_pairs_joined(text: str) -> str:
    """Make one character of each surrogate pair; a half without its other half stays what it is."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


class GrowingText:
    """A text that grows by pieces and is joined only when somebody reads it."""

    __slots__ = ("_parts", "length")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.length = 0

    def append(self, piece: str) -> int:
        """Add a piece and return the offset, in code points, at which it begins."""
        offset = self.length
        self._parts.append(piece)
        self.length += len(piece)
        return offset

    def __str__(self) -> str:
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""


@dataclass(slots=True, eq=False)
class Attempt:
    """One call for a step. The executor changes it; the journal copies it into its row."""

    step: StepSpec
    number: int
    messages: tuple[ChatMessage, ...]
    started_at: datetime
    status: str = "running"
    text: GrowingText = field(default_factory=GrowingText)
    reasoning: GrowingText = field(default_factory=GrowingText)
    first_token_at: datetime | None = None
    finished_at: datetime | None = None
    stop_seen_at: datetime | None = None
    upstream_closed_at: datetime | None = None
    finish_reason: str = ""
    is_truncated: bool = False
    error_kind: str = ""
    error: str = ""
    http_status: int | None = None
    usage: Usage = Usage()

    @property
    def has_ended(self) -> bool:
        """Whether its outcome is known."""
        return self.finished_at is not None

    @property
    def sha256(self) -> str:
        """The digest of the text's UTF-8, in hex."""
        return hashlib.sha256(str(self.text).encode()).hexdigest()

    @property
    def duration_ms(self) -> int:
        """From the request's departure to the end, in ms."""
        ended = self.finished_at or self.started_at
        return round((ended - self.started_at).total_seconds() * 1000)

    @property
    def cost_usd(self) -> Decimal | None:
        """What the call costs, None when usage or price is unknown."""
        return cost_usd(self.usage, self.step.model)

    def complete(self, completion: Completion, at: datetime) -> None:
        """Record the provider's finish marker; what it is worth depends on reason and text."""
        self.usage, self.finish_reason = completion.usage, completion.reason.value
        self.finished_at = at
        has_text = bool(str(self.text).strip())
        if completion.reason in (FinishReason.CONTENT_FILTER, FinishReason.REFUSAL):
            self._fail(
                completion.reason.value,
                f"{self._provider} withheld the answer, it refused or filtered it: "
                "change the message or the prompt, or choose another model.",
            )
        elif has_text:
            self.status = COMPLETED
            self.is_truncated = completion.reason is FinishReason.LENGTH
        elif completion.reason is FinishReason.LENGTH:
            self._fail(
                "length", f"{self._provider} hit the token limit before any text came: raise the limit."
            )
        else:
            self._fail("empty", f"{self._provider} ended the answer without any text: try again.")

    def fail(self, error: ProviderError, at: datetime) -> None:
        """Record an error: after the first token it cut an answer short, before it there was none."""
        self.finished_at = at
        self._fail(error.kind.value, error.sentence)
        self.http_status = error.http_status
        if self.first_token_at is not None:
            self.status = INTERRUPTED

    def crash(self, at: datetime) -> None:
        """Record that our own code failed; the log has the details."""
        self.finished_at = at
        self._fail(
            "internal", f"The call to {self._provider} failed inside chain-chat: see the server's log."
        )

    def cancel(self, at: datetime) -> None:
        """Record that the user stopped it and that the connection is closed now."""
        self.finished_at = self.upstream_closed_at = at
        self.stop_seen_at = self.stop_seen_at or at
        self.status = CANCELLED

    @property
    def _provider(self) -> str:
        return self.step.model.endpoint.name

    def _fail(self, kind: str, sentence: str) -> None:
        # It may quote the provider, who need not speak in whole characters.
        self.status, self.error_kind, self.error = FAILED, kind, storable(sentence)


def cost_usd(usage: Usage, model: ModelSpec) -> Decimal | None:
    """Return tokens × price per million; a model that is free costs a known 0 even without usage."""
    if model.input_price is None or model.output_price is None:
        return None
    if model.input_price == model.output_price == 0:
        return Decimal(0)
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    return (usage.input_tokens * model.input_price + usage.output_tokens * model.output_price) / _MILLION
