"""axe-core finds nothing wrong with the editor in any state, a chain's versions, and our admin pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import Findings, import_chain, look_at, sit_down
from tests.browser.stage import Stage, chain_file
from tests.browser.test_admin import BOSS, PROMOTE
from tests.browser.window import article, follow, open_chain, send, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

ENDLESS = Script(tokens=4_000, tps=40)
ADMIN = (
    "/admin/",
    "/admin/chains/provider/",
    "/admin/chains/languagemodel/",
    "/admin/chains/run/",
    "/admin/chains/agentstep/",
    "/admin/chains/chatsession/",
    "/admin/chains/chain/",
    "/admin/chains/chain/add/",
)


@pytest.fixture
def found() -> Findings:
    return Findings()


@pytest.fixture
def window(window: Callable[..., Page]) -> Callable[..., Page]:
    """Open windows in which axe may measure: it sets styles of its own, which our policy refuses."""
    return partial(window, bypass_csp=True)


def edit(page: Page, name: str, **changes: object) -> None:
    """Import one of the stage's chains, and open it in the editor."""
    import_chain(page, json.dumps(chain_file(name) | changes))
    page.goto(f"/chains/{name.lower()}/edit")
    page.wait_for_load_state()


def card(page: Page, name: str) -> Locator:
    """Return an agent's card."""
    return page.locator(".agent-card").filter(has=page.locator(f'.agent-name[value="{name}"]'))


def saved(page: Page) -> None:
    """Wait until nothing that was typed is only on the page."""
    expect(page.locator("#save-state")).to_have_attribute("data-state", "saved")


def test_a_new_chain_grows(found: Findings, window: Callable[..., Page], stage: Stage) -> None:
    page = window("edith")
    page.goto("/chains/")
    page.get_by_role("button", name="New chain").first.click()
    expect(page.locator(".agent-card")).to_have_count(1)
    found.look(page, "a new chain")
    sit_down(page)
    page.locator("[id^=beside-]").click()
    expect(page.locator(".editor-group .agent-card")).to_have_count(2)
    page.locator("#add-conditional-2").click()
    expect(page.locator(".agent-card")).to_have_count(3)
    found.look(page, "a group, and an agent with an empty rule")
    page.locator(".agent-name").last.fill("")
    page.get_by_label("Prompt", exact=True).last.fill("Read {{agents.nobody}}")
    expect(page.locator(".fault")).not_to_have_count(0)
    page.locator("details.agent-more summary").last.click()
    page.get_by_label("Temperature").last.fill("hot")
    expect(page.locator("#save-state")).to_have_attribute("data-state", "refused")
    found.look(page, "faults")
    page.locator("#publish").click()
    expect(page.get_by_role("dialog")).to_contain_text("Fix these before publishing")
    found.look(page, "a draft that cannot be published")
    assert found == []


def test_what_opens_in_a_card(found: Findings, window: Callable[..., Page], stage: Stage) -> None:
    page = window("erik")
    edit(page, "Gate", description="Looks at birds.")
    page.locator("#chain-settings summary").click()
    found.look(page, "the settings of the chain")

    ben = card(page, "Ben")
    ben.get_by_role("button", name="Add a test").click()
    ben.get_by_label("What to compare with").last.fill("stork")
    ben.get_by_role("link", name="Try it").click()
    ben.get_by_label("A text to try the rule on").fill("A crow.")
    expect(ben.get_by_text("It does not hold")).to_be_visible()
    found.look(page, "a rule that does not hold")
    ben.get_by_label("A text to try the rule on").fill("A heron and a stork.")
    expect(ben.get_by_text("It holds")).to_be_visible()
    found.look(page, "a rule that holds")

    def pick() -> None:
        page.keyboard.press("Escape")
        card(page, "Ada").locator("[data-model-pick]").click()
        page.get_by_label("Search models").fill("gpt")

    found.look(page, "the list of models", pick)
    page.get_by_label("Search models").fill("no such model")
    found.look(page, "no model found")
    page.keyboard.press("Escape")
    assert found == []


def test_names_are_offered_and_marked(found: Findings, window: Callable[..., Page], stage: Stage) -> None:
    page = window("nora")
    edit(page, "Trio")
    prompt = card(page, "Dan").get_by_label("Prompt", exact=True)

    def begin() -> None:
        prompt.fill("Compare {{agents.ada}} with ")
        prompt.press_sequentially("{{ag")
        expect(page.get_by_role("listbox", name="Names to put in")).to_be_visible()

    found.look(page, "names are offered", begin)
    page.keyboard.press("Escape")
    sit_down(page)
    page.locator(".gap").nth(1).hover()
    found.look(page, "what can be added between stages")
    assert found == []


