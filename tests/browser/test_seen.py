"""What an agent saw, in a drawer: it opens and closes by hand and by keyboard, its passages lead on."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.stage import OWNER, Stage
from tests.browser.window import article, column, is_purple, open_chain, press_copy, send, wait_for_end
from tests.loopback.script import Fault, Script
from tests.loopback.server import KEY

pytestmark = pytest.mark.once

MESSAGE = "Is a <b>crow</b> clever?"
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    return window(permissions=["clipboard-read", "clipboard-write"])


def ask_the_panel(stage: Stage, page: Page) -> None:
    """Let two critics and an editor answer."""
    stage.play(
        Ada=Script(text="It is."), Ben=Script(text="It is not.\n\n- At all."), Dan=Script(text="Well.")
    )
    open_chain(page, "Panel")
    send(page, MESSAGE)
    wait_for_end(page)


def link_of(page: Page, name: str) -> Locator:
    return page.get_by_role("link", name=f"What {name} saw")


def drawer(page: Page) -> Locator:
    return page.get_by_role("dialog", name="What")


def open_drawer(page: Page, name: str) -> Locator:
    link_of(page, name).click()
    expect(page.get_by_role("heading", name=f"What {name} saw")).to_be_visible()
    return drawer(page)


def test_it_shows_the_very_words_that_the_provider_got(stage: Stage, page: Page):
    ask_the_panel(stage, page)
    shown = open_drawer(page, "Ada")
    texts = shown.locator(".seen-text")
    expect(texts).to_have_count(2)
    [call] = stage.calls_of("Ada")
    sent = [message["content"] for message in call.body["messages"]]
    assert [text.inner_text().replace("Your message", "") for text in texts.all()] == sent
    assert shown.locator("b").count() == 0


def test_each_passage_is_marked_in_the_colour_of_its_column_and_leads_there(stage: Stage, page: Page):
    ask_the_panel(stage, page)
    shown = open_drawer(page, "Dan")
    marks = shown.locator(".passage")
    expect(marks).to_have_count(4)
    assert [mark.locator("a").inner_text() for mark in marks.all()] == ["Ada", "Ben", "Your message", "Ada"]
    assert is_purple(marks.nth(1), "borderInlineStartColor")
    assert "- At all." in marks.nth(1).inner_text()
    assert marks.nth(2).inner_text().endswith(MESSAGE)

    marks.nth(1).get_by_role("link", name="Ben").click()
    expect(shown).to_be_hidden()
    expect(article(page, "Ben").locator("[data-answer]")).to_be_focused()
    expect(article(page, "Ben")).to_be_in_viewport()


def test_a_passage_leads_to_a_column_that_was_hidden(stage: Stage, page: Page):
    ask_the_panel(stage, page)
    page.get_by_role("button", name="Arrange Ben").click()
    page.get_by_role("menuitem", name="Hide").click()
    expect(article(page, "Ben")).to_be_hidden()
    open_drawer(page, "Dan").get_by_role("link", name="Ben").click()
    expect(article(page, "Ben")).to_be_visible()


def test_by_keyboard_it_opens_closes_and_gives_the_focus_back(stage: Stage, page: Page):
    ask_the_panel(stage, page)
    link_of(page, "Dan").focus()
    page.keyboard.press("Enter")
    expect(drawer(page)).to_be_visible()
    assert page.evaluate("document.getElementById('drawer').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(drawer(page)).to_be_hidden()
    expect(link_of(page, "Dan")).to_be_focused()

    page.keyboard.press("Enter")
    expect(drawer(page)).to_be_visible()
    page.get_by_role("link", name="Close").press("Enter")
    expect(drawer(page)).to_be_hidden()
    expect(link_of(page, "Dan")).to_be_focused()


def test_the_focus_comes_back_to_a_column_that_was_drawn_anew_meanwhile(stage: Stage, page: Page):
    stage.play(Ada=Script(tokens=20, tps=20))
    open_chain(page, "Solo")
    send(page, "Slowly")
    open_drawer(page, "Ada")
    wait_for_end(page)
    page.keyboard.press("Escape")
    expect(link_of(page, "Ada")).to_be_focused()


def test_a_click_beside_it_closes_it(stage: Stage, page: Page):
    ask_the_panel(stage, page)
    shown = open_drawer(page, "Dan")
    page.mouse.click(5, 400)
    expect(shown).to_be_hidden()


def test_the_messages_are_copied_as_json(stage: Stage, page: Page):
    ask_the_panel(stage, page)
    button = open_drawer(page, "Ada").get_by_role("button", name="Copy as JSON")
    assert press_copy(page, button) == "Copied"
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied == stage.calls_of("Ada")[0].body["messages"]


def test_the_call_is_copied_as_curl_without_its_key(stage: Stage, page: Page):
    ask_the_panel(stage, page)
    button = open_drawer(page, "Ben").get_by_role("button", name="Copy as curl")
    assert press_copy(page, button) == "Copied"
    copied = page.evaluate("navigator.clipboard.readText()")
    [call] = stage.calls_of("Ben")
    assert json.loads(copied.partition("<<'JSON'\n")[2].removesuffix("JSON\n")) == call.body
    assert "$ANTHROPIC_API_KEY" in copied
    assert KEY not in copied + page.content()


def test_of_two_attempts_either_can_be_looked_at(stage: Stage, page: Page):
    stage.play(Ada=Script(fault=Fault.STATUS, status=503, fail_times=1, tokens=3))
    open_chain(page, "Solo")
    send(page, "Try twice")
    wait_for_end(page)
    shown = open_drawer(page, "Ada")
    attempts = shown.get_by_role("navigation", name="Attempts").get_by_role("link")
    expect(attempts).to_have_text(["Attempt 1", "Attempt 2"])
    expect(attempts.last).to_have_attribute("aria-current", "true")
    attempts.first.click()
    expect(attempts.first).to_have_attribute("aria-current", "true")
    page.keyboard.press("Escape")
    expect(link_of(page, "Ada")).to_be_focused()


def test_a_message_of_a_hundred_thousand_characters_comes_when_it_is_asked_for(stage: Stage, page: Page):
    long = "".join(f"line {number}\n" for number in range(10_000))
    stage.play(Ada=Script(text=long, split=1_000), Ben=Script(text="Short."), Dan=Script(text="Well."))
    open_chain(page, "Panel")
    send(page, MESSAGE)
    wait_for_end(page)
    shown = open_drawer(page, "Dan")
    assert len(shown.locator(".seen-text").text_content() or "") < 7_000
    shown.get_by_role("link", name="Show the other").click()
    expect(shown.get_by_role("link", name="Show the other")).to_have_count(0)
    expect(shown.locator(".passage")).to_have_count(4)
    assert (shown.locator(".seen-text").text_content() or "").count("line 9999\n") == 2


def test_on_a_phone_it_is_a_sheet_that_fills_the_screen(stage: Stage, window: Callable[..., Page]):
    page = window(viewport=PHONE)
    ask_the_panel(stage, page)
    box = open_drawer(page, "Dan").bounding_box()
    assert box
    assert (round(box["width"]), round(box["height"])) == (PHONE["width"], PHONE["height"])
    drawer(page).get_by_role("link", name="Ben").click()
    expect(article(page, "Ben")).to_have_attribute("data-expanded", "true")


def test_without_scripts_it_is_a_page_whose_passages_lead_to_the_session(
    stage: Stage, page: Page, new_context: Callable[..., BrowserContext]
):
    ask_the_panel(stage, page)
    step = column(page, "Ben").step
    context = new_context(base_url=stage.server.url, java_script_enabled=False)
    context.add_cookies([{"name": "sessionid", "value": stage.cookie_of(OWNER), "url": stage.server.url}])
    plain = context.new_page()
    plain.goto(page.url)
    plain.get_by_role("link", name="What Dan saw").click()
    expect(plain.get_by_role("heading", name="What Dan saw")).to_be_visible()
    expect(plain.get_by_role("link", name="Open JSON")).to_be_visible()
    plain.get_by_role("link", name="Ben").click()
    expect(plain.locator(f"#step-{step}:target")).to_be_visible()
