"""The earlier turns of a session, as an agent sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chains.engine.files import with_mentions
from chains.providers.base import ChatMessage, Image

CHARACTERS_PER_TOKEN = 4
UNKNOWN_WINDOW_TOKENS = 32_000
IMAGE_TOKENS = 1_600  # what providers count for a large picture, at most


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier run of the session, completed or kept by the user.

    ``agent_outputs`` maps slugs to the texts of the members that completed, where the run was of the same
    chain and ended in a group of which nobody chose one answer; otherwise it is empty. ``images`` are sent
    again to models that see, ``unseen`` names those that no model is sent any more.
    """

    input: str
    output: str
    agent_outputs: Mapping[str, str]
    images: tuple[Image, ...] = ()
    unseen: tuple[str, ...] = ()

    def asked(self, *, sees: bool) -> ChatMessage:
        """Return the message as a model gets it that sees pictures, or does not."""
        images = self.images if sees else ()
        told = () if sees else tuple(image.name for image in self.images)
        return ChatMessage("user", with_mentions(self.input, told + self.unseen), images=images)


def history_messages(
    turns: Sequence[Turn],
    *,
    slug: str,
    window_tokens: int | None,
    reserve: int = 0,
    sees: bool = False,
) -> tuple[ChatMessage, ...]:
    """Make the messages that precede an agent's prompt, oldest first, as many whole turns as fit.

    ``reserve`` counts the tokens kept for the system prompt, the prompt and the answer. A turn without an
    answer is left out: providers refuse empty messages.
    """
    window = UNKNOWN_WINDOW_TOKENS if window_tokens is None else window_tokens
    room = (window - reserve) * CHARACTERS_PER_TOKEN
    kept: list[ChatMessage] = []
    for turn in reversed(turns):
        answer = turn.agent_outputs.get(slug, turn.output)
        if not answer.strip():
            continue
        asked = turn.asked(sees=sees)
        room -= len(asked.content) + len(answer) + image_tokens(asked.images) * CHARACTERS_PER_TOKEN
        if room < 0:
            break
        kept += [ChatMessage("assistant", answer), asked]
    return tuple(reversed(kept))


def image_tokens(images: Sequence[Image]) -> int:
    """Return the room that pictures need."""
    return len(images) * IMAGE_TOKENS
