"""Words are found in a whole session, also where its page has not come to yet."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.corpus import MARKDOWN
from tests.browser.stage import Stage
from tests.browser.window import composer, open_chain, send, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

RUN = "section[data-run]"
IN_SIGHT = """() => {
  const [range] = CSS.highlights.get("find-current") ?? [];
  const box = range?.getBoundingClientRect();
  return Boolean(box) && range.startContainer.parentElement.closest("[data-answer]")
    .contains(document.elementFromPoint(box.left + 2, box.top + 2));
}"""
AROUND = """() => [...CSS.highlights.get("find-current")][0].startContainer
  .parentElement.closest("p, li, pre").textContent"""
TEXTS = """() => [...document.querySelectorAll("[data-answer] :is(h1, p, li, td, th, code, mtd, math)")]
  .filter((element) => !element.querySelector("p, li")).map((element) => element.textContent)"""
MARKED = "(name) => [...(CSS.highlights.get(name) ?? [])].map((range) => range.toString())"


@pytest.fixture
def page(window: Callable[..., Page], stage: Stage) -> Page:
    page = window(viewport={"width": 1440, "height": 900})
    open_chain(page, "Solo")
    answers = ["A *grey* heron stands.", "Nothing.", "The heron (a bird) flies; herons fish."]
    for place, text in enumerate(answers, 1):
        stage.play(Ada=Script(text=text))
        send(page, f"Question {place}")
        expect(page.locator(RUN)).to_have_count(place)
        wait_for_end(page)
    return page


def field(page: Page) -> Locator:
    return page.get_by_role("searchbox", name="Find in this session")


def count(page: Page) -> Locator:
    return page.locator("[data-find-count]")


def test_a_key_opens_it_enter_goes_on_and_escape_leaves(page: Page):
    composer(page).blur()
    page.keyboard.press("/")
    expect(field(page)).to_be_focused()
    page.keyboard.type("GREY")
    expect(count(page)).to_have_text("1 found")
    expect(page.locator("#announcer")).to_contain_text("1 place")
    field(page).fill("heron")
    expect(count(page)).to_have_text("3 found")
    expect(page.locator("#find-hits mark")).to_have_text(["heron", "heron", "heron"])
    for words in ("1 of 3", "2 of 3", "3 of 3", "1 of 3"):
        page.keyboard.press("Enter")
        expect(count(page)).to_have_text(words)
    page.keyboard.press("Shift+Enter")
    expect(count(page)).to_have_text("3 of 3")
    until(page, lambda: page.evaluate(MARKED, "find-current") == ["heron"])
    page.keyboard.press("Escape")
    expect(field(page)).to_be_hidden()
    assert page.evaluate(MARKED, "find") == []


def test_it_says_when_there_is_nothing_and_takes_every_sign_as_it_is(page: Page):
    page.get_by_role("link", name="Find in this session").click()
    field(page).fill("stork")
    expect(page.locator("#find-hits")).to_contain_text("Nothing in this session has “stork” in it.")
    field(page).fill("(a")
    expect(count(page)).to_have_text("1 found")


def test_a_hit_unfolds_its_run(page: Page):
    page.get_by_role("link", name="Find in this session").click()
    field(page).fill("grey")
    # At once: it goes there when it is found.
    page.keyboard.press("Enter")
    expect(page.locator(RUN).first.locator(".band-fold")).to_have_attribute("open", "")
    expect(page.locator(RUN).first.locator("[data-answer]")).to_be_in_viewport()


MARKED_UP = """The **quick** fox
jumps over the [lazy dog](https://example.org/stork) &amp; rests.[^1]

1. A *qu*i**ck** fox, `twice`
2. Quick

fox

[^1]: The note has `a quick   fox` of its own.

```html
<b>quick fox</b> &amp; more
```
"""


def answer_of(page: Page) -> Locator:
    return page.locator("[data-answer]").last


def ask_for(page: Page, words: str, places: int) -> None:
    field(page).fill(words)
    expect(page.locator("#find-hits mark")).to_have_count(places)
    expect(count(page)).to_have_text(f"{places} found" if places else "")


@pytest.fixture
def marked_up(window: Callable[..., Page], stage: Stage) -> Page:
    page = window(viewport={"width": 1440, "height": 900})
    open_chain(page, "Solo")
    stage.play(Ada=Script(text=MARKED_UP))
    send(page, "What does\nthe fox do?")
    wait_for_end(page)
    page.get_by_role("link", name="Find in this session").click()
    return page


def test_words_are_found_as_they_are_read_marked_and_led_to_one_after_another(marked_up: Page):
    page = marked_up
    ask_for(page, "quick fox", 4)
    shown = ["quick fox", "quick fox", "quick fox", "quick fox"]
    until(page, lambda: [" ".join(text.split()) for text in page.evaluate(MARKED, "find")] == shown)
    pieces = ["The quick fox jumps", "A quick fox, twice", "has a quick fox of", "<b>quick fox</b>"]
    for place, around in enumerate(pieces, 1):
        page.keyboard.press("Enter")
        expect(count(page)).to_have_text(f"{place} of 4")
        until(page, lambda: " ".join(page.evaluate(MARKED, "find-current")).split() == ["quick", "fox"])
        assert around in " ".join(page.evaluate(AROUND).split())


@pytest.mark.parametrize(
    "words",
    ["fox jumps over the lazy dog & rests.", "DOES THE FOX", "fox, twice", "&amp; more", "note has a quick"],
)
def test_what_stands_together_on_the_page_is_one_place(marked_up: Page, words: str):
    ask_for(marked_up, words, 1)
    marked_up.keyboard.press("Enter")
    expect(count(marked_up)).to_have_text("1 of 1")
    seen = until(marked_up, lambda: marked_up.evaluate(MARKED, "find-current"))
    # What is not counted as read, the mark of a footnote, may stand within.
    assert " ".join(" ".join(seen).split()).casefold() == words.casefold()


@pytest.mark.parametrize("words", ["stork", "https", "**", "fox 2", "twice Quick", "rests.1", "Copy"])
def test_what_nobody_reads_is_not_found(marked_up: Page, words: str):
    ask_for(marked_up, words, 0)
    expect(marked_up.locator("#find-hits")).to_contain_text("Nothing in this session")


def test_the_server_counts_what_the_page_can_mark(window: Callable[..., Page], stage: Stage):
    page = window()
    open_chain(page, "Solo")
    stage.play(Ada=Script(text=MARKDOWN))
    send(page, "Bridges")
    wait_for_end(page)
    page.get_by_role("link", name="Find in this session").click()
    texts = {" ".join(text.split()) for text in page.evaluate(TEXTS)} - {""}
    assert len(texts) > 20
    for words in sorted(texts):
        field(page).fill(words[:200])
        expect(page.locator("#find-hits mark").first).to_have_text(words[:200], ignore_case=True)
        counted = page.locator("#find-hits [data-hit]").count()
        assert counted == len(page.evaluate(MARKED, "find")), words


def test_a_hit_in_a_run_that_is_not_on_the_page_brings_it_and_is_led_to(
    window: Callable[..., Page], stage: Stage
):
    page = window(viewport={"width": 1440, "height": 500})
    open_chain(page, "Solo")
    stage.play(Ada=Script(text="Words before.\n\n" * 200 + "A **grey**\nheron stands."))
    for number in range(7):
        send(page, f"Message {number}")
        expect(page.locator(RUN)).to_have_count(number + 1)
        wait_for_end(page)
        stage.play(Ada=Script(text="Nothing.\n\n" * 60))
    page.reload()
    expect(page.locator(RUN)).to_have_count(5)
    page.get_by_role("link", name="Find in this session").click()
    field(page).fill("grey heron")
    expect(count(page)).to_have_text("1 found")
    assert page.evaluate(MARKED, "find") == []
    page.keyboard.press("Enter")
    expect(page.locator(RUN)).to_have_count(7)
    expect(count(page)).to_have_text("1 of 1")
    until(page, lambda: page.evaluate(MARKED, "find-current") == ["grey\nheron"])
    until(page, lambda: page.evaluate(IN_SIGHT))


def test_an_answer_that_grows_stays_marked_and_what_comes_is_found(page: Page, stage: Stage):
    before = "A **grey** heron stands. " + "It waits. " * 240
    text = before + "\n\nAnother grey\nheron came. " + "It waits. " * 120
    comes, ends = Event(), Event()
    stage.play(Ada=Script(text=text, tps=60, goes_on=comes, held_at=before.count(" "), ends=ends))
    send(page, "Question 4")
    expect(answer_of(page)).to_contain_text("heron stands. It waits.")
    page.get_by_role("link", name="Find in this session").click()
    field(page).fill("heron stands")
    expect(count(page)).to_have_text("2 found")
    until(page, lambda: page.evaluate(MARKED, "find") == ["heron stands"] * 2)
    field(page).fill("grey heron")
    expect(page.locator("#find-hits mark")).to_have_text(["grey heron", "grey heron"])
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(count(page)).to_have_text("2 of 2")
    expect(page.locator("#find-hits")).to_be_hidden()
    assert page.evaluate(MARKED, "find-current") == ["grey heron"]
    # It is still being written, and each frame draws its end anew.
    comes.set()
    expect(count(page)).to_have_text("2 of 3")
    until(page, lambda: page.evaluate(MARKED, "find") == ["grey heron", "grey heron", "grey\nheron"])
    assert page.evaluate(MARKED, "find-current") == ["grey heron"]
    expect(page.locator("#find-hits")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(count(page)).to_have_text("3 of 3")
    until(page, lambda: page.evaluate(MARKED, "find-current") == ["grey\nheron"])
    ends.set()
    wait_for_end(page)
    until(page, lambda: page.evaluate(MARKED, "find-current") == ["grey\nheron"])
