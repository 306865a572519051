"""The test run beside the editor: live columns, samples, a stop, and always the draft as typed last."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest
from playwright.sync_api import Page, expect

from tests.browser.editor import control, expect_saved, expect_stages
from tests.browser.stage import MODELS, Stage
from tests.browser.window import article, assert_shows_what_is_stored, columns, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

OpenEditor = Callable[..., Page]
ENDLESS = Script(tokens=2_000, tps=40)
PAIR = [{"name": name, "model": MODELS[name], "connection_type": "parallel"} for name in ("Ada", "Ben")]


@pytest.fixture
def page(editor: OpenEditor) -> Page:
    return editor(*PAIR)


def run(page: Page, message: str = "") -> None:
    if message:
        page.locator("#composer-input").fill(message)
    page.get_by_role("button", name="Run the draft").click()


def lengths(page: Page) -> list[int]:
    return [len(one.text) for one in columns(page) if one.status == "streaming"]


def test_two_agents_stream_at_the_same_time_beside_the_cards_that_say_what_they_do(page: Page, stage: Stage):
    more, ends = Event(), Event()
    steady = Script(tokens=200, tps=50, goes_on=more, held_at=100, ends=ends)
    stage.play(Ada=steady, Ben=steady)
    control(page, 1, "prompt").fill("Doubt {{input}}")
    # Not saved yet: what runs is what was typed last.
    run(page, "that water is wet")
    first = until(page, lambda: len(seen := lengths(page)) == 2 and all(seen) and seen)
    more.set()
    until(page, lambda: [now > then for now, then in zip(lengths(page), first, strict=False)] == [True, True])
    expect(control(page, 1, "prompt")).to_be_visible()
    ends.set()
    wait_for_end(page)
    assert_shows_what_is_stored(page)
    assert "Doubt that water is wet" in str(stage.calls_of("Ben")[0].body)
    expect(page.locator("#composer-input")).to_have_value("that water is wet")
    expect(page.locator("#save-state")).to_contain_text("Published as v2")

    # A second one stands in its place, without any history.
    stage.play(Ada=Script(text="Short."), Ben=Script(text="Brief."))
    run(page)
    expect(article(page, "Ada")).to_contain_text("Short.")
    wait_for_end(page)
    expect(page.locator("section[data-run]")).to_have_count(1)
    assert len(stage.calls_of("Ada")[1].body["messages"]) == 1
    page.get_by_role("link", name="Open this test as a session").click()
    expect(page.locator("main[data-session]")).to_contain_text("Brief.")


def test_a_test_run_is_stopped_and_the_chain_is_edited_meanwhile(page: Page, stage: Stage):
    stage.play(Ada=ENDLESS, Ben=ENDLESS)
    run(page, "Go on for ever")
    until(page, lambda: len(lengths(page)) == 2 and all(lengths(page)))
    page.get_by_role("button", name="Move Ada behind").click()
    expect_stages(page, ["Ben", "Ada"])
    control(page, 0, "prompt").fill("Edited meanwhile")
    expect_saved(page)
    # Neither an edit nor a sample that is kept takes the stop away.
    page.locator("#sample-name").fill("Endless")
    page.get_by_role("button", name="Save the example").click()
    expect(page.get_by_role("link", name="Endless", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Open this test as a session")).to_be_visible()
    expect(page.get_by_role("button", name="Run the draft")).to_be_hidden()
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_for_end(page, "cancelled")
    assert {one.label for one in columns(page)} == {"Stopped"}
    expect(page.get_by_role("button", name="Run the draft")).to_be_visible()
    expect(control(page, 0, "prompt")).to_have_value("Edited meanwhile")


def test_messages_are_kept_as_samples_used_and_forgotten(page: Page):
    for name, message in (("Hard", "Why is there anything?"), ("Easy", "One and one?")):
        page.locator("#composer-input").fill(message)
        page.locator("#sample-name").fill(name)
        page.locator("#sample-name").press("Enter")
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    page.get_by_role("link", name="Hard", exact=True).click()
    expect(page.locator("#composer-input")).to_have_value("Why is there anything?")
    page.reload()
    page.get_by_role("link", name="Easy", exact=True).click()
    expect(page.locator("#composer-input")).to_have_value("One and one?")
    page.get_by_role("button", name="Remove the example Easy").click()
    expect(page.get_by_role("link", name="Easy", exact=True)).to_have_count(0)
    expect(page.locator("#composer-input")).to_have_value("One and one?")
    page.get_by_role("button", name="Save the example").click()
    expect(page.locator("#composer-error")).to_have_text("Give it a name.")
    expect(page.locator("#composer-input")).to_have_value("One and one?")
    page.locator("#composer-input").fill("")
    run(page)
    expect(page.locator("#composer-error")).to_have_text("Type a message first.")


def test_a_draft_whose_text_is_not_saved_is_not_run(page: Page, stage: Stage):
    other = page.context.new_page()
    other.goto(page.url)
    control(other, 0, "prompt").fill("Other words")
    expect_saved(other)
    control(page, 0, "prompt").fill("My words")
    run(page, "Whose words?")
    expect(page.locator("#composer-error")).to_contain_text("The draft was not run")
    page.get_by_role("button", name="Keep mine").click()
    expect_saved(page)
    page.context.set_offline(True)
    run(page)
    expect(page.locator("#composer-error")).to_contain_text("The server could not be reached")
    expect(page.locator("#composer-input")).to_have_value("Whose words?")
    page.context.set_offline(False)
    run(page)
    wait_for_end(page)
    assert len(stage.calls_of("Ada")) == 1
    assert "My words" in str(stage.calls_of("Ada")[0].body)
