"""The Markdown that answers are read with: CommonMark without HTML, with tables, tasks, footnotes and math.

Every block rule here decides by the lines up to where its block ends, never by a line further down. That
is what lets a block be frozen while the answer still grows. Three things differ from the usual for that:

- A link reference definition (``[1]: https://…``) stays visible as text and defines nothing, because
  it would change links in blocks that are frozen already.
- A footnote stands where it was written, and ``[^1]`` is a mark whether or not its note ever comes.
- Display math opens at ``$$`` or ``\\[`` at the start of a line, and ends at its closing mark or at a
  blank line.
"""

from __future__ import annotations

import re
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

# Blocks nested deeper than this are not parsed on; see output.py for what is shown then.
MAX_NESTING = 60

# Characters between the two marks of an inline formula: bounds the search for the second mark.
MAX_INLINE_MATH = 1_000

_SAFE_ADDRESS = re.compile(r"(?:https?://|mailto:)[^\s]", re.IGNORECASE)
# Where an inline rule of ours may begin, or a link's label end. By default the parser stops at whatever some
# plugin might want, such as each hyphen, and asks all rules in vain.
# All begin with the same set, so that the search passes over letters by it alone.
_MAY_BEGIN = re.compile(
    r"[\n$&*<\[\\\]`~!:_]"
    r"(?:(?<=[\n$&*<\[\\\]`~])|(?<=!)(?=\[)|(?<=:)(?=//)|(?<=_)(?:(?<![A-Za-z0-9]_)|(?![A-Za-z0-9])))"
)
_DISPLAY_MARKS = {"$$": "$$", "\\[": "\\]"}
_INLINE_MARKS = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}
_DOLLAR_MATH = re.compile(rf"\$(?=[^\s$])((?:\\.|[^\\$\n]){{1,{MAX_INLINE_MATH}}})(?<!\s)\$(?![\d$])")
FOOTNOTE_LABEL = re.compile(r"\d{1,4}|[A-Za-z]\w{2,30}")
_FOOTNOTE_MARK = re.compile(rf"\[\^({FOOTNOTE_LABEL.pattern})\]")
_SCHEME = re.compile(r"(?<![A-Za-z0-9+.-])https?$", re.IGNORECASE)
_ADDRESS_REST = re.compile(r"://[^\s<>\"`|\\^{}。，、；：！？）」』】]{1,2000}")
_TRAILING_PUNCTUATION = ".,:;!?'*_~"


class Parser(MarkdownIt):
    """A Markdown parser that refuses every link address but web and mail ones."""

    def validateLink(self, url: str) -> bool:
        """Say whether an address may become a link; one that may not stays text."""
        return bool(_SAFE_ADDRESS.match(url.strip()))


@cache
def parser() -> Parser:
    """Return the process's parser. It keeps nothing between calls."""
    # The plugins are imported on first use: a process that renders nothing does not pay for them.
    from mdit_py_plugins.footnote import footnote_plugin

    md = Parser("commonmark", {"html": False, "breaks": True, "tasklists": True, "maxNesting": MAX_NESTING})
    md.enable(["table", "strikethrough"]).disable(["reference", "html_block", "html_inline"])
    footnote_plugin(md, inline=False, move_to_end=False)
    md.disable("footnote_ref")
    interrupts = ["paragraph", "reference", "blockquote", "list"]
    md.block.ruler.before("fence", "display_math", _display_math, {"alt": interrupts})
    md.inline.ruler.before("escape", "inline_math", _inline_math)
    md.inline.ruler.before("link", "footnote_mark", _footnote_mark)
    md.inline.ruler.before("newline", "bare_address", _bare_address)
    md.inline.terminator_re = _MAY_BEGIN
    return md


def block_tokens(text: str) -> list[Token]:
    """Parse only the block structure of a text."""
    tokens: list[Token] = []
    md = parser()
    md.block.parse(text, md, {}, tokens)
    return tokens


