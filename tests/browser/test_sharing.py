"""A run's menu: copy it, take it along as a file, and share it with somebody who has no account."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.stage import Stage
from tests.browser.window import open_chain, press_copy, send, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

SYSTEM = "You are careful."


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    return window(permissions=["clipboard-read", "clipboard-write"])


@pytest.fixture
def stranger(stage: Stage, new_context: Callable[..., BrowserContext]) -> BrowserContext:
    """A fresh profile of somebody who never logged in."""
    return new_context(base_url=stage.server.url)


def ask_the_panel(stage: Stage, page: Page) -> None:
    """Let two critics and an editor answer."""
    stage.play(Ada=Script(text="# It is\n\nSo."), Ben=Script(text="It is not."), Dan=Script(text="Well."))
    open_chain(page, "Panel")
    send(page, "Is a crow clever?")
    wait_for_end(page)


def open_menu(page: Page) -> Locator:
    page.locator("summary").and_(page.get_by_label("More for this run")).last.click()
    return page.locator(".run-menu[open]")


def share(page: Page, *, prompts: bool = False) -> str:
    """Make a link by hand and return its address."""
    open_menu(page).get_by_role("link", name="Share…").click()
    dialog = page.get_by_role("dialog")
    if prompts:
        dialog.get_by_label("With the agents’ prompts").check()
    known = dialog.get_by_label("Link made").count()
    dialog.get_by_role("button", name="Make a link").click()
    links = dialog.get_by_label("Link made")
    expect(links).to_have_count(known + 1)
    address = links.first.input_value()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    return address


def download(page: Page, name: str, folder: Path) -> Path:
    """Take a run along in one of the forms of its menu."""
    with page.expect_download() as coming:
        open_menu(page).get_by_role("button", name=name).click()
    page.keyboard.press("Escape")
    path = folder / coming.value.suggested_filename
    coming.value.save_as(path)
    return path


def test_all_answers_are_copied_at_once(stage: Stage, page: Page):
    ask_the_panel(stage, page)
    button = open_menu(page).get_by_role("button", name="Copy all answers")
    press_copy(page, button)
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "## Ada\n\n# It is\n\nSo.\n\n## Ben\n\nIt is not.\n\n## Dan\n\nWell.\n"


def test_the_menu_closes_as_menus_do(stage: Stage, page: Page):
    ask_the_panel(stage, page)
    menu = open_menu(page)
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    expect(page.get_by_label("More for this run")).to_be_focused()
    open_menu(page)
    page.mouse.click(5, 5)
    expect(menu).to_have_count(0)


def test_a_run_is_taken_along_in_three_forms(
    stage: Stage, page: Page, new_context: Callable[..., BrowserContext], tmp_path: Path
):
    ask_the_panel(stage, page)
    text = download(page, "Markdown", tmp_path).read_text()
    assert "> Is a crow clever?" in text
    assert "## Dan" in text
    document = json.loads(download(page, "JSON", tmp_path).read_text())
    assert [step["text"] for step in document["steps"]] == ["# It is\n\nSo.", "It is not.", "Well."]
    assert SYSTEM not in json.dumps(document)

    # The watchman of every profile fails the test if the file asks for anything or breaks its own policy.
    file = new_context().new_page()
    file.goto(download(page, "HTML", tmp_path).as_uri())
    expect(file.get_by_role("heading", name="It is")).to_be_visible()
    expect(file.locator(".waterfall rect").first).to_be_visible()
    light = file.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    file.emulate_media(color_scheme="dark")
    assert file.evaluate("getComputedStyle(document.documentElement).backgroundColor") != light


def test_prompts_go_along_when_that_is_ticked(stage: Stage, page: Page, tmp_path: Path):
    ask_the_panel(stage, page)
    open_menu(page).get_by_label("With the agents’ prompts").check()
    page.keyboard.press("Escape")
    assert SYSTEM in download(page, "JSON", tmp_path).read_text()


def test_somebody_without_an_account_reads_a_shared_run_until_it_is_revoked(
    stage: Stage, page: Page, stranger: BrowserContext
):
    ask_the_panel(stage, page)
    address = share(page)
    reader = stranger.new_page()
    reader.goto(address)
    expect(reader.get_by_text("Is a crow clever?")).to_be_visible()
    expect(reader.get_by_role("heading", name="It is")).to_be_visible()
    expect(reader.locator(".waterfall")).to_be_visible()
    assert stranger.cookies() == []
    assert SYSTEM not in reader.content()
    assert not re.search(r"alice|/sessions/", reader.content())

    open_menu(page).get_by_role("link", name="Share…").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("dialog").get_by_label("Link made")).to_have_count(0)
    gone = reader.goto(address)
    assert gone
    assert gone.status == 404
    page.keyboard.press("Escape")
    assert share(page) != address


def test_a_link_is_copied_and_its_prompts_are_the_owners_choice(
    stage: Stage, page: Page, stranger: BrowserContext
):
    ask_the_panel(stage, page)
    address = share(page, prompts=True)
    open_menu(page).get_by_role("link", name="Share…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("with prompts")
    assert press_copy(page, dialog.get_by_role("button", name="Copy")) == "Copied"
    assert page.evaluate("navigator.clipboard.readText()") == address

    reader = stranger.new_page()
    reader.goto(address)
    reader.get_by_text("What Ada was told").click()
    expect(reader.get_by_text(SYSTEM)).to_be_visible()


def test_a_run_that_goes_on_is_read_as_it_grows(stage: Stage, page: Page, stranger: BrowserContext):
    stage.play(Ada=Script(tokens=2_000, tps=10))
    open_chain(page, "Solo")
    send(page, "Slowly")
    until(page, lambda: page.get_by_text("Ada-3").count())
    reader = stranger.new_page()
    reader.goto(share(page))
    expect(reader.get_by_role("status")).to_contain_text("still going on")
    page.locator("[data-stop=run]").click()
    wait_for_end(page, "cancelled")
    # Nobody does anything: the page comes back by itself.
    expect(reader.get_by_text("the connection to the provider was closed within")).to_be_visible()
    expect(reader.get_by_role("status")).to_have_count(0)


def test_without_scripts_a_link_is_made_and_revoked_on_a_page(
    stage: Stage, page: Page, window: Callable[..., Page]
):
    ask_the_panel(stage, page)
    plain = window(java_script_enabled=False)
    plain.goto(page.url)
    open_menu(plain).get_by_role("link", name="Share…").click()
    plain.get_by_role("button", name="Make a link").click()
    expect(plain.get_by_label("Link made")).to_have_count(1)
    plain.get_by_role("button", name="Revoke").click()
    expect(plain.get_by_label("Link made")).to_have_count(0)
