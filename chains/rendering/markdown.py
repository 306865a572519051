"""Markdown of an answer while it streams, and of one that is finished: both end as the same HTML."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from django.utils.safestring import SafeString, mark_safe

from chains.rendering.blocks import split_blocks
from chains.rendering.output import Footnotes, render_block

# Characters that are taken up at once. Longer text goes through in windows, so that the cost stays linear.
WINDOW = 8_000

# What one stream renders again and again may take a twenty-fifth of a core, and send each viewer so many
# characters of open tail a second.
COST_TO_PAUSE = 24
TAIL_RATE = 200_000

# What HTML and UTF-8 cannot carry.
_UNREADABLE = re.compile("[\x00\ud800-\udfff]")
_LINE_END = re.compile(r"\r\n?")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is visible at ``rev``: frozen blocks, and the open tail after them, as safe HTML."""

    rev: int
    blocks: tuple[str, ...]
    tail: str


@dataclass(frozen=True, slots=True)
class Update:
    """What changed since the last one: cut blocks at ``first_block``, add ``closed``, replace the tail."""

    rev: int
    first_block: int
    closed: tuple[str, ...]
    tail: str


class MarkdownStream:
    """The rendered form of one live answer. Text comes in by ``append``, HTML goes out by ``update``.

    ``update`` works on what came since the last one and on the open tail, never on the whole answer. It
    serves all viewers: one that joins takes ``snapshot`` and then follows the updates. ``name`` is the
    answer's own among those on a page; without one its footnotes are not linked.
    Not for use by two threads at once.
    """

    def __init__(self, text: str = "", *, name: str = "", is_coloured: bool = True) -> None:
        self._name = name
        self._is_coloured = is_coloured
        self.blocks: list[str] = []  # closed, as safe HTML; none of them changes until ``replace``
        self.rev = 0
        self.cost = 0.0  # seconds of CPU that the last update took for what the next one does again
        self.parsed = 0  # characters that went through the parser so far
        self._changed = False
        self._reset()
        if text:
            self.append(text)
            self.update()

    @property
    def text(self) -> str:
        """The source, exactly as it was given."""
        return self._text

    @property
    def tail_cost(self) -> int:
        """Characters that each update renders again."""
        return len(self._open) + len(self._partial)

    @property
    def pause(self) -> float:
        """Seconds to let pass before the next update, to keep both the process and the viewers at ease."""
        return max(self.cost * COST_TO_PAUSE, len(self._tail) / TAIL_RATE)

    def append(self, text: str) -> None:
        """Take text from the stream. Cheap: nothing is rendered before the next update."""
        if self._closed:
            raise ValueError("The answer is closed: text can only be put in by replace().")
        self._text += text
        self._partial += _UNREADABLE.sub("\ufffd", text)
        self._changed = self._changed or bool(text)

    def replace(self, text: str) -> None:
        """Take the authoritative text. Blocks that are out stay when it only continues what is here."""
        if not self._closed and text.startswith(self._text):
            self.append(text[len(self._text) :])
        elif text != self._text:
            self._reset()
            self.append(text)

    def update(self) -> Update:
        """Render what came in. Without anything new the revision stays the same."""
        if not self._changed:
            return Update(self.rev, len(self.blocks), (), self._tail)
        return self._render()

    def close(self) -> Update:
        """Freeze the tail: there is no more text."""
        self._closed = True
        return self._render()

    def snapshot(self) -> Snapshot:
        """Return everything as of the last update."""
        return Snapshot(self.rev, tuple(self.blocks), self._tail)

    def _reset(self) -> None:
        """Forget the text. The next update replaces all blocks."""
        self._text = ""
        self._open = ""  # complete lines of the open block, readable and with plain line ends
        self._partial = ""  # what came since the last update or stands after the last line end
        self._tail = ""
        self._closed = False
        self._changed = True
        self._restarted = True
        self._footnotes = Footnotes(self._name)

    def _render(self) -> Update:
        began = time.thread_time()
        first = 0 if self._restarted else len(self.blocks)
        if self._restarted:
            self.blocks = []
        if sources := self._closed_sources():
            self.blocks += [self._rendered(source) for source in sources]
            # Closed blocks are paid once: nobody has to wait for them.
            began = time.thread_time()
        self._tail = self._rendered(self._open + _with_plain_ends(self._partial), closed=False)
        self._changed = self._restarted = False
        self.rev += 1
        self.cost = time.thread_time() - began
        return Update(self.rev, first, tuple(self.blocks[first:]), self._tail)

    def _rendered(self, source: str, *, closed: bool = True) -> SafeString:
        self.parsed += len(source)
        # What is still open is rendered again: it must not take the places of its own ids.
        footnotes = self._footnotes if closed else self._footnotes.copy()
        return render_block(source, closed=closed and self._is_coloured, footnotes=footnotes)

    def _closed_sources(self) -> list[str]:
        """Take up the lines that came, and return the sources of the blocks that they closed."""
        complete = self._take_complete_lines()
        sources: list[str] = []
        while complete:
            end = complete.find("\n", max(WINDOW, len(self._open))) + 1 or len(complete)
            self._open += complete[:end]
            complete = complete[end:]
            self.parsed += len(self._open)
            closed, self._open = split_blocks(self._open)
            sources += closed
        if self._closed and self._open:
            sources.append(self._open)
            self._open = ""
        return sources

    def _take_complete_lines(self) -> str:
        if self._closed and self._partial and not self._partial.endswith("\n"):
            self._partial += "\n"
        lines, end, self._partial = self._partial.rpartition("\n")
        return _with_plain_ends(lines + end)


def _with_plain_ends(text: str) -> str:
    # Only once the next character is there is a CR known to stand alone.
    return _LINE_END.sub("\n", text) if "\r" in text else text


def render_blocks(text: str, *, name: str = "", is_coloured: bool = True) -> list[str]:
    """Render a finished text, one piece of safe HTML per top-level block. ``name`` as ``MarkdownStream``.

    Colour for code takes more time than all else: who does not show it can leave it out.
    """
    stream = MarkdownStream(name=name, is_coloured=is_coloured)
    stream.append(text)
    stream.close()
    return stream.blocks


def render(text: str) -> SafeString:
    """Render a finished text as one piece of safe HTML."""
    return mark_safe("".join(render_blocks(text)))  # noqa: S308 - every block is safe
