"""What an answer's Markdown looks like."""

from __future__ import annotations

import re

import pytest
from django.template import Context, Template

from chains.rendering.markdown import render, render_blocks


def text_of(html: str) -> str:
    return re.sub(r"<[^>]*>", "", html)


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("# Title", '<h1 aria-level="4">Title</h1>'),
        ("Under\n=====", '<h1 aria-level="4">Under</h1>'),
        ("#### Deep", '<h4 aria-level="6">Deep</h4>'),
        ("**bold** and *soft*", "<strong>bold</strong> and <em>soft</em>"),
        ("~~gone~~", "<s>gone</s>"),
        ("one\ntwo", "one<br>\ntwo"),
        ("> quoted", "<blockquote>\n<p>quoted</p>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("- a\n\n- b", "<li>\n<p>a</p>\n</li>"),
        ("3. a\n4. b", '<ol start="3">'),
        ("---", "<hr>"),
        ("`a < b`", "<code>a &lt; b</code>"),
    ],
)
def test_common_markdown_is_rendered(source: str, html: str):
    assert html in render(source)


def test_a_table_scrolls_in_its_own_box_and_keeps_its_alignment():
    html = render("| a | b |\n|:--|--:|\n| 1 | `2` |")
    assert html.startswith('<div class="table" tabindex="0"><table>')
    assert '<th class="align-left">a</th>' in html
    assert '<td class="align-right"><code>2</code></td>' in html


def test_a_task_list_shows_boxes_that_cannot_be_ticked():
    html = render("- [ ] open\n- [x] done")
    assert html.count('type="checkbox"') == html.count('disabled=""') == 2
    assert html.count('checked=""') == 1
    assert html.count('aria-label="not done"') == html.count('aria-label="done"') == 1


def test_a_code_block_names_its_language_and_has_buttons_to_wrap_and_to_copy():
    html = render("```python title=x\nx = 1\n```")
    assert '<span class="code-lang">python</span>' in html
    assert '<button type="button" class="code-tool" data-copy-code>Copy</button>' in html
    assert '<button type="button" class="code-tool" data-wrap-code aria-pressed="false">Wrap</button>' in html
    assert '<span class="n">x</span>' in html


def test_a_code_block_inside_a_list_item_is_a_code_block():
    assert '<pre tabindex="0"><code class="highlight">' in render("1. step\n   ```sh\n   ls\n   ```")


def test_a_fence_that_never_ends_is_code_to_the_end():
    assert text_of(render("```\na\n\n# b")) == "WrapCopya\n\n# b\n\n"


def test_a_footnote_stands_where_it_was_written():
    html = render("Said so.[^1]\n\n[^1]: By *whom*.\n\nNext.")
    assert '<sup class="footnote-mark">1</sup>' in html
    assert re.search(r'class="footnote-label">1</sup><p>By <em>whom</em>\.</p>\n</div>\n<p>Next', html)


def test_footnotes_in_a_row_stay_apart():
    assert render("[^1]: a\n[^2]: b").count('<div class="footnote">') == 2


ANSWER = (
    "Said[^1], and again[^1].\n\n[^1]: By *whom*.\n\n[^1]: By others.\n\nAnd[^abc] [x[^1]](https://a.example)"
)


def test_a_footnote_and_its_mark_lead_to_each_other():
    html = "".join(render_blocks(ANSWER, name="s7"))
    assert (
        '<sup class="footnote-mark"><a href="#s7-note-1" id="s7-mark-1" aria-label="Footnote 1">1</a>' in html
    )
    assert (
        '<sup class="footnote-label"><a href="#s7-mark-1" id="s7-note-1" '
        'aria-label="Back to the mark of footnote 1">1</a></sup><p>By <em>whom</em>.</p>'
    ) in html


