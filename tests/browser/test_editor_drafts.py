"""Drafts: nothing typed is lost, every step can be undone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Error, Page, Route, expect

from tests.browser.editor import cards, control, expect_saved, expect_stages, setting, type_over
from tests.browser.window import until

pytestmark = pytest.mark.once

OpenEditor = Callable[..., Page]
HALF = "Say it in a fe"
STATE = "#save-state"


def again(page: Page, address: str) -> Page:
    """Open the editor in a new tab of the same browser."""
    tab = page.context.new_page()
    tab.goto(address)
    return tab


@pytest.mark.parametrize("is_offline", [False, True], ids=["online", "offline"])
def test_what_was_typed_until_the_tab_closed_is_there_again(is_offline: bool, editor: OpenEditor):
    page = editor({"name": "Ada"})
    address = page.url
    page.context.set_offline(is_offline)
    control(page, 0, "prompt").press_sequentially(HALF)
    setting(page, "description").evaluate("(area) => area.closest('details').open = true")
    setting(page, "description").fill("What it is for")
    page.close()
    page.context.set_offline(False)

    page = again(page, address)
    expect(control(page, 0, "prompt")).to_have_value(HALF)
    expect(setting(page, "description")).to_have_value("What it is for")
    expect_saved(page)
    expect(page.locator(".conflict")).to_have_count(0)
    page.reload()
    expect(control(page, 0, "prompt")).to_have_value(HALF)


def test_a_copy_of_what_was_typed_does_not_overtake_who_goes_on_at_once(editor: OpenEditor):
    page = editor({"name": "Ada"})
    address = page.url
    control(page, 0, "prompt").press_sequentially(HALF)
    page.close()
    page = again(page, address)
    page.clock.install()
    page.reload()
    expect(control(page, 0, "prompt")).to_have_value(HALF)
    control(page, 0, "prompt").fill(f"{HALF}w words")
    page.clock.run_for(20_000)
    expect_saved(page)
    expect(control(page, 0, "prompt")).to_have_value(f"{HALF}w words")
    expect(page.locator(".conflict")).to_have_count(0)


def test_what_a_crashed_tab_held_is_found_when_it_stays_silent(editor: OpenEditor):
    page = editor({"name": "Ada"})
    address = page.url
    page.route("**/edit/agents/*", lambda route: route.abort())
    control(page, 0, "prompt").press_sequentially(HALF)
    typed = time.time()
    with pytest.raises(Error, match="crash"):
        page.goto("chrome://crash")
    page.close()

    page = page.context.new_page()
    # For this window the other one fell silent a moment ago, however long all that took.
    page.clock.install(time=typed)
    page.clock.pause_at(typed + 60)
    page.clock.set_fixed_time(typed)
    page.goto(address)
    expect(control(page, 0, "prompt")).to_have_value("")
    page.clock.set_fixed_time(typed + 60)
    page.clock.run_for(8_000)
    expect(control(page, 0, "prompt")).to_have_value(HALF)


@pytest.mark.parametrize("is_offline", [False, True], ids=["online", "offline"])
def test_what_was_typed_until_the_reload_is_there_again(is_offline: bool, editor: OpenEditor):
    page = editor({"name": "Ada"})
    page.context.set_offline(is_offline)
    control(page, 0, "prompt").press_sequentially(HALF)
    if is_offline:
        with pytest.raises(Error, match="DISCONNECTED"):
            page.reload()
        page.context.set_offline(False)
    page.reload()
    expect(control(page, 0, "prompt")).to_have_value(HALF)
    expect_saved(page)


def test_without_a_connection_the_text_waits_and_goes_out_by_itself(editor: OpenEditor):
    page = editor({"name": "Ada"}, {"name": "Ben"})
    page.context.set_offline(True)
    control(page, 0, "prompt").fill("Wait for me")
    expect(page.locator(STATE)).to_contain_text("Not connected: your text is kept here")
    page.get_by_role("button", name="Remove Ben").click()
    expect(page.locator("#editor-notice")).to_contain_text("has to wait until what you typed is saved")
    expect_stages(page, ["Ada"], ["Ben"])
    page.context.set_offline(False)
    expect_saved(page)
    page.get_by_role("button", name="Remove Ben").click()
    expect_stages(page, ["Ada"])
    expect(page.locator("#editor-notice")).to_be_hidden()
    page.reload()
    expect(control(page, 0, "prompt")).to_have_value("Wait for me")


def test_somebody_whom_another_tab_logged_out_keeps_the_text_and_logs_in_again(editor: OpenEditor):
    page = editor({"name": "Ada"})
    cookies = page.context.cookies()
    page.context.clear_cookies(name="sessionid")
    control(page, 0, "prompt").fill("Keep me")
    expect(page.locator(STATE)).to_contain_text("You are logged out")
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    expect_saved(page)
    page.reload()
    expect(control(page, 0, "prompt")).to_have_value("Keep me")


# Undo and redo


def test_ten_steps_of_every_kind_are_undone_and_redone(editor: OpenEditor):
    page = editor({"name": "Ada"}, {"name": "Ben"}, name="Steps")
    page.get_by_text("Chain settings").click()
    seen = [look(page)]
    for step in STEPS:
        taking_its_step(page, step)
        seen.append(look(page))
    assert len(seen) == 11
    for number in range(9, -1, -1):
        page.locator("#undo").click()
        expect_look(page, seen[number])
    expect(page.locator("#undo")).to_have_attribute("aria-disabled", "true")
    for number in range(1, 11):
        page.locator("#redo").click()
        expect_look(page, seen[number])
    expect(page.locator("#redo")).to_have_attribute("aria-disabled", "true")


def save(page: Page, index: int, field: str, text: str) -> None:
    control(page, index, field).fill(text)
    control(page, index, field).blur()
    expect_saved(page)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).first.click()


def taking_its_step(page: Page, step: Callable[[Page], None]) -> None:
    """Do something, and wait until the draft has its next revision."""
    revision = page.locator('.editor-undo [name="revision"]').input_value()
    step(page)
    expect(page.locator(f'.editor-undo [name="revision"]:not([value="{revision}"])')).to_be_attached()


STEPS: list[Callable[[Page], None]] = [
    lambda page: save(page, 0, "prompt", "Praise {{input}}"),
    lambda page: save(page, 1, "prompt", "Doubt {{agents.ada}}"),
    lambda page: save(page, 0, "name", "Eve"),
    lambda page: press(page, "Duplicate Eve"),
    lambda page: press(page, "Move Ben up"),
    lambda page: press(page, "Run Eve 2 at the same time as the stage before"),
    lambda page: press(page, "Remove Eve"),
    lambda page: press(page, "Add an agent"),
    lambda page: cards(page).nth(0).get_by_role("radio", name="Conditional").click(),
    lambda page: type_over(page, setting(page, "name"), "Stairs"),
]
LOOK = """() => [
  document.getElementById("editor-title").textContent,
  document.getElementById("chain-name").value,
  ...[...document.querySelectorAll(".agent-card")].map((card) => [
    card.dataset.connection,
    ...["name", "prompt", "condition"].map((field) => card.querySelector(`[data-field=${field}]`).value),
  ].join(" | ")),
]"""


def look(page: Page) -> list[str]:
    found: list[str] = page.evaluate(LOOK)
    return found


def expect_look(page: Page, expected: list[str]) -> None:
    for _ in range(300):
        if look(page) == expected:
            return
        page.wait_for_timeout(30)
    assert look(page) == expected


def test_keys_undo_outside_of_fields_and_leave_the_fields_their_own_undo(editor: OpenEditor):
    page = editor({"name": "Ada"}, {"name": "Ben"})
    page.get_by_role("button", name="Remove Ben").click()
    expect_stages(page, ["Ada"])
    # Nothing of it is saved before it has been taken back, however slowly somebody types.
    page.route("**/edit/agents/*", lambda route: route.abort())
    control(page, 0, "prompt").press_sequentially("Typed")
    page.keyboard.press("Control+z")
    expect(control(page, 0, "prompt")).to_have_value(re.compile("^(?!Typed$)"))
    expect_stages(page, ["Ada"])
    page.unroute("**/edit/agents/*")
    control(page, 0, "prompt").blur()
    expect_saved(page)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    expect_stages(page, ["Ada"], ["Ben"])
    page.keyboard.press("Control+Shift+z")
    expect_stages(page, ["Ada"])


@pytest.mark.parametrize("part", ["#publish", "#undo", "#versions"])
def test_a_press_that_a_save_comes_into_is_not_lost(part: str, editor: OpenEditor):
    page = editor({"name": "Ada"})
    held: list[Route] = []
    page.route("**/edit/agents/*", lambda route: held.append(route))
    control(page, 0, "prompt").fill("Say it")
    box = page.locator(part).bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    until(page, lambda: held)
    held[0].continue_()
    expect_saved(page)  # what is pressed has been drawn anew by now
    page.mouse.up()
    match part:
        case "#publish":
            expect(page.get_by_role("dialog").get_by_role("button", name="Publish")).to_be_visible()
        case "#undo":
            expect(control(page, 0, "prompt")).to_have_value("")
        case _:
            page.wait_for_url("**/versions/")
