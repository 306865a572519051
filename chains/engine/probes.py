"""Single tests of a text: each says whether it holds, and shows the passage that decided.

A probe never raises: what cannot be tested, such as text that is not JSON, does not hold.
"""

from __future__ import annotations

import bisect
import itertools
import json
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal

import re2  # type: ignore[import-untyped]

EXCERPT_LENGTH = 300

Finding = tuple[bool, str]
Probe = Callable[[str], Finding]
Scalar = str | int | float | bool | None

ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class ProbeError(ValueError):
    """A test that cannot be made; the message says why."""


def text_probe(name: str, needle: str) -> Probe:
    """Make a test of ``contains``, ``starts_with`` or ``ends_with``, which ignore case."""

    def probe(text: str) -> Finding:
        span = text_span(name, needle, text)
        if span is None:
            return False, excerpt(text, len(text) if name == "ends_with" else 0)
        return True, excerpt(text, *span)

    return probe


def text_span(name: str, needle: str, text: str) -> tuple[int, int] | None:
    """Return where a text test finds what it looks for, in code points."""
    needle, folded = needle.casefold(), text.casefold()
    at = _find(name, needle, folded)
    return None if at < 0 else (_unfold(text, folded, at), _unfold(text, folded, at + len(needle)))


def _find(name: str, needle: str, text: str) -> int:
    if name == "contains":
        return text.find(needle)
    if name == "starts_with":
        return 0 if text.startswith(needle) else -1
    return len(text) - len(needle) if text.endswith(needle) else -1


def _unfold(text: str, folded: str, at: int) -> int:
    """Find the code point of ``text`` that stands at ``at`` in its casefolded form: ß is two there."""
    if len(folded) == len(text):
        return at
    return bisect.bisect_right(list(itertools.accumulate(len(char.casefold()) for char in text)), at)


def pattern_probe(pattern: str) -> Probe:
    """Make a test that searches with RE2, case-sensitive. Raises ``ProbeError``."""
    compiled = _compiled(pattern)

    def probe(text: str) -> Finding:
        found = compiled.search(_encodable(text))
        return found is not None, excerpt(text, *(found.span() if found else ()))

    return probe


def pattern_span(pattern: str, text: str) -> tuple[int, int] | None:
    """Return where a pattern is found, in code points. Raises ``ProbeError``."""
    found = _compiled(pattern).search(_encodable(text))
    return found.span() if found else None


def _compiled(pattern: str) -> Any:
    # RE2, because a backtracking engine can be held for hours by a pattern that a user wrote.
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeError) as error:
        raise ProbeError(f"the pattern is not valid: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    reason = "it holds a broken character" if isinstance(error, UnicodeError) else error.args[0]
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def count_probe(name: str, comparison: str, wanted: float) -> Probe:
    """Make a test of ``length`` in code points or of ``words`` between white space."""
    compare = ORDERS[comparison]

    def probe(text: str) -> Finding:
        count = len(text) if name == "length" else len(text.split())
        return compare(count, wanted), excerpt(text)

    return probe


def empty_probe(text: str) -> Finding:
    """Test whether a text holds nothing but white space."""
    return not text.strip(), excerpt(text)


def json_probe(path: str, comparison: str, wanted: Scalar) -> Probe:
    """Make a test of the value at a path such as ``a.b[0]``. Raises ``ProbeError``.

    The excerpt is that value, or the text where there is none to show.
    """
    steps = _steps(path)

    def probe(text: str) -> Finding:
        found = _lookup(_document(text), steps)
        if isinstance(found, dict | list) or found is _MISSING:
            return comparison == "!=" and found is not _MISSING, excerpt(text)
        return _compare(found, comparison, wanted), excerpt(json.dumps(found, ensure_ascii=False))

    return probe


_MISSING = object()
_PATH = re.compile(r"(?:[^.\[\]]+|\[[0-9]+\])(?:\.[^.\[\]]+|\[[0-9]+\])*")
_STEP = re.compile(r"[^.\[\]]+|\[[0-9]+\]")


def _steps(path: str) -> list[str]:
    if not _PATH.fullmatch(path):
        raise ProbeError('the path cannot be read: write it like "a.b[0]"')
    return _STEP.findall(path)


def _document(text: str) -> object:
    for candidate in (text, *_only(_fenced_blocks(text))):
        try:
            return json.loads(candidate, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            continue
    return _MISSING


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _only(blocks: Iterator[str]) -> list[str]:
    first_two = list(itertools.islice(blocks, 2))
    return first_two if len(first_two) == 1 else []


def _fenced_blocks(text: str) -> Iterator[str]:
    block: list[str] | None = None
    for line in text.split("\n"):
        if line.lstrip().startswith("```"):
            if block is not None:
                yield "\n".join(block)
            block = [] if block is None else None
        elif block is not None:
            block.append(line)


def _lookup(document: object, steps: list[str]) -> object:
    for step in steps:
        if isinstance(document, list) and step.startswith("[") and int(step[1:-1]) < len(document):
            document = document[int(step[1:-1])]
        elif isinstance(document, dict) and step in document:
            document = document[step]
        else:
            return _MISSING
    return document


def _compare(found: object, comparison: str, wanted: Scalar) -> bool:
    if _kind(found) == _kind(wanted):
        return ORDERS[comparison](found, wanted)
    return comparison == "!="


def _kind(value: object) -> Literal["flag", "number", "text", "nothing"]:
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "nothing"


def excerpt(text: str, start: int = 0, end: int | None = None) -> str:
    """Cut about 300 code points around ``text[start:end]``, with an ellipsis where text was left out."""
    margin = max(0, EXCERPT_LENGTH - ((end or start) - start)) // 2
    first = max(0, min(start - margin, len(text) - EXCERPT_LENGTH))
    last = first + EXCERPT_LENGTH
    return _encodable(("…" if first else "") + text[first:last] + ("…" if last < len(text) else ""))


def _encodable(text: str) -> str:
    """Replace lone surrogates, which neither RE2 nor a database takes, one for one."""
    return text.encode(errors="replace").decode()
