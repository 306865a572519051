"""What a person reads of an answer: its text without the marks, a section at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from chains.rendering.markdown import render_blocks

# Stands where a block ends; no answer has it in its text. static/js/readable.js reads the page alike.
BREAK = "\0"

_LINE_END = re.compile(r"\r\n?")
# A line that opens or closes a fence, or the place where a line without indent follows a blank one.
_PLACE = re.compile(
    r"^(?P<inner>[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*)"
    r"(?P<fence>(?P<sign>[`~])(?P=sign){2,})(?P<info>[^\n]*)$"
    r"|\n[ \t]*\n(?=\S)",
    re.MULTILINE,
)
_OUTER_LINE = re.compile(r"^\S", re.MULTILINE)
_UNREAD = re.compile(r"<(button|sup)\b.*?</\1>", re.DOTALL)
_TAG = re.compile(r'</?([a-z][a-z0-9]*)(?:[^>"]|"[^"]*")*>')
_BLOCK_TAGS = "p hr h1 h2 h3 h4 h5 h6 ul ol li blockquote pre div table thead tbody tr th td"
_BLOCKS = frozenset(_BLOCK_TAGS.split())


def sections(text: str) -> Iterator[str]:
    """Cut an answer, without parsing it, where whatever stands before can change nothing of what follows.

    Only an open fence reaches beyond a line without indent that follows a blank one.
    """
    text = _LINE_END.sub("\n", text) if "\r" in text else text
    start, seen, fence = 0, 0, None
    for place in _PLACE.finditer(text):
        if fence and _may_be_outside(text, seen, place, fence):
            break
        seen = place.end()
        if place["fence"] is None and fence is None:
            yield text[start : place.end()]
            start = place.end()
        elif place["fence"] and fence is None:
            fence = place if _opens(place) else None
        elif place["fence"] and fence and _closes(place, fence):
            fence = None
    yield text[start:]


def plain(source: str) -> str:
    """Return the text that is shown for whole blocks of Markdown, with a ``BREAK`` around each block."""
    html = _UNREAD.sub("", "".join(render_blocks(source, is_coloured=False)))
    return unescape(_TAG.sub(lambda tag: BREAK if tag[1] in _BLOCKS else "", html))


def _may_be_outside(text: str, seen: int, place: re.Match[str], fence: re.Match[str]) -> bool:
    """Say whether a list that holds the fence may have ended since what was seen, and the fence with it."""
    if not fence["inner"]:
        return False
    is_beside = place["fence"] is not None and _indent(place) != _indent(fence)
    return is_beside or bool(_OUTER_LINE.search(text, seen, place.end() + 1))


def _opens(place: re.Match[str]) -> bool:
    return place["sign"] == "~" or "`" not in place["info"]


def _closes(place: re.Match[str], fence: re.Match[str]) -> bool:
    is_alone = not place["inner"].strip() and (fence["inner"] or _indent(place) <= 3)
    return is_alone and place["fence"].startswith(fence["fence"]) and not place["info"].strip()


def _indent(place: re.Match[str]) -> int:
    return len(place["inner"].expandtabs(4))
