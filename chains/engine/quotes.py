"""Passages of answers inside a message: a Markdown quote that says whose words they are. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

_AUTHOR = re.compile(r"\*\*(.+)\*\* wrote:")


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of an agent."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a message: the user's own words, or a quote, of somebody if ``name`` is set."""

    text: str
    is_quote: bool = False
    name: str = ""


def with_quotes(message: str, quotes: Iterable[Quote]) -> str:
    """Write the quotes before a message."""
    return "\n\n".join([*(_quoted(quote) for quote in quotes), message])


def passages(message: str) -> Iterator[Passage]:
    """Take a message apart again, into quotes and what stands around them."""
    for is_quote, lines in groupby(message.split("\n"), key=lambda line: line.startswith(">")):
        text = "\n".join(lines)
        part = _read_quote(text) if is_quote else Passage(text.strip("\n"))
        if part.text.strip():
            yield part


def own_words(message: str) -> str:
    """Return a message without what it quotes; all of it, if it quotes only."""
    own = "\n".join(part.text for part in passages(message) if not part.is_quote)
    return own if own.strip() else message


def _quoted(quote: Quote) -> str:
    lines = [f"**{quote.name}** wrote:", "", *quote.text.strip("\n").split("\n")]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _read_quote(quoted: str) -> Passage:
    said = [line.removeprefix(">").removeprefix(" ") for line in quoted.split("\n")]
    found = _AUTHOR.fullmatch(said[0])
    text = "\n".join(said[1:] if found else said).strip("\n")
    return Passage(text, is_quote=True, name=found[1] if found else "")
