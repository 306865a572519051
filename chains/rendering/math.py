"""TeX to MathML. The result is sanitised: TeX from a model may hold links, styles, scripts or macro bombs."""

from __future__ import annotations

import logging
import re
from functools import lru_cache

import nh3
from django.utils.html import escape

logger = logging.getLogger("chains.rendering")

# Characters. No formula is this long, but noise may be, and latex2mathml reads about 50 of them per ms.
MAX_TEX = 4_000

# Definitions are expanded by latex2mathml without a bound on the size of the result.
_MACRO = re.compile(r"\\(?:[egx]?def|let|newcommand|renewcommand|providecommand|newenvironment)(?![A-Za-z])")

# Environments that latex2mathml does not know, by the one it knows that looks the same.
_ENVIRONMENT = re.compile(r"\\(begin|end)\{(aligned|align|gathered|gather\*?|equation\*?)\}")
_KNOWN_ENVIRONMENTS = {"aligned": "align*", "align": "align*", "gathered": "matrix", "gather": "matrix"}

_PRESENTATION = {"mathcolor", "mathvariant", "displaystyle", "scriptlevel"}
_STRETCH = {"stretchy", "fence", "form", "separator", "movablelimits", "minsize", "maxsize"}
# No height and depth: a formula must not push the rest of the answer out of sight.
_SPACE = {"width", "linebreak"}
_TABLE = {"columnalign", "rowspacing", "columnspacing", "columnlines", "rowlines", "frame", "displaystyle"}
_ATTRIBUTES = {
    "math": {"display"},
    "mi": _PRESENTATION,
    "mn": _PRESENTATION,
    "mo": _PRESENTATION | _STRETCH,
    "mtext": _PRESENTATION,
    "mstyle": _PRESENTATION,
    "mspace": _SPACE,
    "mpadded": _SPACE,
    "mfrac": {"linethickness"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "menclose": {"notation"},
    "mtable": _TABLE,
    "mtr": {"columnalign"},
    "mtd": {"columnalign"},
}
_BARE_TAGS = {"mrow", "msub", "msup", "msubsup", "munderover", "msqrt", "mroot", "mphantom", "mmultiscripts"}
_cleaner = nh3.Cleaner(tags=set(_ATTRIBUTES) | _BARE_TAGS, attributes=_ATTRIBUTES, link_rel=None)


@lru_cache(maxsize=512)
def to_mathml(tex: str, display: bool) -> str:
    """Render TeX as sanitised MathML, or as its escaped source where it cannot be read. Never raises."""
    if len(tex) > MAX_TEX or _MACRO.search(tex):
        return _source(tex)
    try:
        return _cleaner.clean(_convert(tex, display)) or _source(tex)
    except Exception as error:  # latex2mathml raises a dozen unrelated classes on half-written TeX
        logger.debug("TeX is shown as source: %s", type(error).__name__)
        return _source(tex)


def _convert(tex: str, display: bool) -> str:
    # Imported here because most answers hold no formula, and the tables of symbols cost memory.
    from latex2mathml.converter import convert

    return convert(_ENVIRONMENT.sub(_rename, tex), display="block" if display else "inline")


def _rename(match: re.Match[str]) -> str:
    known = _KNOWN_ENVIRONMENTS.get(match[2].rstrip("*"))
    return f"\\{match[1]}{{{known}}}" if known else ""


def _source(tex: str) -> str:
    return f'<code class="math-source">{escape(tex)}</code>'
