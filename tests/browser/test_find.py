"""Words are found in a whole session, also where its page has not come to yet."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.stage import Stage
from tests.browser.window import composer, open_chain, send, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

RUN = "section[data-run]"
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
