"""One block of Markdown source to one piece of safe HTML.

A model's text is hostile until proven otherwise. The parser knows no HTML, and nh3 checks what the parser
made. Two things are put in after that check, both safe by themselves: code blocks (escaped here or by
Pygments) and formulas (checked against MathML's own list). Until then a numbered slot, an element
that no Markdown can produce, holds their place.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from chains.rendering.highlight import highlight
from chains.rendering.math import to_mathml
from chains.rendering.syntax import FOOTNOTE_LABEL, MAX_NESTING, Parser, parser

_PLAIN_TAGS = (
    "p br hr h1 h2 h3 h4 h5 h6 ul ol li blockquote strong em s code pre a table thead tbody tr th td"
    " div span sup input"
)
_ALIGNED = {"align-left", "align-center", "align-right"}
_cleaner = nh3.Cleaner(
    tags=set(_PLAIN_TAGS.split()),
    attributes={
        "a": {"href", "title"},
        "ol": {"start"},
        "input": {"checked", "disabled"},
        "div": {"data-slot"},
        "span": {"data-slot"},
    },
    tag_attribute_values={
        "input": {"type": {"checkbox"}, "aria-label": {"done", "not done"}},
        "div": {"tabindex": {"0"}},
    }
    | {f"h{level}": {"aria-level": {"4", "5", "6"}} for level in range(1, 7)},
    set_tag_attribute_values={"a": {"target": "_blank"}},
    allowed_classes={
        "ul": {"contains-task-list"},
        "ol": {"contains-task-list"},
        "li": {"task-list-item"},
        "input": {"task-list-item-checkbox"},
        "div": {"table", "footnote"},
        "span": {"image"},
        "sup": {"footnote-mark", "footnote-label"},
        "p": {"source"},
        "th": _ALIGNED,
        "td": _ALIGNED,
    },
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
)
# A paragraph of one line that begins with a letter and has no mark of Markdown or HTML in it is what it says:
# the parser and the check would leave it as it is.
_PROSE = re.compile(r"[A-Za-zÀ-ÖØ-öø-ɏ][A-Za-z0-9 ,.;:?!()'\"%\-À-ÖØ-öø-ɏ‐-‧]*\n?")
_SLOT = re.compile(r'<(div|span) data-slot="(\d+)"></\1>')
_MAX_LANGUAGE = 40
# An answer stands under the heading of its agent's column, which is one of the third level.
_OUTER_LEVEL, _MAX_LEVEL = 3, 6
# What may be wider than its column scrolls by itself, and with the keys once it has the focus.
_SCROLLS = 'tabindex="0"'

Tokens = Sequence[Token]
Env = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Footnotes:
    """The footnotes of one answer, linked both ways: the answer's ``name`` keeps two columns apart.

    Blocks are rendered one by one and only once, so it remembers which places have their id already.
    """

    name: str = ""
    _taken: set[str] = field(default_factory=set)

    def copy(self) -> Footnotes:
        """Return one for a block that is going to be rendered again."""
        return replace(self, _taken=set(self._taken))

    def link(self, label: str, *, here: str, there: str, words: str) -> str:
        """Write a label that leads ``there`` and, the first time, can be led to as ``here``; safe HTML."""
        if not self.name or not FOOTNOTE_LABEL.fullmatch(label):
            return escape(label)
        place = f"{self.name}-{here}-{label}"
        name = "" if place in self._taken else f' id="{place}"'
        self._taken.add(place)
        return f'<a href="#{self.name}-{there}-{label}"{name} aria-label="{words} {label}">{label}</a>'


def render_block(source: str, *, closed: bool = True, footnotes: Footnotes | None = None) -> SafeString:
    """Render Markdown to safe HTML. Code is coloured only when it is closed, since it is done once then."""
    if _PROSE.fullmatch(source):
        return _safe(f"<p>{source.strip()}</p>\n")
    md = parser()
    env: Env = {"slots": [], "closed": closed, "notes": footnotes or Footnotes()}
    tokens = md.parse(source, env)
    if any(token.level >= MAX_NESTING - 1 for token in tokens):
        # The parser drops what is nested deeper; the source loses nothing.
        return _safe(f'<pre class="source">{escape(source)}</pre>\n')
    html = _cleaner.clean(_renderer(md).render(tokens, md.options, env))
    slots: list[str] = env["slots"]
    return _safe(_SLOT.sub(lambda match: slots[int(match[2])], html))


def _safe(html: str) -> SafeString:
    return mark_safe(html)  # noqa: S308 - everything that comes here was escaped or passed nh3


@cache
def _renderer(md: Parser) -> AnswerRenderer:
    return AnswerRenderer(md)


def _fill_slot(env: Env, html: str, tag: str) -> str:
    """Keep trusted HTML for after the check, and return the element that holds its place."""
    slots: list[str] = env["slots"]
    slots.append(html)
    return f'<{tag} data-slot="{len(slots) - 1}"></{tag}>'


def _code_block(code: str, info: str, closed: bool) -> str:
    language = (info.split() or [""])[0][:_MAX_LANGUAGE]
    coloured = highlight(code, language) if closed else escape(code)
    return (
        f'<div class="code"><div class="code-head"><span class="code-lang">{escape(language)}</span>'
        '<button type="button" class="code-tool" data-wrap-code aria-pressed="false">Wrap</button>'
        '<button type="button" class="code-tool" data-copy-code>Copy</button></div>'
        f'<pre {_SCROLLS}><code class="highlight">{coloured}</code></pre></div>\n'
    )


class AnswerRenderer(RendererHTML):
    """Write tokens as HTML: no image is loaded, code and formulas go through slots.

    Each method is the render rule for the token type of its name.
    """

    def heading_open(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Open a heading, which is one level of the answer and another one of the page."""
        tag = tokens[idx].tag
        return f'<{tag} aria-level="{min(int(tag[1]) + _OUTER_LEVEL, _MAX_LEVEL)}">'

    def fence(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Write a fenced code block."""
        token = tokens[idx]
        return _fill_slot(env, _code_block(token.content, token.info, env["closed"]), "div")

    def code_block(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Write an indented code block."""
        return _fill_slot(env, _code_block(tokens[idx].content, "", env["closed"]), "div")

    def image(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Write an image as its description and address.

        To load it would tell its server whatever a model has put into the address.
        """
        token = tokens[idx]
        description = self.renderInlineAsText(token.children, options, env).strip()
        address = escape(str(token.attrs.get("src", "")))
        shown = f"{escape(description)} ({address})" if description else address
        return f'<span class="image">{shown}</span>'

    def list_item_open(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Open an item. The box of a task says how it stands, as its tick does."""
        html = super().list_item_open(tokens, idx, options, env)
        words = "done" if tokens[idx].meta.get("checked") else "not done"
        return html.replace("<input ", f'<input aria-label="{words}" ', 1)

    def table_open(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Open a table inside a box that scrolls sideways."""
        return f'<div class="table" {_SCROLLS}><table>\n'

    def table_close(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Close a table and its box."""
        return "</table></div>\n"

    def th_open(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Open a heading cell."""
        return _open_cell(tokens[idx])

    def td_open(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Open a cell."""
        return _open_cell(tokens[idx])

    def math_inline(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Write a formula inside a line."""
        return _fill_slot(env, to_mathml(tokens[idx].content.strip(), False), "span")

    def math_display(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Write a display formula that stands inside a paragraph."""
        return _fill_slot(env, to_mathml(tokens[idx].content.strip(), True), "span")

    def math_block(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Write a display formula of its own."""
        html = to_mathml(tokens[idx].content.strip(), True)
        return _fill_slot(env, f'<div class="math" {_SCROLLS}>{html}</div>\n', "div")

    def math_unclosed(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Write a formula whose end is missing as its source."""
        return f'<p class="source">{escape(tokens[idx].content)}</p>\n'

    def footnote_mark(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Write the mark of a footnote, which leads to the note."""
        footnotes: Footnotes = env["notes"]
        # No link is around it: Markdown's links hold no brackets.
        label = footnotes.link(tokens[idx].content, here="mark", there="note", words="Footnote")
        return _fill_slot(env, f'<sup class="footnote-mark">{label}</sup>', "span")

    def footnote_reference_open(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Open a footnote, where it was written; its label leads back to its mark."""
        footnotes: Footnotes = env["notes"]
        label = footnotes.link(
            str(tokens[idx].meta["label"]), here="note", there="mark", words="Back to the mark of footnote"
        )
        return '<div class="footnote">' + _fill_slot(
            env, f'<sup class="footnote-label">{label}</sup>', "span"
        )

    def footnote_reference_close(self, tokens: Tokens, idx: int, options: Any, env: Env) -> str:
        """Close a footnote."""
        return "</div>\n"


def _open_cell(token: Token) -> str:
    # The parser aligns by a style attribute, which neither nh3 nor the page's security policy lets through.
    align = str(token.attrs.get("style", "")).removeprefix("text-align:")
    return f'<{token.tag} class="align-{align}">' if align else f"<{token.tag}>"
