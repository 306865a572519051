"""Chains built by mouse: clicks, drag and drop, pickers and the builder of rules."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.editor import (
    DESK,
    EDITOR,
    TALL,
    bring_in,
    cards,
    control,
    drag,
    draw,
    expect_stages,
    fault,
    new_chain,
    publish,
    published,
    setting,
    type_over,
)

pytestmark = pytest.mark.once

OpenEditor = Callable[..., Page]


def add(page: Page, name: str, button: str = "Add an agent") -> int:
    """Add an agent at the end by one of the buttons there, name it, and return its place."""
    place = cards(page).count()
    page.get_by_role("button", name=button).last.click()
    expect(cards(page)).to_have_count(place + 1)
    expect(control(page, place, "name")).to_be_focused()
    page.keyboard.type(name)
    return place


def pick_model(page: Page, index: int, words: str, name: str) -> None:
    cards(page).nth(index).locator("[data-model-pick]").click()
    page.get_by_role("combobox", name="Search models").fill(words)
    page.get_by_role("option", name=name).click()
    expect(cards(page).nth(index).locator("[data-model-pick]")).to_contain_text(name)


def connect(page: Page, index: int, connection: str) -> None:
    cards(page).nth(index).get_by_role("radio", name=connection).click()
    expect(cards(page).nth(index)).to_have_attribute("data-connection", connection.lower())


def part(page: Page, index: int, name: str, test: int = 0) -> Locator:
    """Return a part of a card's builder of rules."""
    return cards(page).nth(index).locator(f'[data-part="{name}"]').nth(test)


def test_a_chain_with_a_group_a_router_and_a_rule_is_built_from_nothing(window: Callable[..., Page]):
    page = window(EDITOR, **TALL)
    new_chain(page)
    page.get_by_text("Chain settings").click()
    type_over(page, setting(page, "name"), "Desk")
    type_over(page, control(page, 0, "name"), "Ada")
    pick_model(page, 0, "haiku anthropic", "Claude Haiku 4.5")
    write(page, 0, "Praise ", "input")
    write(page, add(page, "Ben"), "Doubt ", "input")
    drag(page, 1, cards(page).nth(0).locator(".."), x=0.9)
    expect_stages(page, ["Ada", "Ben"])
    write(page, add(page, "Sorter"), "Sort ", "previous")
    connect(page, add(page, "Bug"), "Parallel")
    part(page, 3, "more").click()
    part(page, 3, "value").fill("bug")
    add(page, "Idea", "Run another at the same time")
    build_idea(page, 4)
    part(page, add(page, "Rest", "Add to the group"), "otherwise").click()
    build_judgement(page, add(page, "Judge", "with a rule"))
    expect_stages(page, ["Ada", "Ben"], ["Sorter"], ["Bug", "Idea", "Rest"], ["Judge"])
    expect(page.get_by_text("No problems found.")).to_be_visible()
    publish(page)

    assert published(page)["name"] == "Desk"
    assert published(page)["agents"] == DESK


def write(page: Page, index: int, words: str, chip: str) -> None:
    control(page, index, "prompt").click()
    page.keyboard.type(words)
    cards(page).nth(index).locator(f'[data-name="{chip}"]').click()
    expect(control(page, index, "prompt")).to_have_value(f"{words}{{{{{chip}}}}}")


def build_idea(page: Page, index: int) -> None:
    part(page, index, "more").click()
    part(page, index, "negated").select_option("must not")
    part(page, index, "probe").select_option("be empty")
    part(page, index, "more").click()
    part(page, index, "probe", 1).select_option("have a number of words")
    part(page, index, "value", 1).fill("20")
    expect(control(page, index, "condition")).to_have_value("not empty and words > 20")


def build_judgement(page: Page, index: int) -> None:
    part(page, index, "subject").select_option("The output of sorter")
    part(page, index, "probe").select_option("have the JSON value")
    part(page, index, "path").fill("severity")
    part(page, index, "comparison").select_option("≥")
    part(page, index, "value").fill("3")


# Drag and drop

SOLO: dict[str, str] = {}
PARALLEL = {"connection_type": "parallel"}


def two_and_a_group(editor: OpenEditor) -> Page:
    """Open a chain of two agents and a group whose first member has a rule."""
    router = PARALLEL | {"name": "Cleo", "condition": 'contains("x")'}
    page = editor({"name": "Ada"}, {"name": "Ben"}, router, PARALLEL | {"name": "Dan"}, **TALL)
    expect_stages(page, ["Ada"], ["Ben"], ["Cleo", "Dan"])
    return page


def list_of(page: Page, stage: int) -> Locator:
    return page.locator("[data-cards]").nth(stage)


def gap(page: Page, place: int) -> Locator:
    return page.locator("[data-gap]").nth(place)


def test_an_agent_dragged_beside_others_joins_their_group(editor: OpenEditor):
    page = two_and_a_group(editor)
    drag(page, 1, list_of(page, 2), x=0.9)
    expect_stages(page, ["Ada"], ["Cleo", "Dan", "Ben"])
    expect(page.locator(".editor-stage-label").last).to_have_text("Stage 2 · parallel group of 3")
    page.reload()
    expect_stages(page, ["Ada"], ["Cleo", "Dan", "Ben"])


