"""An answer that grows: frozen blocks stay, the tail follows, and the end is the same as a fresh page."""

from __future__ import annotations

import random
import re
import string
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from chains.rendering.blocks import LIST_PIECE, TABLE_PIECE
from chains.rendering.markdown import MarkdownStream, Snapshot, Update, render, render_blocks
from chains.rendering.syntax import parser

PARAGRAPH = "Some *plain* words that go on for a while, with `code`, and then end. " * 5 + "\n\n"
ITEM = "- an item with **some** words in it, and a few more after that\n"
ROW = "| a cell with some words | another one | 42 |\n"
HEAD = "| first | second | third |\n|---|---|--:|\n"


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """Colour code however slow the machine is: what was too slow once and not again would not be the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chains.rendering.highlight.MAX_TIME", 60.0)
        yield


class Viewer:
    """A browser's column: it holds blocks and a tail, and applies updates to them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.rev = snapshot.rev
        self.blocks = list(snapshot.blocks)
        self.tail = snapshot.tail

    def apply(self, update: Update) -> None:
        self.rev = update.rev
        self.blocks[update.first_block :] = update.closed
        self.tail = update.tail

    @property
    def html(self) -> str:
        return "".join(self.blocks) + self.tail


def cut(text: str, places: list[int]) -> list[str]:
    ends = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(ends)]


def streamed(chunks: list[str]) -> MarkdownStream:
    stream = MarkdownStream(name="s1")
    for chunk in chunks:
        stream.append(chunk)
        stream.update()
    stream.close()
    return stream


# fmt: off
FRAGMENTS = st.sampled_from([
    "# h", "para", "word ", "- a", "- ", "- b | c", "1. x", "2) y", "[x] t", "> q", ">",
    "    code", "\t", "  ", "```", "```py", "``` a | b", "~~~",
    "---", "===", "***", "=", "#", "# a | b", "+", "-", "\\",
    "|", "a | b", "---|---", "|-|", "|a|b|\n|-|-|", "-|-|-", "|1|2|",
    "$$", "\\[", "\\]", "\\(x\\)", "$x$", "$$|x|$$",
    "[^1]: n", "[^1]", "[r]: /u", "[r]", "![a](b)", "[a](http://b)", "https://x.y/z.",
    "`", "**", "_", "~~", "<b>", "<!--", "&amp;", "\r", "\u2028", "\x0c", "\u00a0", "\x00", "\ud800",
])
# fmt: on
LINES = st.tuples(FRAGMENTS, st.sampled_from(["", "\n", "\n\n", "\r\n", "\n    "])).map("".join)
LONG = st.tuples(
    st.sampled_from(
        [ITEM, "1. " + ITEM, "> " + ITEM, ROW, HEAD + ROW, "  " + ITEM, "\n", "x" * 90, "- b | c\n"]
    ),
    st.integers(40, 120),
).map(lambda pair: pair[0] * pair[1])
SHORT_TEXTS = st.lists(LINES, max_size=12).map("".join)
TEXTS = st.lists(st.one_of(LINES, LINES, LINES, LINES, LONG), max_size=12).map("".join)


@settings(deadline=None)
@given(TEXTS, st.lists(st.integers(0, 50_000), max_size=12))
@example("text\n$$\n- item\n$$", [11])
@example("# a | b\n---|---\n1|2", [8, 10])
@example("[a]\n\n[a]: /u", [5])
@example("- a\n\n\n- b\n\n    c\n", [4, 5, 10])
@example("```\ncode", [8])
@example("a\r\n\r\nb\r", [2, 4])
def test_however_an_answer_is_cut_it_ends_as_the_same_blocks(text: str, places: list[int]):
    stream = streamed(cut(text, places))
    assert stream.blocks == render_blocks(text, name="s1")
    assert stream.text == text


