"""Single keys on a session's page, and the sheet that lists them and switches them off."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import Stage
from tests.browser.test_columns import NAMES, asked
from tests.browser.window import article, column, composer, send, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

SHORT = Script(tokens=20)
ENDLESS = Script(tokens=2_000, tps=40)
FOCUSED = "() => document.activeElement.closest('.column')?.querySelector('h3').textContent"


@pytest.fixture
def page(window: Callable[..., Page], stage: Stage) -> Page:
    stage.play(Ada=SHORT, Ben=SHORT, Cleo=SHORT, Dan=SHORT)
    page = asked(
        window(viewport={"width": 1440, "height": 900}, permissions=["clipboard-read", "clipboard-write"])
    )
    # Who writes types letters.
    page.keyboard.press("f")
    expect(composer(page)).to_have_value("f")
    composer(page).fill("")
    composer(page).blur()
    return page


def test_columns_are_gone_through_arranged_and_read(page: Page):
    keys = page.keyboard
    for key, name in (("1", "Ada"), ("l", "Ben"), ("h", "Ada"), ("4", "Dan"), ("2", "Ben")):
        keys.press(key)
        assert page.evaluate(FOCUSED) == name, key
    keys.press("f")
    expect(article(page, "Ben")).to_have_attribute("data-focused", "")
    keys.press("f")
    expect(page.locator("[data-focused]")).to_have_count(0)
    keys.press("]")
    assert page.evaluate(NAMES) == ["Ada", "Cleo", "Ben", "Dan"]
    keys.press("[")
    keys.press("p")
    assert page.evaluate(NAMES) == ["Ben", "Ada", "Cleo", "Dan"]
    keys.press("p")
    keys.press("x")
    assert page.evaluate(NAMES) == ["Ada", "Cleo", "Dan"]
    keys.press("u")
    assert page.evaluate(NAMES) == ["Ada", "Ben", "Cleo", "Dan"]
    keys.press("1")
    keys.press("y")
    source = column(page, "Ada").text.strip()
    until(page, lambda: page.evaluate("navigator.clipboard.readText()").strip() == source)
    keys.press("w")
    expect(page.get_by_role("heading", name="What Ada saw")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("heading", name="What Ada saw")).to_be_hidden()


def test_runs_are_gone_through_folded_and_stopped(page: Page, stage: Stage):
    stage.play(Ada=ENDLESS, Ben=ENDLESS, Cleo=SHORT)
    send(page, "Go on for ever")
    until(page, lambda: column(page, "Ada").status == column(page, "Ben").status == "streaming")
    composer(page).blur()
    page.keyboard.press("2")
    page.keyboard.press("s")
    expect(article(page, "Ben")).to_have_attribute("data-status", "cancelled")
    assert column(page, "Ada").status == "streaming"
    page.keyboard.press("Shift+S")
    wait_for_end(page, "cancelled")

    first, second = page.locator("section[data-run]").all()
    page.keyboard.press("k")
    expect(first.locator("summary").first).to_be_focused()
    expect(first.locator(".band-fold")).not_to_have_attribute("open", "")
    page.keyboard.press("o")
    expect(first.locator(".band-fold")).to_have_attribute("open", "")
    page.keyboard.press("j")
    expect(second.locator("summary").first).to_be_focused()
    page.keyboard.press("c")
    expect(composer(page)).to_be_focused()


def test_a_sheet_lists_them_and_switches_them_off(page: Page):
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(sheet).to_contain_text("find in the session")
    sheet.get_by_label(re.compile("Single-key shortcuts")).uncheck()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    for _ in range(2):
        page.keyboard.press("f")
        page.keyboard.press("?")
        expect(page.locator("[data-focused]")).to_have_count(0)
        expect(sheet).to_be_hidden()
        page.reload()
        composer(page).blur()
    page.get_by_role("button", name="Keyboard").click()
    sheet.get_by_label(re.compile("Single-key shortcuts")).check()
    sheet.get_by_role("button", name="Close").click()
    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="New session")).to_be_visible()
