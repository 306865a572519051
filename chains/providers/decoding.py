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

    ``is_done`` says that nothing more is to come, not even usage.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.is_done = False
        self.reason: FinishReason | None = None
        self.usage = Usage()

    @property
    def completion(self) -> Completion | None:
        """What is known of the end, None until the finish marker came."""
        return None if self.reason is None else Completion(self.reason, self.usage)

    def feed(self, event: ServerSentEvent) -> list[Chunk]:
        """Take one event and return the pieces of text in it. Raises ``ProviderError``."""
        try:
            return self.read(event)
        except SHAPE_ERRORS as error:
            raise error_of_kind(ErrorKind.PROTOCOL, self.endpoint) from error

    @abstractmethod
    def read(self, event: ServerSentEvent) -> list[Chunk]:
        """Read an event of this format. May stumble over its shape; ``feed`` translates that."""

    def failure(self, details: Any) -> ProviderError:
        """Make the error that an error object inside the stream stands for."""
        return error_from_stream(
            self.endpoint, details if isinstance(details, dict) else {"message": details}
        )


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
