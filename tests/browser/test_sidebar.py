"""Sessions in the side bar, the quick compare that makes one, and the theme."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import Stage
from tests.browser.window import columns, follow, is_purple, send, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

LIST = "#session-list"
MODELS = ("GPT-4.1", "Claude Haiku 4.5")


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    """A window of somebody who has no chains."""
    page = window("bob")
    page.goto("/")
    return page


def compare(page: Page, message: str) -> None:
    """Send a message to two models."""
    page.goto("/")
    for name in MODELS:
        page.get_by_role("checkbox", name=name).check()
    page.get_by_label("Message to all models").fill(message)
    page.get_by_role("button", name="Run").click()
    expect(page.locator("main[data-session]")).to_be_visible()
    page.wait_for_load_state()
    wait_for_end(page)


def test_a_quick_compare_is_two_purple_columns_that_can_be_kept_as_a_chain(stage: Stage, page: Page):
    stage.play(Ada=Script(tokens=20, tps=60), Ben=Script(tokens=20, tps=60))
    compare(page, "Which of you is better?")
    assert {(one.name, one.connection, one.status) for one in columns(page)} == {
        (name, "parallel", "completed") for name in MODELS
    }
    for column in page.locator("article[data-step-index]").all():
        assert is_purple(column, "borderBlockStartColor")

    page.get_by_role("button", name="Keep this chain").click()
    page.get_by_label("Name of the chain").fill("My two models")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("Kept as “My two models”")).to_be_visible()
    page.goto("/")
    follow(page, page.get_by_role("button", name="My two models", exact=True))
    send(page, "And now?")
    wait_for_end(page)
    assert len(stage.calls_of("Ada")) == 2


def test_what_is_picked_stays_in_sight_and_can_be_left_out(page: Page):
    for name in MODELS:
        page.get_by_role("checkbox", name=name).check()
    picked = page.get_by_role("group", name="Picked models")
    expect(picked.get_by_role("button")).to_have_text([f"Leave out {name}" for name in MODELS])
    expect(page.get_by_role("status").filter(has_text="2 models answer")).to_be_visible()

    picked.get_by_role("button", name=MODELS[0]).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("checkbox", name=MODELS[0])).not_to_be_checked()
    expect(picked.get_by_role("button", name=MODELS[1])).to_be_focused()
    page.keyboard.press("Enter")
    expect(picked).to_be_hidden()
    expect(page.get_by_role("checkbox", name=MODELS[1])).to_be_focused()
    expect(page.get_by_text("Pick 2 to 8 models.")).to_be_visible()


def test_one_model_is_not_enough_to_compare_and_the_message_stays(page: Page):
    page.get_by_role("checkbox", name=MODELS[0]).check()
    page.get_by_label("Message to all models").fill("Alone?")
    follow(page, page.get_by_role("button", name="Run"))
    expect(page.get_by_role("alert")).to_contain_text("Pick at least 2 models")
    expect(page.get_by_label("Message to all models")).to_have_value("Alone?")
    expect(page.get_by_role("checkbox", name=MODELS[0])).to_be_checked()
    expect(page.get_by_text("Pick 2 to 8 models.")).to_have_count(0)
    page.get_by_role("checkbox", name=MODELS[1]).check()
    expect(page.get_by_text("2 models answer at the same time.")).to_be_visible()
    expect(page.get_by_text("Pick at least 2 models")).to_have_count(0)


def test_a_session_stands_under_its_day_is_renamed_and_goes_after_a_confirmation(page: Page):
    compare(page, "How do herons sleep?")
    today = page.get_by_role("region", name="Today")
    expect(today.get_by_role("link", name="How do herons sleep?", exact=True)).to_be_visible()

    page.get_by_label("Title of this session").fill("Herons")
    page.get_by_label("Title of this session").press("Enter")
    expect(today.get_by_role("link", name="Herons", exact=True)).to_be_visible()
    expect(page).to_have_title("Herons · chain-chat")

    page.get_by_role("link", name="Delete this session").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("cannot be undone")
    dialog.get_by_text("Keep it").click()
    expect(dialog).to_be_hidden()
    expect(page.locator(LIST)).to_contain_text("Herons")
    page.get_by_role("link", name="Delete this session").click()
    dialog.get_by_role("button", name="Delete the session").click()
    expect(page.get_by_role("heading", name="New session")).to_be_visible()
    expect(page.locator(LIST)).not_to_contain_text("Herons")


def test_sessions_are_found_by_their_messages_and_answers(stage: Stage, page: Page):
    stage.play(Ada=Script(text="A kingfisher dives."))
    compare(page, "First about bridges")
    stage.play(Ada=Script(text="A wagtail walks."))
    compare(page, "Then about rivers")
    search, found = page.get_by_role("searchbox", name="Search sessions"), page.locator(LIST)
    search.press_sequentially("kingfisher")
    expect(found).to_contain_text("First about bridges")
    expect(found).not_to_contain_text("Then about rivers")
    search.fill("rivers")
    expect(found).to_contain_text("Then about rivers")
    expect(found).not_to_contain_text("First about bridges")
    search.fill("cormorant")
    expect(found).to_contain_text("No sessions match “cormorant”.")
    search.fill("")
    expect(found).to_contain_text("First about bridges")


def test_the_page_of_all_sessions_tells_times_by_the_readers_clock(window: Callable[..., Page], page: Page):
    compare(page, "When was that?")
    page = window("bob", timezone_id="Asia/Tokyo", locale="en-GB")
    page.goto("/sessions/")
    time = page.locator("#session-list time").first
    expected = time.evaluate(
        "time => new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'short'})"
        ".format(new Date(time.dateTime))"
    )
    expect(time).to_have_text(expected)
    page.get_by_label("Search sessions").fill("When was")
    expect(page.locator("#session-list time").first).to_have_text(expected)
    page.get_by_role("link", name="When was that?", exact=True).first.click()
    expect(page.locator("main[data-session]")).to_be_visible()
    # What is today there, the server asks of this.
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    assert cookies["timezone"] == "Asia/Tokyo"


def test_a_theme_that_was_chosen_stays(page: Page):
    page.emulate_media(color_scheme="light")
    root = page.locator("html")
    in_light = ink(page)
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(root).to_have_attribute("data-theme", "dark")
    in_dark = ink(page)
    assert in_dark != in_light

    page.reload()
    expect(root).to_have_attribute("data-theme", "dark")
    assert ink(page) == in_dark
    compare(page, "Is purple purple in the dark?")
    assert is_purple(page.locator("article[data-step-index]").first, "borderBlockStartColor")


def ink(page: Page) -> str:
    """Return the computed colour of the page's text."""
    return str(page.locator("body").evaluate("body => getComputedStyle(body).color"))
