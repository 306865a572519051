"""How a run's end reaches somebody who looks elsewhere: the tab's title, and a notification if wanted."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import Stage
from tests.browser.window import open_chain, send, until, wait_for_end
from tests.loopback.script import Fault, Script

pytestmark = pytest.mark.once

# A headless browser hides no window by itself, and shows no notification that a test could see.
ELSEWHERE = """
let isAway = false;
Object.defineProperty(document, "hidden", { get: () => isAway });
Object.defineProperty(document, "visibilityState", { get: () => (isAway ? "hidden" : "visible") });
window.lookAway = (away) => {
  isAway = away;
  document.dispatchEvent(new Event("visibilitychange"));
};
window.notes = [];
window.asked = 0;
class Note extends EventTarget {
  static permission = localStorage.getItem("test-permission") ?? "default";
  static async requestPermission() {
    window.asked += 1;
    Note.permission = window.answer ?? "granted";
    localStorage.setItem("test-permission", Note.permission);
    return Note.permission;
  }
  constructor(title, options) {
    super();
    window.notes.push({ title, ...options });
  }
  close() {}
}
window.Notification = Note;
"""
# Nothing is painted of a hidden window, also what was to be painted already when it was hidden.
PAINTS_WHEN_SEEN = """
let toPaint = [];
window.requestAnimationFrame = (paint) => toPaint.push(paint);
setInterval(() => {
  if (document.hidden) return;
  const due = toPaint;
  toPaint = [];
  for (const paint of due) paint(performance.now());
}, 50);
// Only while frames wait for their picture.
window.lookAwayBeforeAPicture = () => {
  const isDue = toPaint.some((paint) => paint.name === "apply");
  if (isDue) lookAway(true);
  return isDue;
};
"""
BELL = "[data-notify]"


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    page = window()
    page.add_init_script(ELSEWHERE)
    return page


def look_away(page: Page) -> None:
    page.evaluate("() => lookAway(true)")


def come_back(page: Page) -> None:
    page.evaluate("() => lookAway(false)")


def test_the_title_says_that_it_is_done_until_somebody_looks(stage: Stage, page: Page):
    ends = Event()
    stage.play(Ada=Script(tokens=20, ends=ends))
    open_chain(page, "Solo")
    send(page, "Bridges")
    until(page, lambda: page.title() == "● Bridges · chain-chat")
    look_away(page)
    ends.set()
    until(page, lambda: page.title() == "✓ Done: Bridges · chain-chat")
    come_back(page)
    assert page.title() == "Bridges · chain-chat"


def test_whoever_looks_away_in_the_middle_of_a_picture_is_told_as_well(stage: Stage, page: Page):
    page.add_init_script(PAINTS_WHEN_SEEN)
    stage.play(Ada=Script(tokens=2_000, tps=40))
    open_chain(page, "Solo")
    send(page, "Bridges")
    until(page, lambda: page.title() == "● Bridges · chain-chat")
    until(page, lambda: page.evaluate("() => lookAwayBeforeAPicture()"))
    page.evaluate("() => document.querySelector('[data-stop=run]').click()")
    until(page, lambda: page.title() == "■ Stopped: Bridges · chain-chat")


def test_the_title_says_that_it_failed(stage: Stage, page: Page):
    begins = Event()
    stage.play(Ada=Script(fault=Fault.STATUS, status=400, begins=begins))
    open_chain(page, "Solo")
    send(page, "Bridges")
    until(page, lambda: page.title() == "● Bridges · chain-chat")
    look_away(page)
    begins.set()
    until(page, lambda: page.title() == "✗ Failed: Bridges · chain-chat")
    come_back(page)
    assert page.title() == "Bridges · chain-chat"


def test_whoever_looks_on_needs_no_telling(stage: Stage, page: Page):
    open_chain(page, "Solo")
    send(page, "Bridges")
    wait_for_end(page)
    assert page.title() == "Bridges · chain-chat"


def test_another_message_takes_the_old_news_away(stage: Stage, page: Page):
    open_chain(page, "Solo")
    look_away(page)
    send(page, "Bridges")
    until(page, lambda: page.title().startswith("✓ Done"))
    stage.play(Ada=Script(tokens=2_000, tps=40))
    send(page, "Tunnels")
    until(page, lambda: page.title() == "● Bridges · chain-chat")
    page.locator("[data-stop=run]").click()
    until(page, lambda: page.title() == "■ Stopped: Bridges · chain-chat")


def test_a_notification_is_asked_for_by_a_click_and_by_nothing_else(stage: Stage, page: Page):
    open_chain(page, "Solo")
    look_away(page)
    send(page, "Bridges")
    wait_for_end(page)
    assert page.evaluate("() => [asked, notes.length]") == [0, 0]
    expect(page.locator(BELL)).to_have_attribute("aria-pressed", "false")
    page.locator(BELL).click()
    expect(page.locator(BELL)).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("() => asked") == 1

    send(page, "Tunnels")
    until(page, lambda: page.evaluate("() => notes.length"))
    [note] = page.evaluate("() => notes")
    assert note["title"] == "Bridges"
    assert note["body"] == "✓ Done: Tunnels"
    assert note["tag"].startswith("run-")


def test_nobody_who_looks_on_is_notified(stage: Stage, page: Page):
    open_chain(page, "Solo")
    page.locator(BELL).click()
    send(page, "Bridges")
    wait_for_end(page)
    assert page.evaluate("() => notes") == []


def test_the_setting_belongs_to_the_browser_and_can_be_taken_back(stage: Stage, page: Page):
    open_chain(page, "Solo")
    page.locator(BELL).click()
    expect(page.locator(BELL)).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.locator(BELL)).to_have_attribute("aria-pressed", "true")
    page.locator(BELL).click()
    expect(page.locator(BELL)).to_have_attribute("aria-pressed", "false")
    look_away(page)
    send(page, "Bridges")
    wait_for_end(page)
    assert page.evaluate("() => notes") == []


def test_a_browser_that_says_no_is_not_asked_again_and_again(stage: Stage, page: Page):
    open_chain(page, "Solo")
    page.evaluate("() => { window.answer = 'denied'; }")
    page.locator(BELL).click()
    expect(page.locator(BELL)).to_have_attribute("title", "Your browser blocks notifications of this site")
    page.locator(BELL).click()
    assert page.evaluate("() => asked") == 1
    expect(page.locator(BELL)).to_have_attribute("aria-pressed", "false")
