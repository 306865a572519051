"""What is read of an answer is the text of its page, whole or cut into sections."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.rendering.plain import BREAK, plain, sections
from tests.browser.corpus import HOSTILE, MARKDOWN

# Without display formulas: one that has a fence in it is cut apart.
LINES = st.sampled_from([
    "", "", "", "text **bold** x", "- item", "  cont", "    code", "1. one", "- [ ] task", "# head",
    "> quote",
    "```", "```python", "   ```", "\t```", "- ```", "  - ```js", "> ```", "~~~~", "   ~~~", "`` ` ``", "***",
    "| a | b |", "|---|---|", "| 1 | 2 |", "[^1]: note", "====", "a $x^2$ b",
])  # fmt: skip


def blocks(text: str) -> list[str]:
    return [" ".join(block.split()) for block in text.split(BREAK) if block.strip()]


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("the **quick** *f*ox", ["the quick fox"]),
        ("a line\nand another  \none", ["a line and another one"]),
        ("[a *link*](https://example.org/x 'title') stays", ["a link stays"]),
        ("&lt;b&gt; &amp; \\*so\\*", ["<b> & *so*"]),
        ("a fact[^1] is\n\n[^1]: noted", ["a fact is", "noted"]),
        ("- one\n- two\n\n  more", ["one", "two", "more"]),
        ("| a | b |\n|---|---|\n| c | **d** |", ["a", "b", "c", "d"]),
        ("```html\n<b>**x**</b>\n```", ["html", "<b>**x**</b>"]),
        ("![a bird](https://example.org/b.png)", ["a bird (https://example.org/b.png)"]),
        ("so $E = mc^2$ it is", ["so E=mc2 it is"]),
        ('<button>x</button> <a title=">">', ['<button>x</button> <a title=">">']),
        ('[t](https://x.org "a > b") c', ["t c"]),
    ],
)
def test_marks_are_not_read(source: str, read: list[str]):
    assert blocks(plain(source)) == read


@pytest.mark.parametrize("text", [MARKDOWN, HOSTILE])
def test_sections_are_read_as_the_whole_is(text: str):
    cut = list(sections(text))
    assert "".join(cut) == text
    assert len(cut) > 10
    assert [block for section in cut for block in blocks(plain(section))] == blocks(plain(text))


@settings(deadline=None)
@given(st.lists(LINES, max_size=16).map("\n".join))
def test_no_cut_changes_what_is_read(text: str):
    cut = list(sections(text))
    assert "".join(cut) == text
    assert [block for section in cut for block in blocks(plain(section))] == blocks(plain(text))


def test_a_fence_is_not_cut():
    fence = "```\nfirst\n\nsecond\n\n~~~\n\n    ```\n\nthird\n```\n"
    assert list(sections(f"before\n\n{fence}\nafter")) == ["before\n\n", f"{fence}\n", "after"]
    assert list(sections("before\n\n```\nit\n\ngoes\n\non")) == ["before\n\n", "```\nit\n\ngoes\n\non"]


def test_line_ends_of_every_kind_end_lines():
    assert list(sections("one\r\n\r\ntwo\r\rthree")) == ["one\n\n", "two\n\n", "three"]
