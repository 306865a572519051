"""Quoting a passage of an answer: by mouse, by finger, by keyboard; as a chip first, then as a quote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.stage import Stage
from tests.browser.window import article, composer, open_chain, send, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

RUN = "section[data-run]"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SAID = "The bridge holds.\n\nIts piers are **new**, its deck is not."
SELECT = """(element) => {
  const range = document.createRange();
  range.selectNodeContents(element);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}"""


@pytest.fixture
def page(stage: Stage, window: Callable[..., Page]) -> Page:
    return asked(stage, window())


def asked(stage: Stage, page: Page) -> Page:
    """Open a compare of which both agents have answered."""
    stage.play(Ada=Script(text=f"Ada: {SAID}"), Ben=Script(text=f"Ben: {SAID}"))
    open_chain(page, "Pair")
    send(page, "Does it hold?")
    wait_for_end(page)
    return page


def quotes(page: Page) -> Locator:
    return page.locator("#composer [data-quote]")


def last_message(stage: Stage, agent: str) -> Any:
    return stage.calls_of(agent)[-1].body["messages"][-1]["content"]


def test_what_is_selected_by_mouse_is_quoted_with_its_column(stage: Stage, page: Page):
    passage = article(page, "Ben").locator("p").filter(has_text="Its piers").first
    box = passage.bounding_box()
    assert box
    page.mouse.move(box["x"] + 1, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"], box["y"] + box["height"] - 5, steps=5)
    page.mouse.up()
    button = page.get_by_role("button", name="Quote", exact=True)
    button.click()
    expect(button).to_be_hidden()
    expect(composer(page)).to_be_focused()
    expect(quotes(page)).to_have_count(1)
    expect(quotes(page)).to_contain_text("Ben")
    expect(quotes(page)).to_contain_text("Its piers are new")
    expect(quotes(page)).to_have_attribute("data-connection", "parallel")

    send(page, "How new?")
    expect(page.locator(RUN)).to_have_count(2)
    wait_for_end(page)
    for agent in ("Ada", "Ben"):
        text = last_message(stage, agent)
        assert text.startswith("> **Ben** wrote:\n>\n> Its piers are new")
        assert text.endswith("\n\nHow new?")
    shown = page.locator(RUN).last.locator("blockquote")
    expect(shown.locator("cite")).to_have_text("Ben")
    expect(shown).to_contain_text("Its piers are new")
    expect(quotes(page)).to_have_count(0)


def test_a_selection_across_two_columns_or_outside_of_answers_is_no_quote(page: Page):
    button = page.get_by_role("button", name="Quote", exact=True)
    article(page, "Ada").locator("[data-answer]").evaluate(SELECT)
    expect(button).to_be_visible()
    page.locator(RUN).evaluate(SELECT)
    expect(button).to_be_hidden()
    page.locator(".message-text").evaluate(SELECT)
    page.wait_for_timeout(300)
    expect(button).to_be_hidden()


def test_by_keyboard_alone(stage: Stage, page: Page):
    # Caret browsing and screen readers select in the page; the Tab key then leads to the button.
    answer = article(page, "Ada").locator("[data-answer]")
    answer.focus()
    answer.locator("p").last.evaluate(SELECT)
    expect(page.get_by_role("button", name="Quote", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Quote", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(composer(page)).to_be_focused()
    expect(quotes(page)).to_contain_text("its deck is not")

    # Without a selection the whole answer can be quoted.
    page.get_by_role("button", name="Quote the answer of Ben").focus()
    page.keyboard.press("Enter")
    expect(quotes(page)).to_have_count(2)
    page.get_by_role("button", name="Remove the quote of Ada").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove the quote of Ben")).to_be_focused()
    send(page, "Why?")
    expect(page.locator(RUN)).to_have_count(2)
    wait_for_end(page)
    assert last_message(stage, "Ada") == (
        "> **Ben** wrote:\n>\n> Ben: The bridge holds.\n>\n> Its piers are **new**, its deck is not.\n\nWhy?"
    )


def test_by_finger_on_a_phone(stage: Stage, window: Callable[..., Page]):
    page = asked(stage, window(**PHONE))
    column = article(page, "Ada")
    if column.get_attribute("data-expanded") != "true":
        column.locator("[data-expand]").tap()
    column.locator("p").filter(has_text="Its piers").evaluate(SELECT)
    button = page.get_by_role("button", name="Quote", exact=True)
    expect(button).to_be_visible()
    button.tap()
    expect(quotes(page)).to_contain_text("Its piers are new")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Remove the quote of Ada").tap()
    expect(quotes(page)).to_have_count(0)


def test_quotes_are_part_of_the_draft(page: Page):
    article(page, "Ada").locator("p").last.evaluate(SELECT)
    page.get_by_role("button", name="Quote", exact=True).click()
    other = page.context.new_page()
    other.goto(page.url)
    expect(quotes(other)).to_contain_text("its deck is not")
    page.reload()
    expect(quotes(page)).to_contain_text("its deck is not")
    page.get_by_role("button", name="Remove the quote of Ada").click()
    expect(quotes(other)).to_have_count(0)
    until(
        page,
        lambda: page.evaluate("() => Object.keys(localStorage).every((key) => !key.startsWith('draft'))"),
    )
