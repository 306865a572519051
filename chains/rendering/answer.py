"""One live answer: its text as far as this process knows it, and the rendered form of that."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from chains.rendering.markdown import MarkdownStream

# Code points of text that wait for what stands before them.
HELD_LIMIT = 64_000

Key = tuple[int, int]


def answer_name(step: int) -> str:
    """Return the name of a step's answer on a page, which its footnotes are told apart by."""
    return f"s{step}"


class Gathered:
    """A text made of pieces that may come late, twice or not at all; offsets count code points."""

    def __init__(self, append: Callable[[str], None]) -> None:
        self._pass_on = append
        self.length = 0
        self.held: dict[int, str] = {}

    def take(self, offset: int, text: str) -> None:
        """Apply a piece, or hold it when what stands before it is missing."""
        if offset > self.length:
            if sum(map(len, self.held.values())) + len(text) <= HELD_LIMIT:
                self.held[offset] = text
            return
        self._append(text[self.length - offset :])
        self._apply_held()

    def catch_up(self, stored: str) -> None:
        """Take what the row has beyond our own text."""
        self._append(stored[self.length :])
        self._apply_held()

    def _append(self, text: str) -> None:
        if text:
            self._pass_on(text)
            self.length += len(text)

    def _apply_held(self) -> None:
        for offset in sorted(self.held):
            if offset > self.length:
                break
            text = self.held.pop(offset)
            self._append(text[self.length - offset :])


class LiveAnswer:
    """The text and the reasoning of one live attempt, and their rendered form. ``key`` is (step, attempt)."""

    def __init__(self, run: int, key: Key) -> None:
        self.run = run
        self.key = key
        self.stream = MarkdownStream(name=answer_name(key[0]))
        self.text = Gathered(self._write)
        self.reasoning = Gathered(self._think)
        self.paint_at = 0.0
        self.is_dirty = False
        self.is_streaming = False
        self._thoughts = ""
        self._told = 0  # code points of the reasoning

    @property
    def length(self) -> int:
        """How many code points of the text are known."""
        return self.text.length

    @property
    def held(self) -> bool:
        """Whether a piece waits for what stands before it."""
        return bool(self.text.held or self.reasoning.held)

    def matches(self, length: int, sha256: str) -> bool:
        """Whether our text is the one that the closing frame speaks of."""
        return self.length == length and hashlib.sha256(self.stream.text.encode()).hexdigest() == sha256

    def column(self, *, whole: bool = False) -> dict[str, Any]:
        """Return the update for the browser: what changed since the last one, or all of it."""
        if whole:
            seen = self.stream.snapshot()
            return self._column(seen.rev, 0, seen.blocks, seen.tail) | self._reasoning(0, self._told)
        update = self.stream.update()
        return self._column(update.rev, update.first_block, update.closed, update.tail) | self._news()

    def close(self) -> dict[str, Any]:
        """Freeze the text and return the last update."""
        update = self.stream.close()
        return self._column(update.rev, update.first_block, update.closed, update.tail) | self._news()

    def _column(self, rev: int, first_block: int, closed: Iterable[str], tail: str) -> dict[str, Any]:
        step, attempt = self.key
        return {
            "run": self.run,
            "step": step,
            "attempt": attempt,
            "rev": rev,
            "first_block": first_block,
            "closed": list(closed),
            "tail": tail,
        }

    def _news(self) -> dict[str, Any]:
        told, self._told = self._told, len(self._thoughts)
        return self._reasoning(told, self._told)

    def _reasoning(self, start: int, end: int) -> dict[str, Any]:
        # Both places, because a browser counts characters in another way.
        if start == end:
            return {}
        return {"reasoning": {"start": start, "end": end, "text": self._thoughts[start:end]}}

    def _write(self, text: str) -> None:
        self.stream.append(text)
        self.is_dirty = True

    def _think(self, text: str) -> None:
        self._thoughts += text
        self.is_dirty = True
