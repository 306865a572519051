"""However a window comes to its text, it ends with exactly what is stored, and looks like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event

import pytest
from playwright.sync_api import Page, expect

from tests.browser.corpus import MARKDOWN
from tests.browser.line import Line, open_line
from tests.browser.stage import Stage
from tests.browser.window import (
    answers,
    article,
    assert_shows_what_is_stored,
    columns,
    open_chain,
    send,
    until,
    wait_for_end,
)
from tests.loopback.script import Script

OUTAGE_MS = 10_000
# So long that a busy machine sees them stream.
LONG = Script(text=MARKDOWN * 5, tps=60)
# A head as a socket brings it, without the token of this browser: is it still the same one afterwards?
COMES_AGAIN = """async (title) => {
  const names = performance.getEntriesByType("resource").map((entry) => entry.name);
  const { replacePart } = await import(names.find((name) => name.includes("/js/page.")));
  const head = document.querySelector(".column-head");
  const next = head.cloneNode(true);
  for (const field of next.querySelectorAll("input[type=hidden]")) field.remove();
  if (title) next.querySelector("h3").title = title;
  replacePart(head.id, next.outerHTML);
  return head.isConnected;
}"""


@pytest.fixture
def line() -> Iterator[Line]:
    with open_line() as line:
        yield line


def streams_in(page: Page, *names: str) -> Callable[[], bool]:
    """Give a look that says whether these agents' columns stream and have text."""

    def look() -> bool:
        streaming = {one.name for one in columns(page) if one.status == "streaming" and one.text}
        return streaming >= set(names)

    return look


def assert_same_after_a_reload(page: Page) -> None:
    """Compare the live page's answers with those of the page as it is served."""
    live = answers(page)
    page.reload()
    assert answers(page) == live


def test_a_window_opened_in_the_middle_ends_with_the_same_text(stage: Stage, window: Callable[..., Page]):
    ends = Event()
    stage.play(
        Ada=Script(text=MARKDOWN, tps=20, ends=ends),
        Ben=Script(text=MARKDOWN, tps=90),
        Cleo=Script(tokens=180, tps=30, ends=ends),
    )
    first, second = window(), window()
    open_chain(first, "Trio")
    send(first, "Two windows")
    until(first, streams_in(first, "Ada", "Cleo"))
    second.goto(first.url)

    until(second, streams_in(second, "Ada", "Cleo"))
    ends.set()
    for page in (first, second):
        wait_for_end(page)
        assert_shows_what_is_stored(page)
    assert answers(first) == answers(second)
    assert_same_after_a_reload(first)


def test_a_second_window_sees_a_run_begin(stage: Stage, window: Callable[..., Page]):
    stage.play(Ada=LONG, Ben=LONG)
    first, second = window(), window()
    open_chain(first, "Pair")
    second.goto(first.url)
    send(first, "Do you see me?")

    expect(second.locator("section[data-run]")).to_contain_text("Do you see me?")
    until(second, streams_in(second, "Ada", "Ben"))
    wait_for_end(second)
    assert_shows_what_is_stored(second)
    wait_for_end(first)
    assert answers(first) == answers(second)


def test_a_window_that_was_cut_off_for_ten_seconds_catches_up(
    stage: Stage, window: Callable[..., Page], line: Line
):
    # One answer ends while nobody hears it, the other goes on after that.
    ada_ends, ben_ends = Event(), Event()
    stage.play(
        Ada=Script(text=MARKDOWN, tps=25, ends=ada_ends),
        Ben=Script(text=MARKDOWN + MARKDOWN, tps=15, ends=ben_ends),
    )
    page = window(proxy={"server": line.url})
    open_chain(page, "Pair")
    send(page, "Are you still there?")
    until(page, streams_in(page, "Ada", "Ben"))
    banner = page.locator("#connection-lost")
    expect(banner).to_be_hidden()

    line.cut()
    expect(banner).to_be_visible()
    ada_ends.set()
    page.wait_for_timeout(OUTAGE_MS)
    assert line.refused > 0
    expect(article(page, "Ada")).to_have_attribute("data-status", "streaming")
    line.mend()
    # The pause before a try is up to 15 s, whatever the machine.
    expect(banner).to_be_hidden(timeout=30_000)
    ben_ends.set()
    wait_for_end(page)
    assert_shows_what_is_stored(page)
    assert_same_after_a_reload(page)


def test_after_every_reload_of_many_the_text_is_whole(stage: Stage, window: Callable[..., Page]):
    ends = Event()
    stage.play(Ada=replace(LONG, ends=ends), Ben=replace(LONG, tps=50, ends=ends))
    page = window()
    open_chain(page, "Pair")
    send(page, "Again and again")
    for _ in range(4):
        until(page, streams_in(page, "Ada", "Ben"))
        page.reload()
    ends.set()
    wait_for_end(page)
    assert_shows_what_is_stored(page)
    assert_same_after_a_reload(page)


def test_runs_that_end_as_soon_as_they_begin_lose_nothing(stage: Stage, window: Callable[..., Page]):
    first, second = window(), window()
    open_chain(first, "Trio")
    second.goto(first.url)
    for number in range(5):
        send(first, f"Quick question {number}")
        expect(first.locator("section[data-run]")).to_have_count(number + 1)
        wait_for_end(first)
    expect(second.locator("section[data-run]")).to_have_count(5)
    wait_for_end(second)

    for page in (first, second):
        assert {one.status for one in columns(page)} == {"completed"}
        assert_shows_what_is_stored(page)
    assert answers(first) == answers(second)
    assert_same_after_a_reload(second)


def test_a_part_that_comes_again_unchanged_leaves_what_is_there(stage: Stage, window: Callable[..., Page]):
    stage.play(Ada=Script(tokens=12), Ben=Script(tokens=12))
    page = window()
    open_chain(page, "Pair")
    send(page, "Well?")
    wait_for_end(page)
    # Somebody may be about to press something in it.
    assert page.evaluate(COMES_AGAIN, "") is True
    assert page.evaluate(COMES_AGAIN, "changed") is False
