"""Chains built by keyboard alone: no test here touches the page in another way than by its keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.editor import (
    DESK,
    EDITOR,
    bring_in,
    cards,
    control,
    expect_saved,
    expect_stages,
    fault,
    published,
)

pytestmark = pytest.mark.once

OpenEditor = Callable[..., Page]

# A ring may be drawn around what holds a field, as it is around a prompt.
FOCUSED = """(selector) => {
  const element = document.activeElement;
  const holders = [element, element.parentElement, element.parentElement?.parentElement].filter(Boolean);
  const hasRing = (holder) => {
    const style = getComputedStyle(holder);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  };
  const box = element.getBoundingClientRect();
  return {
    matches: element.matches(selector),
    isShown: holders.some(hasRing) && box.width > 0 && box.height > 0 || element === document.body,
    html: element.outerHTML.slice(0, 160),
  };
}"""
# What a person could click on. One stop of the tab key is enough for radio buttons and for a row of chips.
UNREACHED = """() => {
  const group = (one) => (one.type === "radio" ? one.form.id : one.closest("[role=toolbar]") ?? one);
  const controls = document.querySelectorAll("a[href], button, input, select, textarea, summary");
  const isThere = (one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled;
  const reached = new Set([...window.reached].map(group));
  return [...controls].filter((one) => isThere(one) && !reached.has(group(one))).map((one) => one.outerHTML);
}"""


def tab_to(page: Page, selector: str, *, key: str = "Tab", most: int = 60) -> None:
    """Press the tab key until the focused element matches; each one on the way must show its focus."""
    passed = []
    for _ in range(most):
        seen = page.evaluate(FOCUSED, selector)
        assert seen["isShown"], f"no visible focus: {seen['html']}"
        if seen["matches"]:
            return
        passed.append(seen["html"])
        page.keyboard.press(key)
    raise AssertionError(f"{selector} was not reached: {passed}")


def press(page: Page, selector: str, *, key: str = "Enter", most: int = 60) -> None:
    """Go to a button and press it."""
    tab_to(page, selector, most=most)
    page.keyboard.press(key)


def add(page: Page, button: str, name: str) -> None:
    """Add an agent with a button that is further down, and name it."""
    count = cards(page).count()
    press(page, button)
    expect(cards(page)).to_have_count(count + 1)
    expect(page.locator(".agent-name:focus")).to_have_value(f"Agent {count + 1}")
    page.keyboard.type(name)


def type_into(page: Page, selector: str, text: str) -> None:
    tab_to(page, selector)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def choose(page: Page, part: str, letters: str, *, key: str = "Tab") -> None:
    """Choose in a list of the builder of rules by the letters with which a choice begins."""
    page.keyboard.press(key)
    tab_to(page, f"[data-part={part}]", key=key)
    page.keyboard.type(letters)


def test_a_chain_with_a_group_a_router_and_a_rule_is_built_from_nothing(window: Callable[..., Page]):
    page = window(EDITOR)
    page.goto("/chains/")
    press(page, "form[action='/chains/new'] button")
    expect(cards(page)).to_have_count(1)
    page.wait_for_load_state()
    press(page, "#chain-settings summary")
    type_into(page, "#chain-name", "Desk")
    begin(page)
    route(page)
    judge(page)
    expect_stages(page, ["Ada", "Ben"], ["Sorter"], ["Bug", "Idea", "Rest"], ["Judge"])
    expect(page.get_by_text("No problems found.")).to_be_visible()
    tab_to(page, "#publish", key="Shift+Tab", most=200)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    press(page, "dialog button.button-primary")
    expect(page.locator("#save-state")).to_have_text("Published as v1")

    assert published(page)["name"] == "Desk"
    assert published(page)["agents"] == DESK


def begin(page: Page) -> None:
    """Build two opinions, and somebody who sorts; names come by the list, by a chip, by arrow and chip."""
    type_into(page, ".agent-name", "Ada")
    press(page, "[data-model-pick]")
    expect(page.locator("#model-search")).to_be_focused()
    page.keyboard.type("haiku anthropic")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("[data-model-pick]:focus")).to_contain_text("Claude Haiku 4.5")
    type_into(page, "[data-field=prompt]", "Praise {{inp")
    expect(page.get_by_role("option", name="{{input}}")).to_be_visible()
    page.keyboard.press("Enter")
    add(page, "[id^=beside-]", "Ben")
    type_into(page, "[data-field=prompt]", "Doubt ")
    press(page, "[data-name=input]")
    expect(control(page, 1, "prompt")).to_have_value("Doubt {{input}}")
    add(page, "#add-2", "Sorter")
    type_into(page, "[data-field=prompt]", "Sort ")
    tab_to(page, "[data-name=input]")
    page.keyboard.press("ArrowRight")
    press(page, "[data-name=previous]", key="Space")
    expect(control(page, 2, "prompt")).to_be_focused()


def route(page: Page) -> None:
    """Build three exclusive branches."""
    add(page, "#add-3", "Bug")
    tab_to(page, "[data-field=connection_type]")
    for connection in ("conditional", "parallel"):
        page.keyboard.press("ArrowRight")
        expect(cards(page).nth(3)).to_have_attribute("data-connection", connection)
    press(page, "[data-part=more]")
    page.keyboard.type("bug")
    add(page, "[id^=beside-]", "Idea")
    press(page, "[data-part=more]")
    choose(page, "probe", "be", key="Shift+Tab")
    choose(page, "negated", "must n", key="Shift+Tab")
    press(page, "[data-part=more]")
    choose(page, "probe", "have a n", key="Shift+Tab")
    type_into(page, "[data-part=value]", "20")
    add(page, "[id^=beside-]", "Rest")
    press(page, "[data-part=otherwise]", key="Space")


def judge(page: Page) -> None:
    """Build the last one, who looks at what an earlier one said."""
    add(page, "#add-conditional-6", "Judge")
    choose(page, "subject", "The output of s")
    choose(page, "probe", "have the")
    type_into(page, "[data-part=path]", "severity")
    tab_to(page, "[data-part=comparison]")
    for _ in "≠>≥":
        page.keyboard.press("ArrowDown")
    type_into(page, "[data-part=value]", "3")


def test_every_control_is_reached_and_shows_that_it_is(editor: OpenEditor):
    router = {"name": "Cleo", "connection_type": "parallel", "condition": "empty", "temperature": 1}
    dan = {"name": "Dan", "connection_type": "parallel", "prompt": "{{nobody"}
    page = editor({"name": "Ada"}, router, dan, {"name": "Eve"})
    page.evaluate(
        """() => {
          window.reached = new Set();
          document.addEventListener("focusin", (event) => window.reached.add(event.target));
        }"""
    )
    press(page, "#chain-settings summary", most=60)
    press(page, ".rule-try")
    expect(page.get_by_label("A text to try the rule on")).to_be_visible()
    tab_to(page, "#composer-input", most=200)
    page.keyboard.type("Why?")
    type_into(page, "#sample-name", "Hard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Hard")).to_be_visible()
    tab_to(page, ".sample-remove")

    assert page.evaluate(UNREACHED) == []


def test_agents_are_moved_copied_and_removed_and_the_focus_stays_with_them(editor: OpenEditor):
    page = editor({"name": "Ada"}, {"name": "Ben"}, {"name": "Cleo"})
    press(page, "[aria-label='Move Ada down']")
    expect_stages(page, ["Ben"], ["Ada"], ["Cleo"])
    page.keyboard.press("Enter")
    expect_stages(page, ["Ben"], ["Cleo"], ["Ada"])
    expect(page.get_by_role("button", name="Move Ada up")).to_be_focused()
    press(page, "[aria-label^='Run Ada at the same time']")
    expect_stages(page, ["Ben"], ["Cleo", "Ada"])
    press(page, "[aria-label='Take Ada out of the group']")
    expect_stages(page, ["Ben"], ["Cleo"], ["Ada"])
    press(page, "[aria-label='Remove Ada']")
    expect_stages(page, ["Ben"], ["Cleo"])
    tab_to(page, "[aria-label='Remove Cleo']")
    page.keyboard.press("Control+z")
    expect_stages(page, ["Ben"], ["Cleo"], ["Ada"])
    page.keyboard.press("Control+y")
    expect_stages(page, ["Ben"], ["Cleo"])
    for name in ("Cleo", "Ben"):
        press(page, f"[aria-label='Remove {name}']")
    expect(cards(page)).to_have_count(0)
    expect(page.locator("#add-0")).to_be_focused()


def test_a_list_of_models_is_left_by_escape_and_by_tab(editor: OpenEditor):
    page = editor({"name": "Ada"})
    press(page, "[data-model-pick]")
    page.keyboard.type("haiku")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("[data-model-pick]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#model-search")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#model-picker")).to_be_hidden()
    expect(control(page, 0, "prompt")).to_be_focused()
    expect(page.locator("[data-model-pick]")).to_contain_text("GPT-4.1")


def test_a_search_that_finds_no_model_is_cleared_by_a_button(editor: OpenEditor):
    page = editor({"name": "Ada"})
    search, clear = page.locator("#model-search"), page.get_by_role("button", name="Clear the search")
    press(page, "[data-model-pick]")
    page.keyboard.type("no such model")
    page.keyboard.press("Tab")
    expect(clear).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(search).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(search).to_be_focused()
    expect(search).to_have_value("")
    expect(clear).to_be_hidden()
    expect(page.locator(".model-option[data-active]")).to_contain_text("GPT-4.1")
    page.keyboard.type("no such model")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#model-picker")).to_be_hidden()
    expect(control(page, 0, "prompt")).to_be_focused()


def test_a_fault_is_followed_to_its_field_and_mended(editor: OpenEditor):
    page = editor({"name": "Ada"}, {"name": "Ben"})
    type_into(page, "[data-field=prompt]", "Ask {{nobody}} {{ag")
    page.keyboard.press("Escape")
    expect(page.locator("#offers")).to_be_hidden()
    expect(fault(page, 0, "prompt")).to_contain_text("nobody")
    press(page, ".fault-list a", most=100)
    expect(control(page, 0, "prompt")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("Ask")
    expect(fault(page, 0, "prompt")).to_be_empty()
    expect_saved(page)


def test_an_agent_of_another_chain_is_searched_for_and_copied(editor: OpenEditor):
    page = editor({"name": "Ada"})
    bring_in(page.context, "Scouts of keys", {"name": "Keyed scout", "prompt": "Find the keystone"})
    press(page, "#reuse-1")
    expect(page.locator("#reuse-words")).to_be_focused()
    page.keyboard.type("keystone")
    expect(page.get_by_role("dialog").get_by_role("button")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    tab_to(page, "#reuse-1")
    page.keyboard.press("Enter")
    expect(page.locator("#reuse-words")).to_be_focused()
    page.keyboard.type("keystone")
    expect(page.get_by_role("dialog").get_by_role("button")).to_have_count(1)
    press(page, ".reuse-agent")
    expect(page.locator(".agent-name:focus")).to_have_value("Keyed scout")
