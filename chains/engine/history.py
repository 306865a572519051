"""The earlier turns of a session, as an agent sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chains.providers.base import ChatMessage

CHARACTERS_PER_TOKEN = 4
UNKNOWN_WINDOW_TOKENS = 32_000


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier run of the session, completed or kept by the user.

    ``agent_outputs`` maps slugs to the texts of the members that completed, where the run was of the same
    chain and ended in a group; otherwise it is empty.
    """

    input: str
    output: str
    agent_outputs: Mapping[str, str]


def history_messages(
    turns: Sequence[Turn],
    *,
    slug: str,
    window_tokens: int | None,
    reserve: int = 0,
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
        room -= len(turn.input) + len(answer)
        if room < 0:
            break
        kept += [ChatMessage("assistant", answer), ChatMessage("user", turn.input)]
    return tuple(reversed(kept))
