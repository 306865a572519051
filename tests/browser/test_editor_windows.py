"""Two windows that edit one draft: each is told, and no text is lost between them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.editor import bring_in, cards, control, expect_saved, expect_stages, setting

pytestmark = pytest.mark.once

OpenEditor = Callable[..., Page]
NOTICE = "#editor-notice"


def second(page: Page) -> Page:
    """Open the same draft in another window."""
    other = page.context.new_page()
    other.goto(page.url)
    return other


def write(page: Page, field: Locator, text: str) -> None:
    field.fill(text)
    field.blur()
    expect_saved(page)


def texts(page: Page) -> tuple[Locator, Locator]:
    """Return what a window shows of two texts: its own, and what is stored."""
    return page.locator(".conflict [data-mine]"), page.locator(".conflict [data-theirs]")


@pytest.mark.parametrize(
    ("choice", "stored"), [("Keep mine", "From the second"), ("Take what is stored", "From the first")]
)
def test_both_texts_of_a_field_are_shown_and_either_can_be_kept(choice: str, stored: str, editor: OpenEditor):
    first = editor({"name": "Ada"}, {"name": "Ben"})
    other = second(first)
    write(first, control(first, 0, "prompt"), "From the first")
    control(other, 0, "prompt").fill("From the second")
    mine, theirs = texts(other)
    expect(mine).to_have_value("From the second")
    expect(theirs).to_have_value("From the first")
    expect(other.locator("#save-state")).to_contain_text("Changed in two windows: choose a text")
    expect(control(other, 0, "prompt")).to_have_value("From the second")

    other.get_by_role("button", name="Remove Ben").click()
    expect(other.locator(NOTICE)).to_contain_text("has to wait until what you typed is saved")
    other.get_by_role("button", name=choice).click()
    expect(control(other, 0, "prompt")).to_be_focused()
    expect_saved(other)
    expect(control(other, 0, "prompt")).to_have_value(stored)
    other.get_by_role("button", name="Remove Ben").click()
    expect_stages(other, ["Ada"])
    first.reload()
    expect(control(first, 0, "prompt")).to_have_value(stored)


def test_two_fields_need_no_choice_and_both_windows_come_to_the_same(editor: OpenEditor):
    first = editor({"name": "Ada"}, {"name": "Ben"})
    other = second(first)
    write(first, control(first, 0, "prompt"), "From the first")
    control(other, 1, "prompt").fill("From the second")
    expect(other.locator(NOTICE)).to_contain_text("This draft was also changed in another window")
    expect(control(other, 0, "prompt")).to_have_value("From the first")
    expect_saved(other)
    expect(other.locator(".conflict")).to_have_count(0)
    other.get_by_role("button", name="Close").click()
    expect(other.locator(NOTICE)).to_be_hidden()
    first.reload()
    expect(control(first, 1, "prompt")).to_have_value("From the second")


def test_agents_that_come_and_move_do_not_disturb_who_types_in_the_other_window(editor: OpenEditor):
    first = editor({"name": "Ada", "prompt": "one three"})
    other = second(first)
    first.get_by_role("button", name="Add an agent").first.click()
    expect_stages(first, ["Agent 2"], ["Ada"])
    first.get_by_role("button", name="Duplicate Ada").click()
    expect_stages(first, ["Agent 2"], ["Ada"], ["Ada 2"])
    first.get_by_role("button", name="Move Agent 2 down").click()
    expect_stages(first, ["Ada"], ["Agent 2"], ["Ada 2"])
    control(other, 0, "prompt").click()
    other.keyboard.press("Home")
    for _ in "one ":
        other.keyboard.press("ArrowRight")
    other.keyboard.type("two")
    expect_stages(other, ["Ada"], ["Agent 2"], ["Ada 2"])
    expect_saved(other)
    other.keyboard.type(" ")
    expect(control(other, 0, "prompt")).to_have_value("one two three")
    expect_saved(other)
    first.reload()
    expect(control(first, 0, "prompt")).to_have_value("one two three")


@pytest.mark.parametrize("is_conflict", [False, True], ids=["typed", "in conflict"])
def test_a_text_typed_into_an_agent_that_was_removed_is_handed_back(is_conflict: bool, editor: OpenEditor):
    first = editor({"name": "Ada"}, {"name": "Ben"})
    other = second(first)
    if is_conflict:
        write(first, control(first, 1, "prompt"), "From the first")
        control(other, 1, "prompt").fill("Precious words")
        expect(texts(other)[0]).to_have_value("Precious words")
    first.get_by_role("button", name="Remove Ben").click()
    expect_stages(first, ["Ada"])
    if is_conflict:
        control(other, 0, "prompt").fill("Another")
    else:
        control(other, 1, "prompt").fill("Precious words")
    expect(other.get_by_label("What you typed")).to_have_value("Precious words")
    expect_stages(other, ["Ada"])
    other.get_by_role("button", name="Add an agent").first.click()
    expect_stages(other, ["Agent 2"], ["Ada"])
    expect(other.get_by_label("What you typed")).to_have_value("Precious words")
    expect_saved(other)
    other.get_by_role("button", name="Close").click()
    expect(other.locator(NOTICE)).to_be_hidden()


def test_an_act_on_what_another_window_moved_is_not_done_blindly(editor: OpenEditor):
    first = editor({"name": "Ada"}, {"name": "Ben"}, {"name": "Cleo"})
    other = second(first)
    first.get_by_role("button", name="Move Ada down").click()
    expect_stages(first, ["Ben"], ["Ada"], ["Cleo"])
    other.get_by_role("button", name="Move Ada down").click()
    expect(other.get_by_text("Another window changed this draft")).to_be_visible()
    expect_stages(other, ["Ben"], ["Ada"], ["Cleo"])
    other.get_by_role("button", name="Move Ada down").click()
    expect_stages(other, ["Ben"], ["Cleo"], ["Ada"])


def test_an_undo_in_one_window_meets_a_text_of_the_other(editor: OpenEditor):
    first = editor({"name": "Ada"})
    write(first, control(first, 0, "prompt"), "First")
    write(first, control(first, 0, "prompt"), "Second")
    other = second(first)
    first.locator("#undo").click()
    expect(control(first, 0, "prompt")).to_have_value("First")
    control(other, 0, "prompt").fill("Second and a half")
    mine, theirs = texts(other)
    expect(mine).to_have_value("Second and a half")
    expect(theirs).to_have_value("First")


def test_settings_of_the_chain_are_brought_together_too(editor: OpenEditor):
    first = editor({"name": "Ada"}, name="Chain")
    other = second(first)
    for page in (first, other):
        page.get_by_text("Chain settings").click()
    write(first, setting(first, "description"), "From the first")
    setting(other, "name").fill("Renamed")
    expect(setting(other, "description")).to_have_value("From the first")
    expect_saved(other)
    first.reload()
    first.get_by_text("Chain settings").click()
    expect(setting(first, "name")).to_have_value("Renamed")

    write(first, setting(first, "description"), "From the first again")
    setting(other, "description").fill("From the second")
    mine, theirs = texts(other)
    expect(mine).to_have_value("From the second")
    expect(theirs).to_have_value("From the first again")
    other.get_by_role("button", name="Take what is stored").click()
    expect(setting(other, "description")).to_have_value("From the first again")
    expect_saved(other)


def test_tags_of_two_windows_are_both_shown(editor: OpenEditor):
    first = editor({"name": "Ada"})
    other = second(first)
    for page in (first, other):
        page.get_by_text("Chain settings").click()
    write(first, setting(first, "tags"), "alpha")
    setting(other, "tags").fill("beta")
    mine, theirs = texts(other)
    expect(mine).to_have_value("beta")
    expect(theirs).to_have_value("alpha")


def test_choices_are_told_by_their_names(editor: OpenEditor):
    first = editor({"name": "Ada"})
    other = second(first)
    for page, words, name in (
        (first, "haiku 4.5", "Claude Haiku 4.5"),
        (other, "3.8 flash", "Gemini 3.8 Flash"),
    ):
        cards(page).nth(0).locator("[data-model-pick]").click()
        page.get_by_role("combobox", name="Search models").fill(words)
        page.keyboard.press("Enter")
        expect(cards(page).nth(0).locator("[data-model-pick]")).to_contain_text(name)
        if page is first:
            expect_saved(page)
    mine, theirs = texts(other)
    expect(mine).to_have_value("Gemini 3.8 Flash")
    expect(theirs).to_have_value("Claude Haiku 4.5")
    other.get_by_role("button", name="Take what is stored").click()
    expect(cards(other).nth(0).locator("[data-model-pick]")).to_contain_text("Claude Haiku 4.5")


def test_an_import_and_a_draft_that_was_edited_do_not_overwrite_one_another(editor: OpenEditor):
    page = editor({"name": "Ada"})
    write(page, control(page, 0, "prompt"), "Mine")
    slug = page.url.split("/")[-2]
    bring_in(page.context, "Draft", {"name": "Ada", "prompt": "Imported"}, slug=slug)
    control(page, 0, "prompt").fill("Mine too")
    expect_saved(page)
    page.reload()
    expect(control(page, 0, "prompt")).to_have_value("Mine too")
    page.get_by_role("link", name="Publish…").click()
    expect(page.get_by_role("dialog").locator("del")).to_have_text("Imported")
