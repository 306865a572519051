"""The admin in a browser: its pages keep to our content policy, and the live runs renew themselves.

The watchman of ``new_context`` fails every test whose pages break the policy.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import FloatRect, Page, expect

from tests.browser.axe import import_chain
from tests.browser.stage import Stage, chain_file
from tests.browser.window import PATIENCE_MS, open_chain, send, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

BOSS = "carol"
PROMOTE = """
from chains.models import User
User.objects.filter(username={name!r}).update(is_staff=True, is_superuser=True)
"""
TABLES = ("apitoken", "chain", "chainversion", "chatsession", "languagemodel", "provider", "run", "agentstep")
ENDLESS = Script(tokens=2_000, tps=40)


@pytest.fixture
def staff(stage: Stage, window: Callable[..., Page]) -> Callable[..., Page]:
    """Open a window of somebody who may do everything in the admin."""
    stage.cookie_of(BOSS)
    stage.server.do(PROMOTE.format(name=BOSS))
    return lambda **options: window(BOSS, **options)


def test_the_live_page_follows_a_run_and_stops_it(
    stage: Stage, window: Callable[..., Page], staff: Callable[..., Page]
):
    stage.play(Ada=ENDLESS, Ben=ENDLESS)
    alice, admin = window(), staff()
    admin.goto("/admin/chains/run/live/")
    expect(admin.get_by_text("Nothing is running.")).to_be_visible()
    open_chain(alice, "Pair")
    send(alice, "Go on for ever")

    row = admin.locator("tr[data-run]")
    expect(row).to_contain_text("alice", timeout=PATIENCE_MS)
    expect(row.locator("li")).to_contain_text(["Ada streaming", "Ben streaming"], timeout=PATIENCE_MS)
    before = int(row.locator("[data-tokens]").inner_text())
    stop = row.get_by_role("button", name="Stop run")
    stop.focus()
    expect(row.locator("[data-tokens]")).not_to_have_text(str(before), timeout=PATIENCE_MS)
    assert int(row.locator("[data-tokens]").inner_text()) > before
    # Renewing the page takes nobody's place away.
    expect(stop).to_be_focused()

    admin.keyboard.press("Enter")
    wait_for_end(alice, "cancelled")
    expect(admin.get_by_text("Nothing is running.")).to_be_visible(timeout=PATIENCE_MS)


def test_the_live_page_renews_itself_without_scripts(staff: Callable[..., Page]):
    page = staff(java_script_enabled=False)
    loads: list[str] = []
    page.on("load", lambda loaded: loads.append(loaded.url))
    page.goto("/admin/chains/run/live/")
    page.wait_for_event("load", timeout=PATIENCE_MS)
    assert len(loads) >= 2


@pytest.mark.parametrize(
    "options",
    [
        {"color_scheme": "light", "viewport": {"width": 1440, "height": 900}},
        {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
    ],
    ids=["light-desk", "dark-phone"],
)
def test_every_page_keeps_to_the_content_policy_and_the_window(
    staff: Callable[..., Page], options: dict[str, object]
):
    page = staff(**options)
    for path in ("", "chains/run/live/", "chains/chain/add/", "chains/languagemodel/add/"):
        page.goto(f"/admin/{path}")
        expect(page.locator("#site-name")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    for table in TABLES:
        page.goto(f"/admin/chains/{table}/")
        first = page.locator("#result_list tbody th a").first
        if first.count():
            first.click()
            expect(page.locator(f"body.model-{table}.change-form")).to_be_attached()


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_a_models_figures_and_a_sessions_title_have_room(
    staff: Callable[..., Page], window: Callable[..., Page], stage: Stage, width: int
):
    stage.play(Ada=Script(tokens=4), Ben=Script(tokens=4))
    alice = window()
    open_chain(alice, "Pair")
    send(alice, "Which of the two is the quicker one?")
    wait_for_end(alice, "completed")
    page = staff(viewport={"width": width, "height": 900})
    page.goto("/admin/chains/languagemodel/")
    page.locator("#result_list tbody th a").first.click()
    context = page.get_by_label("Context window")
    context.fill("1000000")
    assert context.evaluate("field => field.scrollWidth <= field.clientWidth")
    page.goto("/admin/chains/chatsession/")
    title = page.locator("#result_list .field-title").first
    assert title.evaluate("cell => cell.offsetHeight") < 60
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_what_stands_in_a_line_is_in_line(staff: Callable[..., Page], width: int):
    page = staff(viewport={"width": width, "height": 900})
    page.goto("/admin/chains/languagemodel/")
    parts = ("div.breadcrumbs a", "#content h1", "#toolbar", ".results")
    edges = [box_of(page, part)["x"] for part in parts]
    assert edges == pytest.approx([edges[0]] * len(edges), abs=1)
    row = "#result_list tbody tr:first-child "
    cells = (".action-select", "th a", "input[type=checkbox][name$=enabled]", "input[name$=rank]")
    middles = [middle_of(page, row + cell) for cell in cells]
    assert middles == pytest.approx([middles[0]] * len(middles), abs=1.5)
    assert box_of(page, "#searchbar")["width"] > 180
    if width < 768:
        assert box_of(page, "#site-name a")["x"] == pytest.approx(edges[0], abs=1)


def test_a_pages_tools_are_level_with_its_title(staff: Callable[..., Page]):
    page = staff(viewport={"width": 1440, "height": 900})
    page.goto("/admin/chains/provider/")
    assert middle_of(page, ".object-tools .addlink") == pytest.approx(middle_of(page, "#content h1"), abs=1.5)
    page.locator("#result_list tbody th a").first.click()
    for tool in (".historylink", "button.tool"):
        assert middle_of(page, tool) == pytest.approx(middle_of(page, "#content h1"), abs=1.5)


def test_an_agent_is_left_out_in_one_way(window: Callable[..., Page], staff: Callable[..., Page]):
    import_chain(window(), json.dumps(chain_file("Trio") | {"name": "Three less one"}))
    page = staff()
    page.goto("/admin/chains/chain/?q=Three+less+one")
    page.get_by_role("link", name="Three less one", exact=True).click()
    expect(page.get_by_role("link", name="Remove")).to_have_count(0)
    page.get_by_label("Leave this agent out").nth(1).check()
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("Version 2 is published.")).to_be_visible()
    expect(page.locator("#id_agents-1-name")).to_have_value("Cleo")


def test_a_chain_is_made_for_somebody_and_gets_one_more_agent(staff: Callable[..., Page]):
    page = staff()
    page.goto("/admin/chains/chain/add/")
    page.locator("#id_owner + .select2").click()
    page.locator(".select2-search__field").fill("ali")
    page.get_by_role("option", name="alice").click()
    page.get_by_label("Name:").first.fill("Made by staff")
    fill_agent(page, 0, "Ada")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("Version 1 is published.")).to_be_visible()

    page.get_by_role("button", name="Add another Agent").click()
    fill_agent(page, 1, "Ben")
    page.locator("#id_agents-1-prompt").fill("Read {{agents.nobody}}")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".field-prompt .errorlist")).to_contain_text("no agent of this chain")
    page.locator("#id_agents-1-prompt").fill("Read {{agents.ada}}")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Version 2 is published.")).to_be_visible()


def test_a_providers_connection_is_tried_with_a_button(stage: Stage, staff: Callable[..., Page]):
    page = staff()
    page.goto("/admin/chains/provider/")
    page.get_by_role("link", name="OpenAI", exact=True).click()
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("OpenAI answered: it lists")).to_be_visible()


def box_of(page: Page, part: str) -> FloatRect:
    """Return where the first such part of a page is."""
    box = page.locator(part).first.bounding_box()
    assert box, part
    return box


def middle_of(page: Page, part: str) -> float:
    """Return how far down a part's middle is."""
    box = box_of(page, part)
    return box["y"] + box["height"] / 2


def fill_agent(page: Page, number: int, name: str) -> None:
    """Fill in what an agent needs."""
    page.locator(f"#id_agents-{number}-name").fill(name)
    page.locator(f"#id_agents-{number}-model").fill("openai/gpt-4.1")
