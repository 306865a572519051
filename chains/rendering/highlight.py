"""Colour for code: token classes only, the colours are in ``static/css/markdown.css``."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, cast

from django.utils.html import escape

if TYPE_CHECKING:
    from pygments.lexer import Lexer

# Characters. Colouring holds the process for about 4 ms per 1,000 of them; beyond this, code stays plain.
MAX_CODE = 50_000


def highlight(code: str, language: str) -> str:
    """Return code as HTML with token classes; escaped and plain for an unknown language or very long code."""
    lexer = _lexer_class(language.lower()) if language and len(code) <= MAX_CODE else None
    if lexer is None:
        return escape(code)
    import pygments
    from pygments.formatters.html import HtmlFormatter

    # The lexer is made anew: some keep state between runs, and this may be called from several threads.
    return cast(str, pygments.highlight(code, lexer(stripnl=False), HtmlFormatter(nowrap=True)))


@lru_cache(maxsize=128)
def _lexer_class(language: str) -> type[Lexer] | None:
    """Find a lexer by its name. Pygments is imported when the first code block closes, not before."""
    from pygments.lexers import find_lexer_class_by_name
    from pygments.util import ClassNotFound

    try:
        return find_lexer_class_by_name(language)
    except ClassNotFound:
        return None
