"""The line between a window and its server: how its end is noticed, what is said, how it comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from threading import Event

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from tests.browser.corpus import MARKDOWN
from tests.browser.line import Line, open_line
from tests.browser.stage import Stage
from tests.browser.window import (
    answers,
    assert_shows_what_is_stored,
    column,
    columns,
    composer,
    open_chain,
    send,
    until,
    wait_for_end,
)
from tests.loopback.script import Script

pytestmark = pytest.mark.once

HEARTBEAT = "{}"
# Longer than a page waits for a sign of life, and too short for that.
SILENCE_MS, SHORT_SILENCE_MS = 60_000, 35_000
WINDOWS = 1_000
PAUSES = """async ([attempt, spread, windows]) => {
  const names = performance.getEntriesByType("resource").map((entry) => entry.name);
  const { pauseBefore } = await import(names.find((name) => name.includes("/js/socket.")));
  return Array.from({ length: windows }, () => pauseBefore(attempt, spread));
}"""


class Muted:
    """Carries the sockets of a page. Those that are muted stay open, and nothing gets through them."""

    def __init__(self, page: Page) -> None:
        self.sockets: list[WebSocketRoute] = []
        self.muted: set[int] = set()
        self.said: list[str | bytes] = []
        page.route_web_socket("**/ws/sessions/**", self._carry)

    def mute(self) -> None:
        self.muted.add(len(self.sockets) - 1)

    def _carry(self, near: WebSocketRoute) -> None:
        number = len(self.sockets)
        self.sockets.append(near)
        far = near.connect_to_server()

        def from_page(message: str | bytes) -> None:
            self.said.append(message)
            if number not in self.muted:
                far.send(message)

        near.on_message(from_page)
        far.on_message(lambda message: None if number in self.muted else near.send(message))


@pytest.fixture
def line() -> Iterator[Line]:
    with open_line() as line:
        yield line


def banner(page: Page) -> Locator:
    return page.locator("#connection-lost")


def test_a_line_that_dies_without_a_word_is_noticed_and_the_text_goes_on_where_it_was(
    stage: Stage, window: Callable[..., Page]
):
    ends = Event()
    stage.play(Ada=Script(text=MARKDOWN, tps=30, ends=ends), Ben=Script(text=MARKDOWN, tps=20, ends=ends))
    page = window()
    page.clock.install()
    lines = Muted(page)
    open_chain(page, "Pair")
    send(page, "Do you hear me?")
    until(page, lambda: {one.name for one in columns(page) if one.text} == {"Ada", "Ben"})
    lines.mute()
    ends.set()
    until(page, lambda: stage.calls_of("Ada")[0].finished)
    assert column(page, "Ada").status == "streaming"
    expect(banner(page)).to_be_hidden()

    page.clock.fast_forward(SILENCE_MS)
    until(page, lambda: len(lines.sockets) == 2)
    wait_for_end(page)
    expect(banner(page)).to_be_hidden()
    assert_shows_what_is_stored(page)
    live = answers(page)
    page.reload()
    assert answers(page) == live


def test_a_sign_of_life_keeps_a_line_that_has_nothing_else_to_say(stage: Stage, window: Callable[..., Page]):
    page = window()
    page.clock.install()
    lines = Muted(page)
    open_chain(page, "Pair")
    # It has greeted: the line stands.
    until(page, lambda: lines.said)
    for _ in range(4):
        page.clock.fast_forward(SHORT_SILENCE_MS)
        lines.sockets[0].send(HEARTBEAT)
        page.wait_for_timeout(200)
    assert len(lines.sockets) == 1
    expect(banner(page)).to_be_hidden()


def test_who_looks_at_the_page_again_waits_for_nothing(stage: Stage, window: Callable[..., Page], line: Line):
    page = window(proxy={"server": line.url})
    page.clock.install()
    open_chain(page, "Pair")
    line.cut()
    expect(banner(page)).to_be_visible()
    # Its pause does not end by itself any more, nor that of a try which the cut has still met.
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 60)

    def looks_at_it() -> None:
        page.evaluate("window.dispatchEvent(new Event('focus'))")

    def is_refused(before: int) -> bool:
        looks_at_it()
        return line.refused > before

    def is_back() -> bool:
        looks_at_it()
        return banner(page).is_hidden()

    before = line.refused
    until(page, lambda: is_refused(before))
    line.mend()
    until(page, is_back)


def test_a_line_that_does_not_come_back_for_long_offers_the_page_as_it_is_stored(
    stage: Stage, window: Callable[..., Page], line: Line
):
    page = window(proxy={"server": line.url})
    page.clock.install()
    open_chain(page, "Pair")
    line.cut()
    expect(banner(page).get_by_text("Connection lost. It comes back by itself")).to_be_visible()

    def says_more() -> bool:
        page.clock.fast_forward(16_000)
        return banner(page).get_by_role("link", name="Reload the page").is_visible()

    until(page, says_more)
    expect(banner(page)).to_contain_text("Still no connection")
    line.mend()

    def is_gone() -> bool:
        page.clock.fast_forward(16_000)
        return banner(page).is_hidden()

    until(page, is_gone)


def test_who_is_logged_out_is_told_so_and_loses_nothing_that_was_typed(
    stage: Stage, window: Callable[..., Page], line: Line
):
    page = window(proxy={"server": line.url})
    open_chain(page, "Pair")
    composer(page).fill("A thought that took long")
    before = page.url
    page.context.clear_cookies()
    line.cut()
    line.mend()

    link = banner(page).get_by_role("link", name="Log in again")
    expect(link).to_be_visible()
    expect(banner(page)).to_contain_text("You are logged out.")
    expect(banner(page).get_by_text("Connection lost")).to_be_hidden()
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    # It is not asked again and again, and nothing is loaded anew.
    expect(composer(page)).to_have_value("A thought that took long")
    assert page.url == before
    link.click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert page.url.endswith(f"?next={before.removeprefix(stage.server.url)}")


def test_the_window_of_a_session_that_was_deleted_elsewhere_leads_away_from_it(
    stage: Stage, window: Callable[..., Page]
):
    page, other = window(), window()
    open_chain(page, "Pair")
    composer(page).fill("A thought that took long")
    other.goto(f"{page.url}delete")
    other.get_by_role("button", name="Delete the session").click()

    link = banner(page).get_by_role("link", name="Back to the start")
    expect(link).to_be_visible()
    expect(composer(page)).to_have_value("A thought that took long")
    link.click()
    expect(page.get_by_role("button", name="Pair", exact=True)).to_be_visible()


@pytest.mark.parametrize("spread_ms", [0, 30_000])
def test_windows_that_lost_their_server_at_once_come_back_one_after_the_other(
    stage: Stage, window: Callable[..., Page], spread_ms: int
):
    page = window()
    open_chain(page, "Pair")
    first = sorted(page.evaluate(PAUSES, [0, spread_ms, WINDOWS]))
    later = page.evaluate(PAUSES, [3, spread_ms, WINDOWS])
    longest = first[-1]
    crowds = Counter(int(10 * pause / (longest + 1)) for pause in first)
    # A tenth of the time brings about a tenth of them.
    assert max(crowds.values()) < WINDOWS / 10 * 1.6
    # A server with many windows says how long they shall take; otherwise each pause is longer than the last.
    assert longest > 0.9 * spread_ms
    assert spread_ms or sum(later) > 3 * sum(first)