def test_a_canvas_that_was_drawn_anew_is_not_kept(editor: OpenEditor):
    page = two_and_a_group(editor)
    before = page.evaluate_handle("() => document.querySelector('[data-cards]')")
    assert page.evaluate("(list) => Boolean(Sortable.get(list))", before)
    add(page, "Eve")
    assert not page.evaluate("(list) => Boolean(Sortable.get(list))", before)
    drag(page, 1, list_of(page, 2), x=0.9)
    expect_stages(page, ["Ada"], ["Cleo", "Dan", "Ben"], ["Eve"])


def test_an_agent_dragged_out_of_its_group_leaves_it_and_keeps_its_rule(editor: OpenEditor):
    page = two_and_a_group(editor)
    drag(page, 2, gap(page, 1))
    expect_stages(page, ["Ada"], ["Cleo"], ["Ben"], ["Dan"])
    expect(cards(page).nth(1)).to_have_attribute("data-connection", "conditional")
    expect(control(page, 1, "condition")).to_have_value('contains("x")')
    expect(fault(page, 3, "connection_type")).to_contain_text("a group of one is the same as direct")


def test_an_agent_is_dragged_between_stages_and_stays_what_it_is(editor: OpenEditor):
    page = two_and_a_group(editor)
    drag(page, 0, gap(page, 3))
    expect_stages(page, ["Ben"], ["Cleo", "Dan"], ["Ada"])
    expect(cards(page).nth(3)).to_have_attribute("data-connection", "direct")
    drag(page, 0, gap(page, 2))
    expect_stages(page, ["Cleo", "Dan"], ["Ben"], ["Ada"])


def test_members_of_a_group_are_put_in_another_order(editor: OpenEditor):
    page = two_and_a_group(editor)
    drag(page, 3, list_of(page, 2), x=0.1)
    expect_stages(page, ["Ada"], ["Ben"], ["Dan", "Cleo"])


def test_escape_ends_a_drag_and_nothing_is_changed(editor: OpenEditor):
    page = two_and_a_group(editor)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    draw(page, 0, gap(page, 3))
    page.keyboard.press("Escape")
    expect(page.locator(".agent-ghost")).to_have_count(0)
    page.mouse.up()
    expect_stages(page, ["Ada"], ["Ben"], ["Cleo", "Dan"])
    assert sent == []
    drag(page, 0, gap(page, 3))
    expect_stages(page, ["Ben"], ["Cleo", "Dan"], ["Ada"])


def test_a_drop_that_the_server_does_not_hear_of_is_taken_back_and_said(editor: OpenEditor):
    page = two_and_a_group(editor)
    page.context.set_offline(True)
    drag(page, 0, gap(page, 3))
    expect(page.locator("#editor-notice")).to_contain_text("nothing was changed")
    expect_stages(page, ["Ada"], ["Ben"], ["Cleo", "Dan"])
    page.context.set_offline(False)
    drag(page, 0, gap(page, 3))
    expect_stages(page, ["Ben"], ["Cleo", "Dan"], ["Ada"])
    expect(page.locator("#editor-notice")).to_be_hidden()


# What the buttons do


def test_an_agent_is_duplicated_moved_and_removed(editor: OpenEditor):
    page = editor({"name": "Ada", "prompt": "Be brief"}, {"name": "Ben"}, **TALL)
    page.get_by_role("button", name="Duplicate Ada").click()
    expect_stages(page, ["Ada"], ["Ada 2"], ["Ben"])
    expect(control(page, 1, "prompt")).to_have_value("Be brief")
    page.get_by_role("button", name="Move Ada 2 down").click()
    expect_stages(page, ["Ada"], ["Ben"], ["Ada 2"])
    page.get_by_role("button", name="Run Ada 2 at the same time as the stage before").click()
    expect_stages(page, ["Ada"], ["Ben", "Ada 2"])
    page.get_by_role("button", name="Take Ben out of the group").click()
    expect_stages(page, ["Ada"], ["Ben"], ["Ada 2"])
    for name in ("Ada 2", "Ada", "Ben"):
        page.get_by_role("button", name=f"Remove {name}", exact=True).click()
    expect(page.locator(".canvas > .faults")).to_have_text("The chain has no agents: add one.")
    page.get_by_role("link", name="The chain has no agents").click()
    expect(page.locator("#add-0")).to_be_focused()


def test_an_agent_of_another_chain_is_found_and_copied(editor: OpenEditor):
    page = editor({"name": "Ada"}, **TALL)
    scout = {"name": "Scout", "prompt": "Find the heron", "model": "gemini/gemini-3.8-flash"}
    bring_in(page.context, "Scouts", {"name": "Guide"}, scout)
    page.get_by_role("link", name="from another chain").last.click()
    page.get_by_role("searchbox").fill("heron")
    expect(page.get_by_role("dialog").get_by_role("button", name="Guide")).to_have_count(0)
    page.get_by_role("dialog").get_by_role("button", name="Scout").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect_stages(page, ["Ada"], ["Scout"])
    expect(control(page, 1, "name")).to_be_focused()
    expect(control(page, 1, "prompt")).to_have_value("Find the heron")
    expect(cards(page).nth(1).locator("[data-model-pick]")).to_contain_text("Gemini 3.8 Flash")
