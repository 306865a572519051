"""How somebody arranges the columns of a chain: each scrolls alone, is focused, hidden, pinned and moved."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.editor import bring_in
from tests.browser.stage import MODELS, Stage
from tests.browser.test_widths import PHONE
from tests.browser.window import article, open_chain, send, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

SHORT = Script(tokens=20)
LONG = Script(text="\n\n".join(f"Line {number} of many." for number in range(400)), tps=60)
NAMES = """() => [...document.querySelectorAll("[data-run]:last-child [data-stages] .column")]
  .filter((column) => column.checkVisibility()).map((column) => column.querySelector("h3").textContent)"""
SCROLL = "(answer) => [answer.scrollTop, answer.scrollHeight - answer.clientHeight]"


@pytest.fixture
def page(window: Callable[..., Page], stage: Stage) -> Page:
    stage.play(Ada=SHORT, Ben=SHORT, Cleo=SHORT, Dan=SHORT)
    return window(viewport={"width": 1440, "height": 900})


def asked(page: Page, chain: str = "Trio") -> Page:
    open_chain(page, chain)
    send(page, "Well?")
    wait_for_end(page)
    return page


def answer(page: Page, name: str) -> Locator:
    return article(page, name).locator("[data-answer]")


def choose(page: Page, name: str, act: str) -> None:
    """Take something from the menu of a column."""
    article(page, name).get_by_role("button", name=f"Arrange {name}").click()
    page.get_by_role("menuitem", name=act).click()


def tab(page: Page, name: str) -> Locator:
    """Return the link of an agent in the line above the columns."""
    return page.locator("[data-strip]").last.get_by_role("link", name=re.compile(rf"^{name}\b"))


def test_each_scrolls_alone_and_follows_its_text_while_the_reader_is_at_its_end(page: Page, stage: Stage):
    stage.play(Ada=LONG, Ben=LONG)
    open_chain(page, "Pair")
    send(page, "Write much")
    until(page, lambda: all(answer(page, name).evaluate(SCROLL)[1] > 300 for name in ("Ada", "Ben")))
    jump = article(page, "Ada").get_by_role("button", name="Jump to latest")
    expect(jump).to_be_hidden()
    answer(page, "Ada").hover()
    page.mouse.wheel(0, -200)
    expect(jump).to_be_visible()
    place, _ = answer(page, "Ada").evaluate(SCROLL)
    grown = answer(page, "Ada").evaluate(SCROLL)[1]
    until(page, lambda: answer(page, "Ada").evaluate(SCROLL)[1] > grown + 100)
    # What is read stays where it is, while the neighbour goes on to follow.
    assert answer(page, "Ada").evaluate(SCROLL)[0] == place
    until(page, lambda: (seen := answer(page, "Ben").evaluate(SCROLL))[1] - seen[0] < 24)
    jump.click()
    until(page, lambda: (seen := answer(page, "Ada").evaluate(SCROLL))[1] - seen[0] < 24)
    expect(jump).to_be_hidden()
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_for_end(page, "cancelled")


def test_one_is_focused_the_others_narrow_and_the_next_run_and_visit_keep_it_so(page: Page):
    asked(page)
    article(page, "Ben").get_by_role("button", name="Focus Ben").click()

    def is_wide() -> bool:
        widths = {name: article(page, name).bounding_box()["width"] for name in ("Ada", "Ben")}  # type: ignore[index]
        return widths["Ben"] > 5 * widths["Ada"]

    until(page, is_wide)
    send(page, "And now?")
    expect(page.locator("section[data-run]")).to_have_count(2)
    wait_for_end(page)
    until(page, is_wide)
    page.reload()
    until(page, is_wide)
    # A narrow one takes the focus when it is clicked.
    article(page, "Ada").click()
    expect(article(page, "Ada")).to_have_attribute("data-focused", "")
    article(page, "Ada").get_by_role("button", name="Focus Ada").click()
    expect(page.locator("[data-focused]")).to_have_count(0)


def test_one_is_hidden_and_all_come_back(page: Page):
    asked(page)
    choose(page, "Cleo", "Hide")
    assert page.evaluate(NAMES) == ["Ada", "Ben", "Dan"]
    back = page.get_by_role("button", name="1 hidden")
    expect(back).to_be_focused()
    page.reload()
    assert page.evaluate(NAMES) == ["Ada", "Ben", "Dan"]
    back.click()
    assert page.evaluate(NAMES) == ["Ada", "Ben", "Cleo", "Dan"]


def test_one_is_pinned_to_the_left_and_goes_back_to_its_stage(page: Page):
    asked(page)
    choose(page, "Dan", "Pin to the left")
    assert page.evaluate(NAMES) == ["Dan", "Ada", "Ben", "Cleo"]
    page.reload()
    assert page.evaluate(NAMES) == ["Dan", "Ada", "Ben", "Cleo"]
    page.get_by_role("button", name="Dan is pinned to the left").click()
    assert page.evaluate(NAMES) == ["Ada", "Ben", "Cleo", "Dan"]


def test_one_is_moved_within_its_group(page: Page):
    asked(page)
    choose(page, "Ada", "Move right")
    assert page.evaluate(NAMES) == ["Ben", "Ada", "Cleo", "Dan"]
    choose(page, "Cleo", "Move left")
    page.reload()
    assert page.evaluate(NAMES) == ["Ben", "Cleo", "Ada", "Dan"]


def test_twelve_stay_usable(page: Page):
    agents = [
        {"name": f"A{number}", "model": MODELS["Ada"], "connection_type": "parallel"} for number in range(12)
    ]
    bring_in(page.context, "Twelve", *agents)
    asked(page, "Twelve")
    row = page.locator("[data-stages]").last
    for number in (0, 11, 5):
        tab(page, f"A{number}").click()
        expect(article(page, f"A{number}").get_by_role("heading")).to_be_in_viewport()
        box = article(page, f"A{number}").bounding_box()
        assert box
        assert box["width"] >= 240
    # The row moves sideways, the page does not.
    assert row.evaluate("(row) => row.scrollWidth > row.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_on_a_phone_one_card_is_unfolded_and_a_tap_or_a_tab_leads_to_another(
    window: Callable[..., Page], page: Page
):
    phone = asked(window(**PHONE))
    phone.reload()
    unfolded = phone.locator(".column[data-expanded] h3")
    expect(unfolded).to_have_text("Dan")
    phone.get_by_role("button", name="Show or fold the answer of Ben").tap()
    expect(unfolded).to_have_text("Ben")
    tab(phone, "Cleo").tap()
    expect(unfolded).to_have_text("Cleo")
    expect(tab(phone, "Cleo")).to_have_attribute("aria-current", "true")
    swipe(phone, answer(phone, "Cleo"), by=-160)
    expect(unfolded).to_have_text("Dan")
    swipe(phone, answer(phone, "Dan"), by=160)
    expect(unfolded).to_have_text("Cleo")


def swipe(page: Page, over: Locator, by: int) -> None:
    """Draw a finger sideways."""
    finger = page.context.new_cdp_session(page)
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box
    x, y = 195 - by / 2, box["y"] + min(20, box["height"] / 2)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 9):
        at = [{"x": x + by * step / 8, "y": y}]
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
