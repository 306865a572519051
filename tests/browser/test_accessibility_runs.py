"""axe-core finds nothing wrong around a run: its drawer, its menu, its links, its shared page and file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.axe import Findings, sit_down
from tests.browser.corpus import MARKDOWN
from tests.browser.stage import Stage
from tests.browser.test_seen import open_drawer
from tests.browser.test_sharing import download, open_menu, share
from tests.browser.window import column, open_chain, send, until, wait_for_end
from tests.loopback.script import Fault, Script

pytestmark = pytest.mark.once

NOTES = MARKDOWN + "\nA note[^1].\n\n[^1]: Of somebody.\n"


@pytest.fixture
def found() -> Findings:
    return Findings()


@pytest.fixture
def window(window: Callable[..., Page]) -> Callable[..., Page]:
    """Open windows in which axe may measure: it sets styles of its own, which our policy refuses."""
    return partial(window, bypass_csp=True)


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    return window()


def ask_the_panel(stage: Stage, page: Page) -> None:
    ben = Script(fault=Fault.STATUS, status=401, message="no such key")
    stage.play(Ada=Script(text=NOTES, reasoning=40), Ben=ben, Dan=Script(text="Well."))
    open_chain(page, "Panel")
    send(page, "Is a crow clever?")
    wait_for_end(page)


def test_what_an_agent_saw(found: Findings, stage: Stage, page: Page) -> None:
    ask_the_panel(stage, page)
    send(page, "And a heron?")
    expect(page.locator("section[data-run]")).to_have_count(2)
    wait_for_end(page)
    step = column(page, "Dan").step
    shown = open_drawer(page, "Dan")
    shown.get_by_text("History:").click()
    found.look(page, "the drawer")
    page.goto(f"/steps/{step}/seen")
    found.look(page, "the drawer as a page")
    assert found == []


def test_the_menu_of_a_run_and_its_links(found: Findings, stage: Stage, page: Page) -> None:
    ask_the_panel(stage, page)
    open_menu(page)
    found.look(page, "the menu of a run")
    page.keyboard.press("Escape")
    sit_down(page)
    share(page, prompts=True)
    open_menu(page).get_by_role("link", name="Share…").click()
    expect(page.get_by_role("dialog").get_by_label("Link made")).to_have_count(1)
    found.look(page, "the links to a run")
    sit_down(page)
    run = page.locator("section[data-run]").last.get_attribute("data-run")
    page.goto(f"/runs/{run}/share")
    found.look(page, "the links to a run as a page")
    assert found == []


def test_reasoning_while_it_is_written(found: Findings, stage: Stage, page: Page) -> None:
    stage.play(Ada=Script(reasoning=4_000, tps=40))
    open_chain(page, "Solo")
    send(page, "Think")
    until(page, lambda: page.get_by_text("Ada-thought-40").count())
    found.look(page, "reasoning")
    page.locator("[data-stop=run]").click()
    assert found == []


def test_a_shared_run_and_its_file(
    found: Findings, stage: Stage, page: Page, new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    ask_the_panel(stage, page)
    reader = new_context(bypass_csp=True).new_page()
    for state, address in {
        "a shared run": share(page, prompts=True),
        "the file of a run": download(page, "HTML", tmp_path).as_uri(),
    }.items():
        reader.goto(address)
        for more in reader.locator(".reading-more summary").all():
            more.click()
        found.look(reader, state)
    assert found == []
