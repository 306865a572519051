"""The waterfall of a run, while it goes on and after: it grows, explains itself, and leads to the columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from threading import Event

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import Stage
from tests.browser.window import article, open_chain, send, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

WIDTH = "(bar) => bar.getBoundingClientRect().width"


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    return window(viewport={"width": 1440, "height": 900})


def test_it_grows_while_the_run_goes_on_and_one_voice_says_who_is_done(page: Page, stage: Stage):
    ada_ends, ben_ends = Event(), Event()
    stage.play(Ada=Script(tokens=4, ends=ada_ends), Ben=Script(tokens=80, tps=20, ends=ben_ends))
    open_chain(page, "Pair")
    # All that is ever said, in every region that a screen reader listens to.
    page.evaluate("""() => {
      window.said = [];
      for (const region of document.querySelectorAll("[aria-live]")) {
        new MutationObserver(() => said.push(region.textContent.trim())).observe(region, { childList: true });
      }
    }""")
    send(page, "Who is done?")
    lane = page.locator(".waterfall-row[data-lane]").nth(1)
    until(page, lambda: lane.locator(".bar-stream").count())
    before = lane.locator(".waterfall-time").inner_text()
    until(page, lambda: lane.locator(".waterfall-time").inner_text() != before)
    ada_ends.set()
    until(page, lambda: any("Ada finished; 1 still writing." in words for words in page.evaluate("said")))
    assert page.locator("#announcer[aria-live=polite]").count() == 1

    ben_ends.set()
    wait_for_end(page)
    until(page, lambda: any("Run ended: Completed." in words for words in page.evaluate("said")))
    # Nobody hears every token.
    assert len(page.evaluate("said")) <= 6


def test_a_first_token_that_no_row_knows_yet_is_drawn(page: Page, stage: Stage):
    ends = Event()
    # Ada's end has the whole figure drawn anew, sooner than Ben's first token is written down.
    stage.play(Ada=Script(tokens=4), Ben=Script(tokens=80, tps=20, ends=ends))
    open_chain(page, "Pair")
    send(page, "Who was first?")
    until(page, lambda: page.locator(".waterfall-row[data-lane]").nth(1).locator(".bar-stream").count())
    ends.set()
    wait_for_end(page)


def test_a_row_says_its_figures_leads_to_its_column_and_stands_in_a_table(page: Page, stage: Stage):
    stage.play(
        Ada=Script(tokens=20, tps=40), Ben=Script(tokens=4), Cleo=Script(tokens=4), Dan=Script(tokens=4)
    )
    open_chain(page, "Trio")
    send(page, "Show your times")
    wait_for_end(page)
    row = page.locator(".waterfall-row[data-lane]").first
    figures = row.locator(".waterfall-figures")
    expect(figures).to_be_hidden()
    row.locator(".waterfall-lane").hover()
    expect(figures).to_be_visible()
    expect(figures).to_contain_text(re.compile(r"Ada .*\d+ (ms|s)"))

    choose_dan = page.locator(".waterfall").get_by_role("link", name="Dan")
    choose_dan.click()
    expect(article(page, "Dan")).to_be_in_viewport()
    assert (
        page.evaluate("document.activeElement.closest('.column')?.querySelector('h3').textContent") == "Dan"
    )

    table = page.get_by_role("table", name=re.compile("Calls in the order of their start"))
    expect(table.get_by_role("row")).to_have_count(5)
    assert {cell.inner_text() for cell in table.get_by_role("rowheader").all()} == {
        "Ada",
        "Ben",
        "Cleo",
        "Dan",
    }
