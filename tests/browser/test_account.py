"""The pages of one's account: what is copied, what needs no script, what stands in one line."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.stage import Stage
from tests.browser.test_accessibility import code_of
from tests.browser.test_first_visit import PASSWORD, sign_up
from tests.browser.window import follow, press_copy

pytestmark = pytest.mark.once

ACTIVATE = "/accounts/2fa/totp/activate/"


def arrive_at_the_second_factor(page: Page, person: str) -> None:
    """Sign up and go to where a second factor is made."""
    sign_up(page, person)
    page.goto(ACTIVATE)
    page.get_by_label("Password").fill(PASSWORD)
    follow(page, page.get_by_role("button", name="Confirm"))
    expect(page.get_by_role("heading", name="Activate an authenticator app")).to_be_visible()


def left(element: Locator) -> float:
    box = element.bounding_box()
    assert box
    return box["x"]


def width(element: Locator) -> float:
    box = element.bounding_box()
    assert box
    return box["width"]


@pytest.fixture
def guest(new_context: Callable[..., BrowserContext], stage: Stage) -> Page:
    """A window in which somebody may copy."""
    return new_context(
        base_url=stage.server.url, permissions=["clipboard-read", "clipboard-write"]
    ).new_page()


def test_the_secret_and_the_recovery_codes_are_copied(guest: Page) -> None:
    arrive_at_the_second_factor(guest, "copyist")
    secret = guest.get_by_label("Authenticator secret").input_value()
    guest.get_by_role("button", name="Copy the secret").press("Enter")
    expect(guest.get_by_text("Copied").first).to_be_visible()
    assert guest.evaluate("navigator.clipboard.readText()") == secret

    guest.get_by_label("Code that the app shows now").fill(code_of(guest))
    follow(guest, guest.get_by_role("button", name="Activate"))
    codes = guest.locator(".recovery-codes li").all_inner_texts()
    assert press_copy(guest, guest.get_by_role("button", name="Copy", exact=True)) == "Copied"
    assert guest.evaluate("navigator.clipboard.readText()").splitlines() == codes
    with guest.expect_download() as download:
        guest.get_by_role("link", name="Download").click()
    assert download.value.path().read_text().split() == codes


def test_a_second_factor_is_made_and_taken_away_without_scripts(
    new_context: Callable[..., BrowserContext], stage: Stage
) -> None:
    page = new_context(base_url=stage.server.url, java_script_enabled=False).new_page()
    arrive_at_the_second_factor(page, "unscripted-factor")
    link = page.get_by_role("link", name="Open in your authenticator app")
    expect(link).to_have_attribute("href", re.compile(rf"otpauth://.*secret={secret_of(page)}"))
    expect(page.locator("[data-copy-text]")).to_be_hidden()
    page.get_by_label("Code that the app shows now").fill(code_of(page))
    page.get_by_role("button", name="Activate").click()
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    expect(page.locator("[data-copy-text]")).to_be_hidden()

    page.goto("/accounts/2fa/")
    page.get_by_role("link", name="Deactivate").click()
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("link", name="Deactivate").click()
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_text("your password alone logs you in")).to_be_visible()


def secret_of(page: Page) -> str:
    return page.get_by_label("Authenticator secret").input_value()


def test_entries_of_the_side_bar_and_the_picture_of_the_secret_stand_in_line(
    new_context: Callable[..., BrowserContext], stage: Stage
) -> None:
    desk = {"width": 1440, "height": 900}
    page = new_context(base_url=stage.server.url, viewport=desk, color_scheme="light").new_page()
    arrive_at_the_second_factor(page, "straight")
    entries = page.locator("#sidebar").get_by_role("link")
    icons = {round(left(entry.locator("svg"))) for entry in entries.all()}

    assert entries.count() == 5
    assert len(icons) == 1
    picture, field = page.get_by_role("img", name="QR code"), page.get_by_label("Authenticator secret")
    assert round(left(picture)) == round(left(field))


def test_the_loud_button_is_as_wide_as_the_fields_on_every_way_in(
    new_context: Callable[..., BrowserContext], stage: Stage
) -> None:
    guest = new_context(base_url=stage.server.url).new_page()
    sizes = set()
    for address in ("login", "signup", "password/reset", "password/reset/done", "inactive", "confirm-email"):
        guest.goto(f"/accounts/{address}/")
        button = guest.get_by_role("main").locator(".button-primary")
        box = button.bounding_box()
        assert box
        sizes.add((round(box["width"]), round(box["height"])))
        for field in guest.get_by_role("main").locator(".field input").all():
            assert round(width(field)) == round(box["width"])

    assert len(sizes) == 1
