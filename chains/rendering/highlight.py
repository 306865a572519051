"""Colour for code: token classes only, the colours are in ``static/css/markdown.css``."""

from __future__ import annotations

import time
from functools import lru_cache
from io import StringIO
from typing import TYPE_CHECKING

from django.utils.html import escape

if TYPE_CHECKING:
    from pygments.lexer import Lexer

# Characters. Colouring holds the process for about 3 ms per 1,000 of them; beyond this, code stays plain.
MAX_CODE = 50_000

# Seconds of CPU. Some lexers need time in the square of hostile code: 20 s for 50,000 characters.
MAX_TIME = 0.5


def highlight(code: str, language: str) -> str:
    """Return code as HTML with token classes; plain for an unknown language or code that takes too long."""
    lexer = _lexer_class(language.lower()) if language and len(code) <= MAX_CODE else None
    coloured = _coloured(lexer, code) if lexer else None
    return escape(code) if coloured is None else coloured


def _coloured(lexer: type[Lexer], code: str) -> str | None:
    from pygments.formatters.html import HtmlFormatter

    deadline = time.thread_time() + MAX_TIME
    tokens = []
    # The lexer is made anew: some keep state between runs, and this may be called from several threads.
    for token in lexer(stripnl=False).get_tokens(code):
        tokens.append(token)
        if time.thread_time() > deadline:
            return None
    html = StringIO()
    HtmlFormatter(nowrap=True).format(tokens, html)
    return html.getvalue()


@lru_cache(maxsize=128)
def _lexer_class(language: str) -> type[Lexer] | None:
    """Find a lexer by its name. Pygments is imported when the first code block closes, not before."""
    from pygments.lexers import find_lexer_class_by_name
    from pygments.util import ClassNotFound

    try:
        found: type[Lexer] = find_lexer_class_by_name(language)
    except ClassNotFound:
        return None
    return found
