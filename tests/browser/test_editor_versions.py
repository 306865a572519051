"""Versions: publishing shows what changes, an old version comes back, and runs are told apart by theirs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.editor import cards, control, expect_saved, expect_stages, publish, published
from tests.browser.window import send, wait_for_end

pytestmark = pytest.mark.once

OpenEditor = Callable[..., Page]


def change(page: Page, kind: str, name: str) -> Locator:
    """Return what a list of changes says of one agent."""
    shown = page.locator(f'.change[data-kind="{kind}"]')
    return shown.filter(has=page.locator("strong").get_by_text(name, exact=True))


def open_versions(page: Page) -> None:
    page.locator("#versions").click()
    expect(page.get_by_role("heading", name="What differs")).to_be_visible()


def row(page: Page, number: int) -> Locator:
    return page.locator(".version-row").filter(has=page.get_by_text(f"v{number}", exact=True))


def run_in_a_session(page: Page, message: str) -> None:
    """Run the chain that is edited in a session of its own, and come back."""
    address = page.url
    page.goto("/")
    page.get_by_role("button", name="Versioned", exact=True).first.click()
    page.wait_for_load_state()
    send(page, message)
    wait_for_end(page)
    page.goto(address)


def test_publishing_right_after_typing_shows_every_change_and_waits_for_a_yes(editor: OpenEditor):
    page = editor({"name": "Ada", "prompt": "Be very brief"}, {"name": "Ben"}, {"name": "Cleo"})
    page.get_by_role("button", name="Remove Ben").click()
    expect_stages(page, ["Ada"], ["Cleo"])
    page.get_by_role("button", name="Move Cleo up").click()
    expect_stages(page, ["Cleo"], ["Ada"])
    page.get_by_role("button", name="Add an agent").last.click()
    expect(cards(page)).to_have_count(3)
    control(page, 1, "prompt").fill("Be rather brief")
    page.get_by_role("link", name="Publish…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Changes since v1.")
    expect(change(page, "changed", "Ada").locator("del")).to_have_text("very")
    expect(change(page, "changed", "Ada").locator("ins")).to_have_text("rather")
    expect(change(page, "added", "Agent 3")).to_be_visible()
    expect(change(page, "removed", "Ben")).to_be_visible()
    expect(change(page, "moved", "Cleo")).to_be_visible()
    dialog.get_by_role("link", name="Not yet").click()
    expect(dialog).to_be_hidden()
    assert published(page)["agents"][0]["prompt"] == "Be very brief"
    expect(page.locator("#save-state")).not_to_contain_text("Published")

    publish(page)
    expect(page.get_by_text("Published as v2.")).to_have_count(0)
    expect(page.locator("#save-state")).to_have_text("Published as v2")
    assert [agent["name"] for agent in published(page)["agents"]] == ["Cleo", "Ada", "Agent 3"]
    page.get_by_role("link", name="Publish…").click()
    expect(dialog).to_contain_text("Nothing has changed since v2.")


def test_version_one_comes_back_as_the_draft_and_undo_takes_that_back(editor: OpenEditor):
    page = editor({"name": "Ada", "prompt": "One"}, {"name": "Ben"}, name="Versioned")
    page.get_by_role("button", name="Remove Ben").click()
    expect_stages(page, ["Ada"])
    control(page, 0, "prompt").fill("Two")
    expect_saved(page)
    publish(page)
    expect(page.locator("#publish.button-primary")).to_have_count(0)
    open_versions(page)
    # What the draft says already cannot come back.
    expect(row(page, 2).get_by_role("button", name="Restore as the draft")).to_have_count(0)
    row(page, 1).get_by_role("button", name="Restore as the draft").click()
    expect(page.get_by_text("The draft is v1 again. Undo takes that back.")).to_be_visible()
    expect_stages(page, ["Ada"], ["Ben"])
    expect(control(page, 0, "prompt")).to_have_value("One")
    expect(page.locator("#publish.button-primary")).to_be_visible()
    page.locator("#undo").click()
    expect_stages(page, ["Ada"])
    expect(control(page, 0, "prompt")).to_have_value("Two")
    page.locator("#redo").click()
    expect_stages(page, ["Ada"], ["Ben"])
    publish(page)
    expect(page.locator("#save-state")).to_have_text("Published as v3")
    assert [agent["name"] for agent in published(page)["agents"]] == ["Ada", "Ben"]


def test_a_version_tells_its_time_by_the_readers_clock(editor: OpenEditor):
    page = editor({"name": "Ada"}, timezone_id="Asia/Tokyo", locale="en-GB")
    open_versions(page)
    time = row(page, 1).locator("time")
    there = "time => new Date(time.dateTime).toLocaleTimeString('en-GB', { timeStyle: 'short' })"
    expect(time).to_contain_text(time.evaluate(there))


def test_versions_are_compared_and_name_the_sessions_that_ran_them(editor: OpenEditor):
    page = editor({"name": "Ada", "prompt": "One"}, name="Versioned")
    run_in_a_session(page, "First question")
    control(page, 0, "prompt").fill("Two")
    expect_saved(page)
    publish(page)
    run_in_a_session(page, "Second question")
    control(page, 0, "prompt").fill("Three")
    expect_saved(page)
    open_versions(page)

    expect(row(page, 2)).to_contain_text("current")
    expect(row(page, 2)).to_contain_text("Ada changed")
    expect(row(page, 1)).to_contain_text("The first version, with 1 agent")
    expect(change(page, "changed", "Ada").locator("del")).to_have_text("Two")
    expect(change(page, "changed", "Ada").locator("ins")).to_have_text("Three")
    page.locator("select[name=before]").select_option("v1")
    page.locator("select[name=after]").select_option("v2")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(change(page, "changed", "Ada").locator("del")).to_have_text("One")
    expect(change(page, "changed", "Ada").locator("ins")).to_have_text("Two")
    row(page, 1).get_by_role("link", name="Compare with the draft").click()
    expect(change(page, "changed", "Ada").locator("ins")).to_have_text("Three")

    expect(row(page, 1).get_by_role("link", name="Second question")).to_have_count(0)
    expect(row(page, 2).get_by_role("link", name="Second question")).to_be_visible()
    row(page, 1).get_by_role("link", name="First question").click()
    expect(page.locator("main[data-session]")).to_contain_text("First question")