@pytest.mark.parametrize(
    "text",
    [
        "Title\n===\n\npara\nlazy\n\n> quote\nlazy\n\n- a\n\n  - b\n\n    c\n- d\n",
        "| a |\n|---|\n| 1 |\ntext after\n\n```py\nx = 1\n\n\ny\n```\n\n    indented\n\n    more\n",
        "A note[^1] and [ref].\n\n[^1]: first[^1]\n\n    second\n\n[ref]: https://a.example\n\n$$\na\n\n$$\nb\n$$\n",
        ITEM * 150 + "\nafter\n",
        HEAD + ROW * 400 + "\nafter\n",
    ],
)
@pytest.mark.parametrize("size", [1, 7, 61])
def test_an_answer_that_comes_in_small_pieces_ends_as_a_fresh_page(text: str, size: int):
    step = size * (1 + len(text) // 300)
    chunks = [text[at : at + step] for at in range(0, len(text), step)]
    assert streamed(chunks).blocks == render_blocks(text, name="s1")


MARKS = "_*~`$!:&<>[](){}\\^-+=#%@|'\"./ \n"
WORDS = st.lists(
    st.one_of(
        FRAGMENTS, st.sampled_from(["snake_case", "a://b", "https://x.y_z", "&lt;", "<a@b.c>", "ä_", "_1"])
    ),
    max_size=12,
).map("".join)


@pytest.fixture(scope="module")
def every_mark() -> MarkdownIt:
    """A parser that stops at whatever could begin something."""
    careful = parser.__wrapped__()
    careful.inline.terminator_re = MarkdownIt().inline.terminator_re
    assert careful.inline.terminator_re != parser().inline.terminator_re
    return careful


@settings(deadline=None, max_examples=300)
@given(text=st.one_of(SHORT_TEXTS, WORDS, st.text(alphabet=MARKS + "aB1ä", max_size=40)))
@example(text="http_s://x.y a_https://b.c _a_b_ __a__b__ !a ![x](y) a:b ://")
def test_what_the_parser_passes_over_begins_nothing(every_mark: MarkdownIt, text: str):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chains.rendering.output.parser", lambda: every_mark)
        carefully = render_blocks(text)
    assert render_blocks(text) == carefully


PROSE = "abZ19 ,.;:?!()'\"%-äßé–’…‧"
NEVER = re.compile(r"(?!)")


@settings(deadline=None, max_examples=300)
@given(
    text=st.one_of(
        st.text(alphabet=PROSE, max_size=60),
        st.text(alphabet=PROSE + "\n-1.|= ", max_size=30),
        st.lists(FRAGMENTS | st.text(alphabet=PROSE, max_size=9), max_size=5).map("".join),
    )
)
@example(text='Plain words - with (marks): 100%, “quoted”, it\'s "so".  \n')
@example(text="a.\n\n1. b c\n\na: b\n- c")
@example(text="\n\n".join(f"a{mark}b{mark} {mark * 2}c{mark * 2} {mark}[d](e){mark}" for mark in MARKS))
@example(text="\n\n".join(f"a {m}b{m} c{m * 2}d{m * 2} {m * 2}" for m in string.punctuation + "\u00a0\t"))
def test_what_is_taken_for_prose_is_what_the_parser_makes_of_it(text: str):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chains.rendering.output._PROSE", NEVER)
        parsed = render_blocks(text)
        open_parsed = MarkdownStream(text).snapshot().tail
    assert render_blocks(text) == parsed
    assert MarkdownStream(text).snapshot().tail == open_parsed


@settings(deadline=None, max_examples=50)
@given(TEXTS, st.lists(st.integers(0, 50_000), max_size=8))
def test_a_block_that_is_out_never_changes(text: str, places: list[int]):
    stream = MarkdownStream()
    seen: list[str] = []
    for chunk in cut(text, places):
        stream.append(chunk)
        update = stream.update()
        assert update.first_block == len(seen)
        assert stream.blocks[: len(seen)] == seen
        seen = list(stream.blocks)


def test_viewers_that_join_at_any_time_see_the_same():
    text = PARAGRAPH * 3 + ITEM * 5 + "\n```py\nx = 1\n```\n\nthe end"
    stream = MarkdownStream()
    viewers = [Viewer(stream.snapshot())]
    for at in range(0, len(text), 50):
        stream.append(text[at : at + 50])
        update = stream.update()
        for viewer in viewers:
            viewer.apply(update)
        viewers.append(Viewer(stream.snapshot()))
        assert len({viewer.html for viewer in viewers}) == 1
    closing = stream.close()
    for viewer in viewers:
        viewer.apply(closing)
    assert {viewer.html for viewer in viewers} == {render(text)}
    assert {viewer.rev for viewer in viewers} == {stream.rev}


def test_a_stream_made_from_text_shows_it_at_once():
    snapshot = MarkdownStream("# a\n\nb").snapshot()
    assert snapshot == Snapshot(1, ('<h1 aria-level="4">a</h1>\n',), "<p>b</p>\n")


def test_every_letter_is_visible_before_its_block_is_closed():
    stream = MarkdownStream("first\n\nsec")
    stream.append("ond")
    assert stream.update() == Update(2, 1, (), "<p>second</p>\n")


def test_an_update_without_news_keeps_the_revision():
    stream = MarkdownStream("a")
    assert stream.update() == Update(1, 0, (), "<p>a</p>\n")
    stream.append("")
    assert stream.update().rev == 1


def test_a_joining_viewer_is_not_shown_what_no_update_has_brought_yet():
    stream = MarkdownStream("a")
    stream.append("b")
    assert stream.snapshot() == Snapshot(1, (), "<p>a</p>\n")


def test_authoritative_text_that_goes_on_keeps_the_blocks():
    stream = MarkdownStream("one\n\ntwo\n\nthr")
    stream.replace("one\n\ntwo\n\nthree\n\nfour")
    assert stream.update() == Update(2, 2, ("<p>three</p>\n",), "<p>four</p>\n")


def test_authoritative_text_that_differs_replaces_everything():
    stream = MarkdownStream("one\n\ntwo\n\nthree")
    viewer = Viewer(stream.snapshot())
    stream.replace("one\n\n2")
    viewer.apply(stream.update())
    assert viewer.html == render("one\n\n2")
    viewer.apply(stream.close())
    assert stream.text == "one\n\n2"
    assert viewer.html == render("one\n\n2")


def test_authoritative_text_may_be_shorter_even_after_the_end():
    stream = MarkdownStream("one\n\ntwo")
    viewer = Viewer(stream.snapshot())
    viewer.apply(stream.close())
    stream.replace("one")
    viewer.apply(stream.update())
    viewer.apply(stream.close())
    assert (viewer.html, viewer.tail) == (render("one"), "")


def test_the_same_authoritative_text_changes_nothing():
    stream = MarkdownStream("one\n\ntwo")
    stream.close()
    rev = stream.rev
    stream.replace("one\n\ntwo")
    assert stream.update().rev == rev


def test_text_after_the_end_is_refused():
    stream = MarkdownStream("a")
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        stream.append("b")


def test_an_open_fence_is_code_without_colours_and_gets_them_when_it_ends():
    stream = MarkdownStream("```python\nx = 1\n")
    assert stream.snapshot().blocks == ()
    assert '<code class="highlight">x = 1\n</code>' in stream.snapshot().tail
    stream.append("```\n")
    (closed,) = stream.update().closed
    assert '<span class="mi">1</span>' in closed


@pytest.mark.parametrize("line", ["# heading\n", "---\n", "$$x$$\n", "```\n\n```\n"])
def test_a_block_that_ends_by_its_own_form_is_frozen_with_its_line(line: str):
    stream = MarkdownStream(line)
    assert (len(stream.blocks), stream.tail_cost) == (1, 0)


def test_a_long_list_is_frozen_in_pieces_and_counts_on():
    items = "".join(f"{n}. an item with some words in it\n" for n in range(1, 501))
    stream = MarkdownStream(items)
    assert stream.tail_cost < 2 * LIST_PIECE
    stream.close()
    starts = [html.partition("start=")[2].partition(">")[0] for html in stream.blocks]
    items_before = [sum(html.count("<li>") for html in stream.blocks[:n]) for n in range(len(stream.blocks))]
    assert starts == ["", *(f'"{before + 1}"' for before in items_before[1:])]
    assert len(starts) > 3


def test_a_list_that_leaves_the_counting_to_us_is_never_cut():
    assert len(render_blocks("1. words and words\n" * 1000)) == 1


def test_a_long_table_is_frozen_in_pieces_that_repeat_its_head():
    rows = 4 * TABLE_PIECE // len(ROW)
    stream = MarkdownStream(HEAD + ROW * rows)
    assert stream.tail_cost < 2 * TABLE_PIECE
    stream.close()
    assert len(stream.blocks) > 3
    assert all("<th>first</th>" in html for html in stream.blocks)
    assert sum(html.count("<tr>") for html in stream.blocks) == rows + len(stream.blocks)


def test_a_table_head_longer_than_its_rows_is_not_repeated_without_end():
    head = f"| {'x' * 3 * TABLE_PIECE} |\n|---|\n"
    text = head + "| y |\n" * 20_000
    assert len(render(text)) < 10 * len(text)


def parsed_while_streaming(text: str, chunk: int) -> int:
    return streamed([text[at : at + chunk] for at in range(0, len(text), chunk)]).parsed


@pytest.mark.parametrize("paragraph", [PARAGRAPH, ITEM * 5 + "\n" + PARAGRAPH, f"```py\n{PARAGRAPH}```\n\n"])
def test_streaming_a_long_answer_costs_a_small_multiple_of_rendering_it_once(paragraph: str):
    text = paragraph * (200_000 // len(paragraph))
    once = MarkdownStream()
    once.append(text)
    once.close()
    assert parsed_while_streaming(text, chunk=200) < 5 * once.parsed


@pytest.mark.parametrize("line", [PARAGRAPH, ITEM])
def test_the_cost_of_a_streamed_character_does_not_grow_with_the_answer(line: str):
    short, long = line * (12_000 // len(line)), line * (48_000 // len(line))
    growth = parsed_while_streaming(long, 100) / parsed_while_streaming(short, 100)
    assert growth < 1.5 * len(long) / len(short)


def test_a_block_that_cannot_be_cut_asks_for_longer_pauses_as_it_grows():
    stream = MarkdownStream("> some words to quote\n" * 100)
    early = stream.pause
    stream.append("> some words to quote\n" * 5_000)
    stream.update()
    assert stream.pause > 5 * early
    assert stream.pause >= 10 * stream.cost


def test_what_is_rendered_only_once_asks_for_no_pause():
    stream = MarkdownStream("Some words. ")
    stream.append("and more.\n\n" + (PARAGRAPH + ITEM * 40 + "\n") * 40 + "and the last ones")
    began = time.thread_time()
    stream.update()
    assert stream.cost < (time.thread_time() - began) / 10


def test_one_endless_block_read_at_once_is_parsed_a_few_times_and_not_once_per_line():
    text = "```\n" + "code\n" * 100_000
    stream = MarkdownStream()
    stream.append(text)
    stream.close()
    assert stream.parsed < 6 * len(text)


def test_random_cuts_of_a_realistic_answer_agree():
    text = (PARAGRAPH + "# Part\n\n" + ITEM * 90 + "\n" + HEAD + ROW * 9 + "\n```py\nx = 1\n```\n") * 3
    dice = random.Random(7)
    expected = render_blocks(text)
    for _ in range(10):
        places = [dice.randrange(len(text)) for _ in range(60)]
        assert streamed(cut(text, places)).blocks == expected
