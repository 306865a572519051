"""The library in a browser: search while typing, acts in place, imports that lose no text, keys alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.window import follow, until

pytestmark = pytest.mark.once

DEMO = Path(__file__).parents[2] / "chains/demo/research-three-critics.json"
OpenPage = Callable[..., Page]
# Later, because a page whose navigation is held answers nothing any more.
PRESS_TWICE = """() => {
  const buttons = [...document.querySelectorAll("button")];
  const button = buttons.find((one) => one.textContent.includes("New chain"));
  for (const pause of [0, 100]) setTimeout(() => button.click(), pause);
  setTimeout(() => console.log("pressed twice"), 200);
}"""


@pytest.fixture
def library(page_of: OpenPage) -> Callable[..., Page]:
    """Open the library of a person who has two chains, imported through its own page."""

    def open_library(person: str, **options: object) -> Page:
        page = page_of(person, **options)
        for name in ("Tissue", "Mortar"):
            paste(page, name)
            follow(page, page.get_by_role("button", name="Import", exact=True))
        expect(rows(page)).to_have_text([re.compile("Mortar"), re.compile("Tissue")])
        return page

    return open_library


def written(name: str) -> str:
    return json.dumps(
        {"format": "chainchat/1", "name": name, "agents": [{"name": "Ada", "model": "default"}]}
    )


def paste(page: Page, name: str) -> None:
    page.goto("/chains/import")
    page.get_by_label("Or paste JSON").fill(written(name))


def rows(page: Page) -> Locator:
    return page.locator(".chain-row h3")


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=name, exact=True))


def open_menu(page: Page, name: str) -> Locator:
    menu = row(page, name).locator(".row-menu")
    menu.locator("summary").click()
    return menu


def test_the_list_follows_what_is_typed_and_can_be_reloaded(library: Callable[..., Page]) -> None:
    page = library("searcher")
    page.get_by_label("Search chains").press_sequentially("mort")
    expect(rows(page)).to_have_text(["Mortar"])
    expect(page).to_have_url(re.compile(r"[?&]q=mort(&|$)"))
    page.reload()
    expect(page.get_by_label("Search chains")).to_have_value("mort")
    expect(rows(page)).to_have_text(["Mortar"])
    page.get_by_label("Search chains").fill("")
    expect(rows(page)).to_have_count(2)


def test_a_button_that_is_pressed_twice_acts_once(library: Callable[..., Page]) -> None:
    page = library("twice")
    held: list[Route] = []
    page.route("**/chains/new", lambda route: held.append(route))
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.evaluate(PRESS_TWICE)
    until(page, lambda: "pressed twice" in said)
    assert len(held) == 1
    held[0].continue_()
    expect(page.locator("[data-editor]")).to_be_visible()


def test_going_back_shows_the_page_and_no_fragment_of_it(library: Callable[..., Page]) -> None:
    page = library("returner")
    page.get_by_label("Search chains").press_sequentially("mort")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("link", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name="Import a chain")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Chains", exact=True)).to_be_visible()
    expect(rows(page)).to_have_text(["Mortar"])


def test_archiving_by_keyboard_keeps_the_focus_on_the_way_back(library: Callable[..., Page]) -> None:
    page = library("typist")
    menu = row(page, "Mortar").locator("summary")
    menu.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    page.keyboard.press("Enter")
    row(page, "Mortar").get_by_role("button", name="Archive").press("Enter")
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    expect(rows(page)).to_have_text(["Tissue"])
    expect(page.get_by_role("heading", name="Your chains")).to_have_text("Your chains 1")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_text(["Mortar", "Tissue"])
    expect(page.get_by_role("heading", name="Your chains")).to_have_text("Your chains 2")
    expect(row(page, "Mortar").get_by_role("button", name="Mortar", exact=True)).to_be_focused()


def test_tags_are_edited_in_place_and_narrow_the_list(library: Callable[..., Page]) -> None:
    page = library("filer")
    menu = open_menu(page, "Tissue")
    menu.get_by_label("Tags").fill("x" * 41)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("is too long")
    expect(row(page, "Tissue").get_by_label("Tags")).to_be_focused()
    row(page, "Tissue").get_by_label("Tags").fill("cloth")
    page.keyboard.press("Enter")
    page.locator("#library-chips").get_by_role("link", name="cloth").click()
    expect(rows(page)).to_have_text(["Tissue"])
    page.locator("#library-chips").get_by_role("link", name="cloth").click()
    expect(rows(page)).to_have_count(2)


def test_a_copy_comes_beside_its_original_and_goes_after_a_question(library: Callable[..., Page]) -> None:
    page = library("copier")
    open_menu(page, "Tissue").get_by_role("button", name="Duplicate").click()
    expect(rows(page)).to_have_text(["Mortar", "Tissue", "Tissue (copy)"])
    open_menu(page, "Tissue (copy)").get_by_role("link", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the chain").click()
    expect(page.get_by_text("“Tissue (copy)” was deleted.")).to_be_visible()
    expect(rows(page)).to_have_count(2)


def test_a_chain_is_exported_as_a_file_that_can_be_chosen_again(
    library: Callable[..., Page], tmp_path: Path
) -> None:
    page = library("exporter")
    menu = open_menu(page, "Tissue")
    with page.expect_download() as download:
        menu.get_by_role("link", name="Export as a file").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    page.goto("/chains/import")
    page.get_by_label("Chain file").set_input_files(file)
    expect(page.get_by_text("says the same already (v1)")).to_be_visible()


def test_faults_go_as_they_are_mended_and_nothing_pasted_is_lost(page_of: OpenPage) -> None:
    page = page_of("mender")
    page.goto("/chains/import")
    field = page.get_by_label("Or paste JSON")
    field.fill('{"format": "chainchat/1", "name": "Tissue", "agents": [{"name": "Ada", "model": "nope"}]}')
    expect(page.locator(".import-faults code")).to_have_text(["agents[0].model"])
    field.fill(written("Tissue"))
    expect(page.get_by_role("heading", name="Tissue")).to_be_visible()

    page.get_by_label("Chain file").set_input_files(DEMO)
    expect(page.get_by_role("heading", name="Three critics and a synthesis")).to_be_visible()
    expect(field).to_have_value(DEMO.read_text())
    page.get_by_role("button", name="Bring that back").click()
    expect(field).to_have_value(written("Tissue"))
    expect(page.get_by_role("heading", name="Tissue")).to_be_visible()


def test_a_look_that_was_asked_for_while_typing_leads_there_whichever_answer_comes(page_of: OpenPage) -> None:
    page = page_of("hasty")
    page.goto("/chains/import")
    held: list[Route] = []
    # What the button asked for is on its way for long, and what the typing asks for takes its place.
    page.route("**/chains/import", lambda route: route.continue_() if held else held.append(route))
    field = page.get_by_label("Or paste JSON")
    field.fill(written("Tissue"))
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#import-head")).to_be_focused()
    # The next look is the typing's own.
    field.fill("{}")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()


@pytest.mark.parametrize("has_scripts", [True, False])
def test_a_look_leads_to_what_came_of_it(has_scripts: bool, page_of: OpenPage) -> None:
    size = {"width": 390, "height": 700}
    page = page_of(f"looker{has_scripts}", java_script_enabled=has_scripts, viewport=size)
    page.goto("/chains/import")
    field, look = page.get_by_label("Or paste JSON"), page.get_by_role("button", name="Preview")
    field.fill("{}")
    look.click()
    expect(page.locator("#import-head")).to_be_focused()
    expect(page.locator("#import-head")).to_be_in_viewport()
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill(written("Tissue"))
    look.click()
    expect(page.get_by_role("heading", name="Tissue")).to_be_focused()
    expect(page.get_by_role("heading", name="Tissue")).to_be_in_viewport()
    expect(field).not_to_have_attribute("aria-invalid", "true")


def test_who_types_a_file_goes_on_typing(page_of: OpenPage) -> None:
    page = page_of("writer")
    page.goto("/chains/import")
    field = page.get_by_label("Or paste JSON")
    field.press_sequentially("{")
    expect(page.locator(".import-faults")).to_be_visible()
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")


def test_a_text_that_is_far_too_long_never_leaves_the_page(page_of: OpenPage) -> None:
    page = page_of("novelist")
    page.goto("/chains/import")
    field = page.get_by_label("Or paste JSON")
    field.evaluate("(area) => { area.value = 'x'.repeat(3_000_000); }")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("The text has 3,000,000 bytes: at most 1,000,000 are read.")).to_be_visible()
    assert field.evaluate("(area) => area.value.length") == 3_000_000


def test_everything_works_without_scripts(page_of: OpenPage) -> None:
    page = page_of("plain", java_script_enabled=False)
    paste(page, "Tissue")
    follow(page, page.get_by_role("button", name="Preview"))
    follow(page, page.get_by_role("button", name="Import", exact=True))
    menu = open_menu(page, "Tissue")
    menu.get_by_label("Tags").fill("cloth")
    menu.get_by_role("button", name="Save").click()
    expect(row(page, "Tissue").get_by_role("link", name="cloth")).to_be_visible()
    open_menu(page, "Tissue").get_by_role("button", name="Duplicate").click()
    expect(rows(page)).to_have_count(2)
    open_menu(page, "Tissue").get_by_role("button", name="Archive").click()
    expect(rows(page)).to_have_text(["Tissue (copy)"])
    page.get_by_role("link", name="Archived").click()
    follow(page, page.get_by_role("button", name="Bring back"))
    page.get_by_label("Search chains").fill("cloth tissue")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("q=cloth"))


@pytest.mark.parametrize("width", [1440, 390])
def test_no_page_is_wider_than_its_window(width: int, library: Callable[..., Page]) -> None:
    page = library(f"wide{width}", viewport={"width": width, "height": 800})
    for address in ("/chains/", "/chains/?shelf=archived", "/chains/import"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.getElementById('main').scrollWidth") <= width
