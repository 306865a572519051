"""Files that a message carries, as agents get them: texts inside ``{{input}}``, pictures beside it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_BACKTICKS = re.compile("`+")
_WORD = re.compile("[A-Za-z0-9+#-]{1,12}")
SHORTEST_FENCE = 3


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text that was attached to a message."""

    name: str
    text: str


def with_files(message: str, files: Iterable[TextFile]) -> str:
    """Write the files behind a message: each with its name, in a fence that no fence inside it can close."""
    return "\n\n".join([message, *(_fenced(file) for file in files)])


def with_mentions(message: str, pictures: Iterable[str]) -> str:
    """Say behind a message which pictures it came with, for whoever is not shown them."""
    return "\n\n".join([message, *(f"(an image was attached: {name})" for name in pictures)])


def _fenced(file: TextFile) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(file.text)), default=0)
    fence = "`" * max(SHORTEST_FENCE, longest + 1)
    _, _, ending = file.name.rpartition(".")
    language = ending.lower() if _WORD.fullmatch(ending) and ending != file.name else ""
    text = file.text if file.text.endswith("\n") else f"{file.text}\n"
    return f"File: {file.name}\n\n{fence}{language}\n{text}{fence}"
