"""Somebody whose log-in has ended, or was renewed in another window: they go on where they were."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from tests.browser.editor import control, expect_saved
from tests.browser.stage import Stage
from tests.browser.test_drafts import is_kept, open_demo
from tests.browser.test_first_visit import PASSWORD, sign_up
from tests.browser.window import composer, follow, send, until, wait_for_end

pytestmark = pytest.mark.once

LOG_IN = "Log in"
MODELS = "input[name=models]"


@pytest.fixture
def guest(new_context: Callable[..., BrowserContext], stage: Stage) -> Page:
    """A window in which somebody may copy."""
    permissions = ["clipboard-read", "clipboard-write"]
    return new_context(base_url=stage.server.url, permissions=permissions).new_page()


def end_log_in(page: Page) -> None:
    page.context.clear_cookies(name="sessionid")


def log_in(page: Page, person: str) -> None:
    """Fill in the log-in form that a page shows."""
    page.get_by_label("Username or email").fill(person)
    page.get_by_label("Password").fill(PASSWORD)
    follow(page, page.get_by_role("button", name=LOG_IN))


def log_in_elsewhere(page: Page, person: str) -> None:
    """Log in in another window of the same browser."""
    other = page.context.new_page()
    other.goto("/accounts/login/")
    log_in(other, person)
    other.close()


def test_a_message_that_was_sent_too_late_is_there_after_the_log_in(guest: Page):
    sign_up(guest, "late-sender")
    open_demo(guest)
    end_log_in(guest)
    send(guest, "I thought about this for an hour")
    expect(guest.get_by_role("heading", name=LOG_IN)).to_be_visible()
    log_in(guest, "late-sender")
    expect(composer(guest)).to_have_value("I thought about this for an hour")
    send_it(guest)
    expect(guest.locator("[data-run]")).to_have_count(1)


def send_it(page: Page) -> None:
    page.get_by_role("button", name="Send", exact=True).click()


def test_an_old_page_goes_on_after_a_log_in_elsewhere(guest: Page):
    sign_up(guest, "two-windows")
    open_demo(guest)
    composer(guest).fill("From the old page")
    is_kept(guest, "old page")
    end_log_in(guest)
    log_in_elsewhere(guest, "two-windows")
    files = [{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Three herons"}]
    guest.locator("[data-composer] input[type=file]").set_input_files(files)  # type: ignore[arg-type]
    expect(guest.locator("[data-file]")).to_contain_text("notes.txt")
    send_it(guest)
    expect(guest.locator("[data-run]")).to_have_count(1)
    wait_for_end(guest)
    # A form without a script, and the last one that the old page has.
    guest.get_by_role("button", name="Account of two-windows").click()
    follow(guest, guest.get_by_role("button", name="Log out"))
    expect(guest.get_by_role("link", name=LOG_IN).first).to_be_visible()


def test_what_is_typed_in_the_editor_is_saved_after_a_log_in_elsewhere(guest: Page):
    sign_up(guest, "old-editor")
    follow(guest, guest.get_by_role("button", name="New chain"))
    control(guest, 0, "prompt").fill("Before")
    expect_saved(guest)
    end_log_in(guest)
    control(guest, 0, "prompt").fill("Keep me")
    expect(guest.locator("#save-state")).to_contain_text("You are logged out")
    log_in_elsewhere(guest, "old-editor")
    expect_saved(guest)
    guest.reload()
    expect(control(guest, 0, "prompt")).to_have_value("Keep me")


def test_a_comparison_that_was_sent_too_late_is_there_after_the_log_in(guest: Page):
    sign_up(guest, "late-comparer")
    guest.get_by_label("Message to all models").fill("Which of you is late?")
    for box in guest.locator(MODELS).all()[:2]:
        box.check()
    end_log_in(guest)
    follow(guest, guest.get_by_role("button", name="Run", exact=True))
    log_in(guest, "late-comparer")
    expect(guest.get_by_label("Message to all models")).to_have_value("Which of you is late?")
    assert guest.locator(f"{MODELS}:checked").count() == 2
    follow(guest, guest.get_by_role("button", name="Run", exact=True))
    expect(guest.locator("[data-run]")).to_have_count(1)
    # It has arrived: whoever comes back another time begins anew.
    end_log_in(guest)
    guest.goto("/accounts/login/")
    log_in(guest, "late-comparer")
    expect(guest.get_by_label("Message to all models")).to_have_value("")


def test_a_window_whose_session_was_renewed_asks_who_it_is_and_goes_on(guest: Page):
    sign_up(guest, "new-password")
    sockets: list[WebSocketRoute] = []

    def connect(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        if len(sockets) == 1:
            # As the server does when it does not find the session that a window came with.
            socket.close(code=4002, reason="")
        else:
            socket.connect_to_server()

    guest.route_web_socket("**/ws/sessions/**", connect)
    open_demo(guest)
    until(guest, lambda: len(sockets) > 1)
    expect(guest.locator("#connection-lost")).to_be_hidden()
    send(guest, "Are you still there?")
    expect(guest.locator("article[data-step-index]").first).to_have_attribute("data-status", "completed")


def test_the_log_in_page_is_not_copied_for_an_answer(guest: Page):
    sign_up(guest, "copier")
    open_demo(guest)
    send(guest, "Say something")
    wait_for_end(guest)
    guest.evaluate("navigator.clipboard.writeText('mine')")
    end_log_in(guest)
    guest.locator("article [data-copy]").first.click()
    expect(guest.get_by_text("Not copied")).to_be_attached()
    assert guest.evaluate("navigator.clipboard.readText()") == "mine"
