"""What folded cards show on a phone, and where they unfold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import Stage
from tests.browser.test_columns import ENDLESS, LONG, SCROLL, answer, look_back, tab
from tests.browser.test_widths import PHONE
from tests.browser.window import article, open_chain, send, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

SEEN = """(answer) => {
  const { top, bottom } = answer.getBoundingClientRect();
  const isSeen = (box) => box.bottom > top && box.top < bottom;
  return [...answer.querySelectorAll("p")].filter((line) => isSeen(line.getBoundingClientRect()))
    .map((line) => line.textContent);
}"""
LAST = "(answer) => [...answer.querySelectorAll('p')].at(-1)?.textContent"
SHOWS_LAST = f"""(answer) => {{
  const last = ({LAST})(answer);
  return last !== undefined && ({SEEN})(answer).at(-1) === last;
}}"""


def test_a_folded_card_shows_the_newest_of_its_text_and_once_it_has_ended_the_beginning(
    window: Callable[..., Page], stage: Stage
):
    stage.play(Ada=ENDLESS, Ben=ENDLESS)
    phone = window(viewport=PHONE["viewport"])
    open_chain(phone, "Pair")
    send(phone, "Write much")
    ada, ben = answer(phone, "Ada"), answer(phone, "Ben")
    until(phone, lambda: ada.evaluate(SCROLL)[1] > 600)
    until(phone, lambda: ben.evaluate(SHOWS_LAST))
    # Unfolded, it goes on to follow; the other one waits with its newest lines, and not where it was read.
    article(phone, "Ben").get_by_role("heading").click()
    until(phone, lambda: (seen := ben.evaluate(SCROLL))[1] - seen[0] < 24)
    until(phone, lambda: ada.evaluate(SHOWS_LAST))
    read = look_back(phone, "Ben", 300).evaluate(SEEN)
    phone.get_by_role("button", name="Stop", exact=True).click()
    wait_for_end(phone, "cancelled")
    assert ada.evaluate(SEEN)[0] == "Line 0 of many."
    article(phone, "Ben").get_by_role("heading").click()
    assert ben.evaluate(SEEN)[0] == "Line 0 of many."
    # Whoever unfolds it goes on where they were.
    article(phone, "Ben").get_by_role("heading").click()
    assert ben.evaluate(SEEN)[0] == read[0]


def test_a_card_that_ended_while_it_was_folded_is_read_from_its_beginning(
    window: Callable[..., Page], stage: Stage
):
    stage.play(Ada=ENDLESS, Ben=replace(LONG, tps=2_000, first=1))
    phone = window(**PHONE)
    open_chain(phone, "Pair")
    send(phone, "Write much")
    tab(phone, "Ada").tap()
    expect(article(phone, "Ben")).to_have_attribute("data-status", "completed")
    article(phone, "Ben").get_by_role("heading").tap()
    assert answer(phone, "Ben").evaluate(SEEN)[0] == "Line 0 of many."
    # Also when the window gets lower, as by the bars of a browser.
    phone.set_viewport_size({"width": 390, "height": 700})
    phone.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert answer(phone, "Ben").evaluate(SEEN)[0] == "Line 0 of many."
    phone.get_by_role("button", name="Stop", exact=True).tap()
    wait_for_end(phone, "cancelled")


def test_who_began_and_ended_between_two_looks_is_unfolded(window: Callable[..., Page], stage: Stage):
    slow = Script(text="It is.", first=0.7)
    stage.play(Ada=slow, Ben=slow, Dan=Script(text="Well."))
    phone = window(**PHONE)
    open_chain(phone, "Panel")
    for question in ("Is it?", "Is it now?", "And now?"):
        send(phone, question)
        wait_for_end(phone)
        expect(article(phone, "Dan")).to_have_attribute("data-expanded", "true")
    # Whoever chose a card stays there.
    send(phone, "And at last?")
    expect(phone.locator("[data-strip]")).to_have_count(4)
    tab(phone, "Ben").tap()
    wait_for_end(phone)
    expect(article(phone, "Ben")).to_have_attribute("data-expanded", "true")