def test_no_id_is_there_twice_in_an_answer_and_none_in_two():
    ids = [
        name
        for answer in ("s7", "s8")
        for name in re.findall(r' id="([^"]*)"', "".join(render_blocks(ANSWER, name=answer)))
    ]
    assert ids == [f"s{step}-{place}" for step in (7, 8) for place in ("mark-1", "note-1", "mark-abc")]


def test_what_holds_a_mark_is_no_link_itself():
    html = "".join(render_blocks(ANSWER, name="s7"))
    assert re.search(r'\[x<sup class="footnote-mark"><a [^>]*>1</a></sup>\]', html)


def test_without_a_name_of_the_answer_footnotes_are_not_linked():
    assert 'href="#' not in render(ANSWER)


def test_a_regular_expression_is_not_a_footnote():
    assert "[^a-z]" in render("Use [^a-z] here.")


def test_a_reference_definition_stays_visible_and_its_address_is_a_link():
    html = render("See [the docs][1].\n\n[1]: https://docs.example/a")
    assert "[the docs][1]" in html
    assert '[1]: <a href="https://docs.example/a"' in html


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("see https://a.example/b_c_d.", "https://a.example/b_c_d"),
        ("(https://a.example/x_(y))", "https://a.example/x_(y)"),
        ("**https://a.example**", "https://a.example"),
        ("<https://a.example/?q=1>", "https://a.example/?q=1"),
        ("[text](http://a.example)", "http://a.example"),
        ("<me@a.example>", "mailto:me@a.example"),
    ],
)
def test_web_and_mail_addresses_become_links_that_open_apart(source: str, address: str):
    assert f'<a href="{address}" target="_blank" rel="noopener noreferrer nofollow">' in render(source)


@pytest.mark.parametrize("source", ["`https://a.example`", "xhttps://a.example", "https:// alone"])
def test_what_only_resembles_an_address_is_no_link(source: str):
    assert "<a" not in render(source)


@pytest.mark.parametrize("source", [r"$x^2$", r"\(x^2\)", "$$x^2$$ here", "- a $x^2$"])
def test_inline_math_is_mathml(source: str):
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in render(source)


@pytest.mark.parametrize(
    "source", ["$$\nx^2\n$$", "\\[\nx^2\n\\]", "$$x^2$$", "\\[ x^2 \\].", "text\n$$\nx^2\n$$"]
)
def test_display_math_has_a_box_of_its_own(source: str):
    assert '<div class="math" tabindex="0"><math display="block">' in render(source)


def test_a_line_of_math_that_looks_like_a_list_is_still_math():
    assert "<ul>" not in render("$$\na\n- b\n$$")


def test_math_that_never_ends_shows_its_source_and_ends_at_a_blank_line():
    html = render("$$\n\\frac{a}{b\n\n# After")
    assert '<p class="source">$$\n\\frac{a}{b</p>' in html
    assert ">After</h1>" in html


@pytest.mark.parametrize(
    "source", ["costs $5 and $10", "US$5 or 7$", "$5-$10", "a $ b $ c", r"\$x\$", "$$50 a day"]
)
def test_prices_are_not_math(source: str):
    html = render(source)
    assert "<math" not in html
    assert "math-source" not in html


def test_text_nested_too_deep_to_read_is_shown_as_its_source():
    source = "> " * 200 + "deep\n\nand after"
    assert text_of(render(source)).replace("&gt;", ">").strip() == source


def test_each_top_level_block_is_a_piece_of_its_own():
    assert [text_of(html).strip() for html in render_blocks("# a\nb\n\n- c\n- d\n\ne")] == [
        "a",
        "b",
        "c\nd",
        "e",
    ]


def test_nothing_renders_to_nothing():
    assert render("") == render(" \n\n\t") == ""


def test_the_template_filter_renders_markdown():
    template = Template("{% load rendering %}{{ text|markdown }}")
    assert template.render(Context({"text": "**a** <b>"})) == "<p><strong>a</strong> &lt;b&gt;</p>\n"
    assert template.render(Context({"text": None})) == ""
