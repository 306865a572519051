"""Going on with runs that did not complete, as a person does it: nothing is called that was not said."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from playwright.sync_api import Page, expect

from tests.browser import stage as stages
from tests.browser.stage import OWNER, Stage
from tests.browser.window import (
    article,
    assert_shows_what_is_stored,
    column,
    columns,
    follow,
    open_chain,
    send,
    until,
    wait_for_end,
)
from tests.loopback.script import Fault, Script

PACED = Script(first=0.1, tokens=20, tps=40)
CUT = Script(tokens=12, fault=Fault.CUT, after=6)
LONG = Script(first=0.1, tokens=400, tps=40)
SILENT = Script(fault=Fault.HANG_HEADERS)


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    return window()


def runs(page: Page) -> list[str]:
    return [band.get_attribute("data-run-status") or "" for band in page.locator("section[data-run]").all()]


def test_a_failed_agent_is_retried_with_another_model_and_the_others_are_taken_over(stage: Stage, page: Page):
    stage.play(Ada=PACED, Ben=Script(fault=Fault.STATUS, status=401), Cleo=PACED, Dan=PACED)
    open_chain(page, "Trio")
    send(page, "Fail once")
    wait_for_end(page)
    article(page, "Ben").get_by_role("link", name="Retry this agent").click()

    dialog = page.locator("#dialog")
    expect(dialog.locator(".offer-facts")).to_contain_text("Ben")
    expect(dialog.locator(".offer-facts")).to_contain_text("Dan")
    expect(dialog).to_contain_text("Taken over")
    dialog.get_by_label("Model of Ben").select_option(label="openai/gpt-5-mini")
    dialog.get_by_role("button", name="Retry").click()

    expect(dialog).to_be_hidden()
    expect(page.locator("section[data-run]")).to_have_count(2)
    wait_for_end(page)
    assert [len(stage.calls_of(name)) for name in ("Ada", "Ben", "Cleo", "Dan")] == [1, 1, 1, 3]
    expect(article(page, "Ada")).to_contain_text("not called again, nothing paid")
    assert column(page, "Ada").text == columns(page)[0].text
    assert_shows_what_is_stored(page)


def test_a_cut_answer_is_kept_and_the_next_agent_goes_on_with_it(stage: Stage, page: Page):
    stage.play(Ada=CUT, Ben=PACED, Dan=PACED)
    open_chain(page, "Gate")
    send(page, "Break off")
    wait_for_end(page, "interrupted")
    expect(article(page, "Ada")).to_contain_text("Interrupted at 36 characters")
    article(page, "Ada").get_by_role("link", name="Keep the text and continue").click()
    page.locator("#dialog").get_by_role("button", name="Keep and continue").click()

    expect(page.locator("section[data-run]")).to_have_count(2)
    wait_for_end(page)
    assert len(stage.calls_of("Ada")) == 1
    assert "Ada-5" in stage.calls_of("Dan")[0].body["messages"][-1]["content"]


def test_a_run_is_done_again_by_keyboard(stage: Stage, page: Page):
    stage.play(Ada=PACED)
    open_chain(page, "Solo")
    send(page, "Once more")
    wait_for_end(page)
    page.get_by_role("link", name="Run again", exact=True).focus()
    page.keyboard.press("Enter")
    button = page.locator("#dialog").get_by_role("button", name="Run again")
    expect(button).to_be_visible()
    button.focus()
    page.keyboard.press("Enter")

    expect(page.locator("section[data-run]")).to_have_count(2)
    wait_for_end(page)
    assert len(stage.calls_of("Ada")) == 2


def test_without_scripts_the_same_offers_are_pages(stage: Stage, window: Callable[..., Page]):
    stage.play(Ada=CUT, Dan=PACED)
    page = window(java_script_enabled=False)
    page.goto("/")
    follow(page, page.get_by_role("button", name="Gate", exact=True))
    page.locator("textarea[name=input]").fill("Break off")
    # No page may be read again while another is on its way.
    follow(page, page.get_by_role("button", name="Send"))
    until(page, lambda: page.reload() and runs(page) == ["interrupted"])
    page.get_by_role("link", name="Keep the text and continue").click()
    follow(page, page.get_by_role("button", name="Keep and continue"))

    until(page, lambda: page.reload() and runs(page) == ["interrupted", "completed"])


@pytest.fixture
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """An installation of this test's own, whose processes it may kill."""
    folder: Path = tmp_path_factory.mktemp("fragile")
    with stages.set_up(folder) as stage:
        yield stage


def test_after_a_crash_the_page_comes_back_and_the_run_goes_on_as_decided(
    fragile: Stage, new_context: Callable[..., Page]
):
    """Ada has answered, Ben is in the middle of it, Cleo has no token: Cleo alone is called again unasked."""
    fragile.play(Ada=Script(tokens=4), Ben=replace(LONG, ends=Event()), Cleo=SILENT, Dan=PACED)
    server = fragile.server
    context = new_context(base_url=server.url)
    cookie = {"name": "sessionid", "value": fragile.cookie_of(OWNER), "url": server.url}
    context.add_cookies([cookie])  # type: ignore[attr-defined]
    page = context.new_page()  # type: ignore[attr-defined]
    open_chain(page, "Trio")
    send(page, "Survive")
    expect(article(page, "Ada")).to_have_attribute("data-status", "completed")
    expect(article(page, "Ben")).to_contain_text("Ben-40")
    until(page, lambda: fragile.calls_of("Cleo"))
    stored = f"/steps/{column(page, 'Ben').step}/text"
    until(page, lambda: "Ben-20 " in page.request.get(stored).text())

    server.stop(signal.SIGKILL)
    fragile.play(Cleo=PACED)
    server.start()

    until(page, lambda: runs(page) == ["interrupted"])
    ended = ["completed", "interrupted", "completed", "skipped"]
    until(page, lambda: [one.status for one in columns(page)] == ended)
    expect(page.locator(".run-summary")).to_contain_text("Waiting for you")
    assert_shows_what_is_stored(page)
    kept = column(page, "Ben").text
    assert "Ben-20" in kept
    article(page, "Ben").get_by_role("link", name="Retry this agent").click()
    expect(page.locator("#dialog")).to_contain_text("The run goes on where it stands.")
    fragile.play(Ben=PACED)
    # Somebody who presses everything twice.
    page.locator("#dialog").get_by_role("button", name="Retry").dblclick()

    until(page, lambda: runs(page) == ["completed"])
    wait_for_end(page)
    expect(page.locator("#dialog")).to_be_hidden()
    assert [len(fragile.calls_of(name)) for name in ("Ada", "Ben", "Cleo", "Dan")] == [1, 2, 2, 1]
    expect(article(page, "Ben")).to_contain_text("earlier attempt")
    assert_shows_what_is_stored(page)
