"""Everything that matters works without JavaScript: one reloads to see how far the answers are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.stage import Stage
from tests.browser.test_first_visit import PASSWORD, sign_up
from tests.browser.window import follow
from tests.loopback.script import Script

pytestmark = pytest.mark.once

RUN = "section[data-run]"
# The first real model of the catalogue is the one that demo chains use.
DEFAULT_MODEL = "gpt-6.1-sol"


@pytest.fixture
def page(new_context: Callable[..., BrowserContext], stage: Stage) -> Page:
    return new_context(base_url=stage.server.url, java_script_enabled=False).new_page()


def reload_until_ended(page: Page) -> None:
    """Reload as a person would, until the run has ended."""
    for _ in range(100):
        if page.locator(RUN).last.get_attribute("data-run-status") not in ("queued", "running"):
            return
        page.wait_for_timeout(100)
        page.reload()
    raise AssertionError("The run did not end.")


def test_somebody_signs_up_runs_a_demo_and_reads_the_answers(stage: Stage, page: Page):
    stage.loopback.script(DEFAULT_MODEL, Script(tokens=40, tps=60, tag="Word"))
    sign_up(page, "scriptless")
    page.get_by_role("button", name="Three critics and a synthesis").click()
    page.locator("form[data-composer] textarea[name=input]").fill("Can you read me?")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("article[data-step-index]")).to_have_count(4)
    reload_until_ended(page)

    expect(page.locator(RUN)).to_have_attribute("data-run-status", "completed")
    for answer in page.locator("[data-answer]").all():
        expect(answer).to_be_visible()
        expect(answer).to_contain_text("Word-39")


def test_a_run_is_stopped_and_a_session_is_renamed_and_deleted(stage: Stage, page: Page):
    stage.loopback.script(DEFAULT_MODEL, Script(tokens=2_000, tps=40))
    sign_up(page, "plain")
    page.get_by_role("button", name="Three critics and a synthesis").click()
    page.locator("form[data-composer] textarea[name=input]").fill("Stop me")
    page.get_by_role("button", name="Send").click()
    stage.loopback.wait_for_calls(3)
    follow(page, page.locator("[data-stop=run]"))
    reload_until_ended(page)
    expect(page.locator(RUN)).to_have_attribute("data-run-status", "cancelled")

    page.get_by_label("Title of this session").fill("Plain pages")
    page.get_by_label("Title of this session").press("Enter")
    expect(page.locator("#session-list")).to_contain_text("Plain pages")
    page.get_by_role("link", name="Delete this session").click()
    page.get_by_role("button", name="Delete the session").click()
    expect(page.get_by_text("“Plain pages” was deleted.")).to_be_visible()
    expect(page.locator("#session-list")).not_to_contain_text("Plain pages")


def test_the_log_in_form_needs_no_script(page: Page):
    sign_up(page, "unscripted")
    page.context.clear_cookies()
    page.goto("/")
    page.goto("/accounts/login/")
    page.get_by_label("Username or email").fill("unscripted")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="New session")).to_be_visible()


def test_a_message_that_nobody_can_close_keeps_nothing_from_being_clicked(page: Page):
    sign_up(page, "collector")
    page.get_by_role("link", name="Chains", exact=True).click()
    follow(page, page.get_by_role("button", name="New chain").first)
    page.goto("/chains/new-chain/export")
    message = page.get_by_text("“New chain” was never published")
    expect(message).to_be_visible()
    # The button stands where the message would; a click waits until nothing is above it.
    page.get_by_role("button", name="New chain", exact=True).first.click()
    page.get_by_role("link", name="Versions").click()
    expect(page.get_by_text("Not published yet.")).to_be_visible()
    page.get_by_role("link", name="Publish…").click()
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_text("Published as v1.")).to_be_visible()
