"""The draft of a message: it stays until it is sent, wherever it is looked for; no window fights another."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.stage import Stage
from tests.browser.window import article, composer, open_chain, send, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

RUN = "section[data-run]"
DEMO = "Three critics and a synthesis"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
KEYS = "() => Object.keys(localStorage).filter((key) => key.startsWith('draft:'))"


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    return window()


def second_window(page: Page) -> Page:
    """Open the same page in another window of the same browser."""
    other = page.context.new_page()
    other.goto(page.url)
    return other


def open_demo(page: Page) -> Page:
    """Start a session of somebody who has no chains."""
    page.goto("/")
    page.get_by_role("button", name=DEMO).click()
    expect(page.locator("main[data-session]")).to_be_visible()
    page.wait_for_load_state()
    return page


def is_kept(page: Page, words: str) -> None:
    """Wait until the browser has stored a draft with these words."""
    stored = "(words) => Object.values(localStorage).some((value) => value.includes(words))"
    until(page, lambda: page.evaluate(stored, words))


def test_it_survives_a_reload_and_a_closed_tab(stage: Stage, page: Page):
    open_chain(page, "Solo")
    composer(page).press_sequentially("Half a thought")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("on two lines")
    page.reload()
    expect(composer(page)).to_have_value("Half a thought\non two lines")

    composer(page).press_sequentially(", nearly whole")
    later = page.context.new_page()
    page.close()
    later.goto(page.url)
    expect(composer(later)).to_have_value("Half a thought\non two lines, nearly whole")
    assert later.evaluate("() => document.querySelector('#composer-input').offsetHeight") > 40


def test_each_session_has_its_own(page: Page):
    open_chain(page, "Solo")
    composer(page).fill("For the first")
    first = page.url
    is_kept(page, "For the first")
    open_chain(page, "Pair")
    expect(composer(page)).to_have_value("")
    composer(page).fill("For the second")
    page.goto(first)
    expect(composer(page)).to_have_value("For the first")


def test_a_second_window_shows_the_same_and_loses_it_when_it_is_sent(stage: Stage, page: Page):
    open_chain(page, "Solo")
    other = second_window(page)
    composer(page).press_sequentially("From the first")
    expect(composer(other)).to_have_value("From the first")
    composer(other).press_sequentially(" and the second")
    expect(composer(page)).to_have_value("From the first and the second")
    composer(page).press("Enter")
    wait_for_end(page)
    expect(composer(other)).to_have_value("")
    assert page.evaluate(KEYS) == []


def test_what_was_written_in_one_window_is_not_overwritten_by_another(page: Page):
    open_chain(page, "Solo")
    other = second_window(page)
    # As if both had been typed into within the same moment.
    composer(other).evaluate("(field) => { field.value = 'Mine'; }")
    composer(page).press_sequentially("Theirs")
    is_kept(page, "Theirs")
    other.wait_for_timeout(300)
    expect(composer(other)).to_have_value("Mine")
    expect(composer(page)).to_have_value("Theirs")


def test_what_is_written_while_a_message_leaves_is_a_new_draft(stage: Stage, page: Page):
    open_chain(page, "Solo")
    held: list[Route] = []
    page.route("**/send", lambda route: held.append(route))
    send(page, "The message.")
    until(page, lambda: held)
    composer(page).press_sequentially(" And the next")
    held[0].continue_()
    expect(page.locator(RUN)).to_have_count(1)
    expect(composer(page)).to_have_value(" And the next")
    assert stage.loopback.wait_for_calls(1)[0].body["messages"][-1]["content"] == "The message."
    page.reload()
    expect(composer(page)).to_have_value(" And the next")


def test_a_message_that_could_not_be_sent_is_still_a_draft(page: Page):
    open_chain(page, "Solo")
    page.route("**/send", lambda route: route.abort())
    send(page, "Is anybody there?")
    expect(page.locator("#composer-error")).to_contain_text("could not be reached")
    page.unroute("**/send")
    page.reload()
    expect(composer(page)).to_have_value("Is anybody there?")


def test_whoever_logs_out_leaves_no_draft_behind(stage: Stage, window: Callable[..., Page]):
    page = open_demo(window("leaver"))
    composer(page).fill("For my eyes only")
    is_kept(page, "my eyes")
    page.get_by_role("button", name="Account of leaver").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="Log in").first).to_be_visible()
    until(page, lambda: page.evaluate(KEYS) == [])


def test_an_expired_log_in_loses_no_draft(stage: Stage, window: Callable[..., Page]):
    page = open_demo(window("sleeper"))
    session = page.url
    composer(page).fill("I was called away")
    is_kept(page, "called away")
    cookie = page.context.cookies()
    page.context.clear_cookies()
    page.goto(session)
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    page.context.add_cookies(cookie)  # type: ignore[arg-type]
    page.goto(session)
    expect(composer(page)).to_have_value("I was called away")


def test_the_picked_chain_is_kept_and_its_plan_is_shown(stage: Stage, page: Page):
    open_chain(page, "Solo")
    picker = page.locator("select[name=chain]")
    picker.select_option(label="Gate")
    expect(page.locator("#session-chain")).to_contain_text("Gate")
    for place in ("#session-chain", "#composer-plan", "#session-empty"):
        expect(page.locator(place)).to_contain_text("Dan")
    until(page, lambda: page.evaluate(KEYS))
    page.reload()
    expect(picker.locator("option:checked")).to_have_text("Gate")
    expect(page.locator("#session-chain")).to_contain_text("Gate")
    send(page, "Tell me of the heron")
    expect(article(page, "Dan")).to_be_visible()
    wait_for_end(page)


def test_the_estimate_follows_chain_and_length(page: Page):
    open_chain(page, "Solo")
    cost = page.locator("[data-cost]")
    short = cost.inner_text()
    composer(page).fill("word " * 20_000)
    expect(cost).not_to_have_text(short)
    long = cost.inner_text()
    page.locator("select[name=chain]").select_option(label="Trio")
    expect(cost).not_to_have_text(long)
    assert cost.inner_text().count("$") == 2


def test_the_enter_that_ends_a_composed_word_sends_nothing(stage: Stage, page: Page):
    open_chain(page, "Solo")
    composer(page).fill("日本")
    press = "(field, event) => field.dispatchEvent(new KeyboardEvent('keydown', {bubbles: true, ...event}))"
    composer(page).evaluate(press, {"key": "Enter", "isComposing": True})
    composer(page).evaluate(press, {"key": "Enter", "keyCode": 229})
    # What is sent next comes after it.
    composer(page).press("Enter")
    wait_for_end(page)
    expect(page.locator(RUN)).to_have_count(1)


def test_on_a_phone_enter_makes_a_line_and_the_button_sends(stage: Stage, window: Callable[..., Page]):
    page = window(**PHONE)
    open_chain(page, "Solo")
    expect(composer(page)).to_have_attribute("enterkeyhint", "enter")
    composer(page).press_sequentially("One")
    page.keyboard.press("Enter")
    page.keyboard.type("two")
    expect(composer(page)).to_have_value("One\ntwo")
    page.get_by_role("button", name="Send").tap()
    wait_for_end(page)
    assert stage.calls_of("Ada")[0].body["messages"][-1]["content"] == "One\ntwo"


def test_control_and_enter_send_on_a_phone_with_a_keyboard(stage: Stage, window: Callable[..., Page]):
    page = window(**PHONE)
    open_chain(page, "Solo")
    composer(page).press_sequentially("At once")
    page.keyboard.press("Control+Enter")
    wait_for_end(page)


def test_the_field_grows_with_its_text_to_a_bound(stage: Stage, page: Page):
    open_chain(page, "Solo")
    height = "() => document.querySelector('#composer-input').offsetHeight"
    composer(page).fill("line")
    small = page.evaluate(height)
    composer(page).fill("\n".join(["line"] * 8))
    grown = page.evaluate(height)
    composer(page).fill("\n".join(["line"] * 80))
    bound = page.evaluate(height)
    assert small < grown < bound <= 320
    stage.play(Ada=Script(tokens=2))
    composer(page).press("Enter")
    expect(composer(page)).to_have_value("")
    assert page.evaluate(height) <= small