def test_publishing_and_versions(found: Findings, window: Callable[..., Page], stage: Stage) -> None:
    page = window("vera")
    page.goto("/chains/")
    follow(page, page.get_by_role("button", name="New chain").first)
    look_at(found, page, "/chains/new-chain/versions/", "/chains/new-chain/edit/reuse?index=0")
    edit(page, "Pair")
    card(page, "Ada").get_by_label("Prompt", exact=True).fill("Be brief.")
    saved(page)
    page.locator(".agent-acts [aria-label^=Remove]").last.click()
    expect(page.locator(".agent-card")).to_have_count(1)
    page.locator("#publish").click()
    expect(page.get_by_role("dialog")).to_contain_text("Changes since")
    found.look(page, "what publishing changes")
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(page.locator("#save-state")).to_have_text("Published as v2")
    found.look(page, "a published chain")
    page.locator("#publish").click()
    expect(page.get_by_role("dialog")).to_contain_text("Nothing has changed")
    found.look(page, "nothing to publish")
    look_at(found, page, "/chains/pair/versions/?before=1", "/chains/pair/edit/publish")
    assert found == []


def test_an_agent_of_another_chain(found: Findings, window: Callable[..., Page], stage: Stage) -> None:
    page = window("rudi")
    edit(page, "Gate")
    edit(page, "Solo")
    page.locator(".gap").last.get_by_role("link", name="from another chain").click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Ben")).to_be_visible()
    found.look(page, "agents of other chains")
    page.get_by_role("dialog").get_by_role("searchbox").fill("no such agent")
    expect(page.get_by_text("No agents match.")).to_be_visible()
    found.look(page, "no agent found")
    look_at(found, page, "/chains/solo/edit/reuse?index=0&q=ben")
    page.goto("/chains/gate/edit")
    page.goto(str(page.locator(".rule-try").first.get_attribute("href")))
    found.look(page, "a rule is tried on a page of its own")
    assert found == []


def test_a_draft_that_two_windows_edit(found: Findings, window: Callable[..., Page], stage: Stage) -> None:
    first, second = window("tom"), window("tom")
    edit(first, "Solo")
    second.goto(first.url)
    second.wait_for_load_state()
    first.get_by_label("Prompt", exact=True).fill("The first text.")
    saved(first)
    second.get_by_label("Prompt", exact=True).fill("The second text.")
    expect(second.get_by_text("Nothing is lost: both texts are here.")).to_be_visible()
    found.look(second, "two texts of one field")
    first.route("**/edit/**", lambda route: route.abort())
    first.get_by_label("Prompt", exact=True).fill("Not sent.")
    expect(first.locator("#save-state")).to_have_attribute("data-state", "offline")
    found.look(first, "what is typed cannot be saved")
    first.unroute_all()
    assert found == []


def test_a_test_run_beside_the_editor(found: Findings, window: Callable[..., Page], stage: Stage) -> None:
    stage.play(Ada=ENDLESS, Ben=ENDLESS)
    page = window("tessa")
    edit(page, "Pair")
    page.get_by_label("Test message").fill("Try this")
    page.get_by_label("Save this message as an example").fill("A message")
    page.get_by_role("button", name="Save the example").click()
    expect(page.get_by_role("link", name="A message", exact=True)).to_be_visible()
    page.get_by_label("Test message").fill("Try this")
    page.get_by_role("button", name="Run the draft").click()
    for name in ("Ada", "Ben"):
        expect(article(page, name).locator(".state-label")).to_have_text("Parallel streaming…")

    def pull_up() -> None:
        toggle = page.locator("[data-aside-toggle]")
        if toggle.is_visible() and toggle.get_attribute("aria-expanded") == "false":
            toggle.click()

    found.look(page, "a test run streams", pull_up)
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_for_end(page, "cancelled")
    found.look(page, "a test run has ended", pull_up)
    assert found == []


@pytest.fixture
def admin(window: Callable[..., Page], stage: Stage) -> Page:
    """The admin, and a run that is live."""
    stage.cookie_of(BOSS)
    stage.server.do(PROMOTE.format(name=BOSS))
    stage.play(Ada=ENDLESS, Ben=ENDLESS)
    alice = window()
    open_chain(alice, "Pair")
    send(alice, "Go on for ever")
    page = window(BOSS)
    page.goto("/admin/chains/run/live/")
    expect(page.locator("tr[data-run]")).to_have_count(1)
    return page


def stop_in_admin(page: Page) -> None:
    page.get_by_role("button", name="Stop run").click()
    expect(page.locator("tr[data-run]")).to_have_count(0)


def test_the_lists_of_the_admin(found: Findings, admin: Page) -> None:
    found.look(admin, "a run is live")
    stop_in_admin(admin)
    found.look(admin, "no run is live")
    look_at(found, admin, *ADMIN)
    assert found == []


def test_single_rows_of_the_admin(found: Findings, admin: Page) -> None:
    page = admin
    stop_in_admin(page)
    for table in ("provider", "languagemodel", "run", "agentstep", "chatsession", "chain"):
        page.goto(f"/admin/chains/{table}/")
        page.locator("#result_list tbody th a").first.click()
        page.wait_for_url("**/change/**")
        page.wait_for_load_state()
        found.look(page, f"one {table}")
    page.goto("/admin/chains/provider/")
    page.get_by_role("link", name="OpenAI", exact=True).click()
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("OpenAI answered: it lists")).to_be_visible()
    found.look(page, "a provider was tried")
    assert found == []
