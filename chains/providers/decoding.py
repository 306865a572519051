"""What the decoders of all wire formats share: they read events, keep how the answer ended, and do no I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from chains.providers.base import Completion, Endpoint, FinishReason, ReasoningChunk, TextChunk, Usage
from chains.providers.errors import ErrorKind, ProviderError, error_from_stream, error_of_kind
from chains.providers.sse import ServerSentEvent
from chains.providers.wirejson import load_json

Chunk = TextChunk | ReasoningChunk

# What reading stumbles over when the JSON is broken, or well formed but of another shape.
SHAPE_ERRORS = (ValueError, TypeError, KeyError, IndexError, AttributeError)
# The largest count that every database has room for.
MAX_COUNT = 2**31 - 1


class AnswerDecoder(ABC):
    """Turns the events of one answer into chunks. A subclass reads one wire format.

    ``is_done`` says that nothing more is to come, not even usage. Some gateways send the finish marker before
    the text or with every piece of it; then only the end of the stream says that it was one.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.is_done = False
        self.reason: FinishReason | None = None
        self.usage = Usage()
        self._is_marked = self._has_text = self._is_doubtful = False
        self._early: FinishReason | None = None

    @property
    def completion(self) -> Completion | None:
        """What is known of the end, None until the finish marker came."""
        return None if self.reason is None else Completion(self.reason, self.usage)

    @property
    def is_settled(self) -> bool:
        """Whether the answer is complete whatever happens to the stream from here on."""
        return self.is_done or (self.reason is not None and not self._is_doubtful)

    def finish(self, reason: FinishReason) -> None:
        """Note the finish marker of the event in hand."""
        self.reason, self._is_marked = reason, True

    def end(self) -> None:
        """Note the end marker, with which a finish marker counts that came before the text."""
        self.reason = self.reason or self._early
        self.is_done = self.reason is not None

    def feed(self, event: ServerSentEvent) -> list[Chunk]:
        """Take one event and return the pieces of text in it. Raises ``ProviderError``."""
        if self.is_done:
            return []
        was_finished, self._is_marked = self.reason is not None, False
        try:
            chunks = self.read(event)
        except SHAPE_ERRORS as error:
            raise error_of_kind(ErrorKind.PROTOCOL, self.endpoint) from error
        self._weigh(chunks, was_finished=was_finished)
        return chunks

    def _weigh(self, chunks: list[Chunk], *, was_finished: bool) -> None:
        """Take a finish marker back when text follows, and doubt it too when none came before it."""
        if self._is_marked:
            # What is withheld, or has hit a limit, may end without a text.
            self._is_doubtful |= self.reason is FinishReason.STOP and not self._has_text
        elif chunks:
            self._early, self.reason = self.reason or self._early, None
        if chunks:
            self._is_doubtful |= was_finished
            self._has_text = self._has_text or any(isinstance(chunk, TextChunk) for chunk in chunks)

    @abstractmethod
    def read(self, event: ServerSentEvent) -> list[Chunk]:
        """Read an event of this format. May stumble over its shape; ``feed`` translates that."""

    def failure(self, said: object) -> ProviderError:
        """Make the error that an error object inside the stream stands for."""
        return error_from_stream(self.endpoint, said)


def text_of(value: object) -> str:
    """Return the text, or raise ``TypeError``: what is shown must be text."""
    if not isinstance(value, str):
        raise TypeError(f"Text was expected, not {type(value).__name__}.")
    return value


def count_of(value: object) -> int | None:
    """Return a count of tokens, or None where the provider gave none that can be one."""
    # Not isinstance: true and false are ints too.
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def sum_of(*values: object) -> int | None:
    """Add the counts that are there; None if none of them is."""
    counts = [count for value in values if (count := count_of(value)) is not None]
    return count_of(sum(counts)) if counts else None


def payload(event: ServerSentEvent) -> Any:
    """Decode the event's JSON object. Raises ``ValueError``."""
    document = load_json(event.data)
    if not isinstance(document, dict):
        raise ValueError("An event of a stream must be a JSON object.")
    return document