def _display_math(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read a display formula, from its opening mark to its closing mark or the next blank line."""
    if state.is_code_block(start):
        return False
    first = _line(state, start)
    closing = _DISPLAY_MARKS.get(first[:2])
    body = first[2:]
    if closing is None or not _may_open(body, closing):
        return False
    if silent:
        return True
    tail = re.compile(re.escape(closing) + r"([.,;:]?)$")
    lines, line = [body], start
    while not tail.search(lines[-1]) and line + 1 < end and _continues(state, line + 1):
        line += 1
        lines.append(_line(state, line))
    tex, closed = tail.subn(r"\1", "\n".join(lines))
    token = state.push("math_block" if closed else "math_unclosed", "", 0)
    token.block = True
    token.map = [start, line + 1]
    token.content = tex if closed else first[:2] + tex
    state.line = line + 1
    return True


def _may_open(body: str, closing: str) -> bool:
    """Tell a formula from prose by its first line alone: ``$$x$$ is`` and ``$$50`` are prose."""
    marked, found, after = body.partition(closing)
    if found:
        return bool(marked.strip()) and after in ("", ".", ",", ";", ":")
    return not (closing == "$$" and body[:1].isdigit())


def _continues(state: StateBlock, line: int) -> bool:
    return not state.isEmpty(line) and state.sCount[line] >= state.blkIndent


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()


def _inline_math(state: StateInline, silent: bool) -> bool:
    """Read ``$x$``, ``$$x$$``, ``\\(x\\)`` or ``\\[x\\]`` inside a line of text; prices stay text."""
    start = state.pos
    found = _marked_math(state.src, start, state.posMax) or _dollar_math(state.src, start, state.posMax)
    if found is None:
        return False
    tex, end, kind = found
    if not silent:
        state.push(kind, "", 0).content = tex
    state.pos = end
    return True


def _marked_math(src: str, start: int, limit: int) -> tuple[str, int, str] | None:
    opening = src[start : start + 2]
    closing = _INLINE_MARKS.get(opening)
    if closing is None:
        return None
    end = src.find(closing, start + 2, min(limit, start + 2 + MAX_INLINE_MATH))
    tex = src[start + 2 : end]
    if end < 0 or not tex.strip():
        return None
    return tex, end + 2, "math_inline" if opening == "\\(" else "math_display"


def _dollar_math(src: str, start: int, limit: int) -> tuple[str, int, str] | None:
    if src[start] != "$" or src[start - 1 : start].isalnum():
        return None
    match = _DOLLAR_MATH.match(src, start, limit)
    return (match[1], match.end(), "math_inline") if match else None


def _footnote_mark(state: StateInline, silent: bool) -> bool:
    """Read ``[^1]`` as the mark of a footnote."""
    match = _FOOTNOTE_MARK.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        state.push("footnote_mark", "", 0).content = match[1]
    state.pos = match.end()
    return True


def _bare_address(state: StateInline, silent: bool) -> bool:
    """Make a link of ``https://…`` in plain text. Stands at the colon, with the scheme behind it."""
    if state.src[state.pos] != ":" or state.linkLevel or silent:
        return False
    scheme = _SCHEME.search(state.pending[-6:])
    match = _ADDRESS_REST.match(state.src, state.pos, state.posMax)
    if scheme is None or match is None:
        return False
    rest = _without_trailing_punctuation(match[0])
    href = state.md.normalizeLink(scheme[0] + rest)
    if not state.md.validateLink(href):
        return False
    state.pending = state.pending[: -len(scheme[0])]
    state.push("link_open", "a", 1).attrs = {"href": href}
    state.push("text", "", 0).content = scheme[0] + rest
    state.push("link_close", "a", -1)
    state.pos += len(rest)
    return True


def _without_trailing_punctuation(address: str) -> str:
    """Leave out what ends the sentence and not the address; brackets belong to it only in pairs."""
    while True:
        shorter = address.rstrip(_TRAILING_PUNCTUATION)
        for opening, closing in ("()", "[]"):
            if shorter.endswith(closing) and shorter.count(closing) > shorter.count(opening):
                shorter = shorter[:-1]
        if shorter == address:
            return address
        address = shorter
