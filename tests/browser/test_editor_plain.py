"""The editor where little is there: no JavaScript, or a narrow window and a finger."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.editor import (
    EDITOR,
    bring_in,
    cards,
    control,
    expect_saved,
    expect_stages,
    fault,
    new_chain,
    published,
    setting,
)
from tests.browser.stage import Stage
from tests.browser.test_widths import EXCESS, LONG, PHONE
from tests.browser.window import follow, wait_for_end

pytestmark = pytest.mark.once

OpenEditor = Callable[..., Page]
PLAIN = {"java_script_enabled": False}


def save(page: Page, number: int) -> None:
    follow(page, page.get_by_role("button", name=f"Save agent {number}"))


def names(page: Page) -> list[str]:
    return [field.input_value() for field in page.locator(".agent-name").all()]


def test_a_chain_is_built_mended_published_and_restored_without_scripts(window: Callable[..., Page]):
    page = window(EDITOR, **PLAIN)
    new_chain(page)
    page.get_by_text("Chain settings").click()
    setting(page, "name").fill("Plain")
    follow(page, page.get_by_role("button", name="Save the settings"))
    control(page, 0, "name").fill("Ada")
    control(page, 0, "prompt").fill("Praise {{input}}\nbriefly")
    cards(page).nth(0).get_by_label("Model").select_option("anthropic/claude-haiku-4-5")
    save(page, 1)
    page.get_by_role("button", name="Run another at the same time").click()
    control(page, 1, "name").fill("Ben")
    save(page, 2)
    page.get_by_role("button", name="with a rule").last.click()
    expect(fault(page, 2, "condition")).to_contain_text(
        "It is conditional and has no rule. Fill in the rule, or make the agent direct."
    )
    control(page, 2, "name").fill("Judge")
    control(page, 2, "condition").fill("contains(")
    save(page, 3)
    expect(fault(page, 2, "condition")).to_contain_text("The rule is wrong at character 10")
    page.get_by_role("link", name="Publish…").click()
    expect(page.get_by_text("Fix these before publishing")).to_be_visible()
    page.get_by_role("link", name="Back to the editor of Plain").click()
    control(page, 2, "condition").fill('contains("no")')
    save(page, 3)
    publish(page)
    haiku = {"model": "anthropic/claude-haiku-4-5"}
    assert published(page)["agents"] == [
        haiku | {"name": "Ada", "connection_type": "parallel", "prompt": "Praise {{input}}\nbriefly"},
        haiku | {"name": "Ben", "connection_type": "parallel"},
        haiku | {"name": "Judge", "connection_type": "conditional", "condition": 'contains("no")'},
    ]

    for act in ("Remove Ada", "Remove Ben", "Undo", "Move Ben down"):
        follow(page, page.get_by_role("button", name=act))
    assert names(page) == ["Judge", "Ben"]
    publish(page)
    page.locator("#versions").click()
    follow(page, page.get_by_role("button", name="Restore as the draft").last)
    assert names(page) == ["Ada", "Ben", "Judge"]


def publish(page: Page) -> None:
    page.get_by_role("link", name="Publish…").click()
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.locator("#save-state")).to_contain_text("Published as v")


def test_without_scripts_what_is_refused_stays_typed_with_its_reason_beside_it(editor: OpenEditor):
    page = editor({"name": "Ada", "temperature": 1}, {"name": "Ben"}, **PLAIN)
    control(page, 0, "prompt").fill("Precious words")
    control(page, 0, "temperature").fill("warm")
    cards(page).nth(0).get_by_label("Model").select_option("gemini/gemini-3.8-flash")
    cards(page).nth(0).get_by_role("radio", name="Conditional").check()
    save(page, 1)
    expect(fault(page, 0, "temperature")).to_contain_text("“warm” is not a number")
    expect(control(page, 0, "temperature")).to_have_value("warm")
    expect(control(page, 0, "prompt")).to_have_value("Precious words")
    expect(cards(page).nth(0).get_by_label("Model").locator("option:checked")).to_have_text(
        "gemini/gemini-3.8-flash"
    )
    expect(cards(page).nth(0).get_by_role("radio", name="Conditional")).to_be_checked()
    control(page, 0, "temperature").fill("0.5")
    control(page, 0, "condition").fill("empty")
    save(page, 1)
    expect(fault(page, 0, "temperature")).to_be_empty()
    expect(control(page, 0, "condition")).to_have_value("empty")

    page.get_by_text("Chain settings").click()
    setting(page, "name").fill(" ")
    setting(page, "description").fill("Precious description")
    page.get_by_role("button", name="Save the settings").click()
    expect(page.locator('#chain-settings [data-faults="name"]')).to_have_text("Give it a name.")
    expect(setting(page, "description")).to_have_value("Precious description")
    setting(page, "name").fill("Named")
    page.get_by_role("button", name="Save the settings").click()
    expect(page.locator("#editor-title")).to_have_text("Named")


def test_without_scripts_a_text_for_an_agent_that_was_removed_is_handed_back(editor: OpenEditor):
    page = editor({"name": "Ada"}, {"name": "Ben"}, **PLAIN)
    other = page.context.new_page()
    other.goto(page.url)
    follow(page, page.get_by_role("button", name="Remove Ben"))
    control(other, 1, "prompt").fill("Precious words")
    save(other, 2)
    expect(other.get_by_text("That agent is not in the chain any more")).to_be_visible()
    expect(other.get_by_label("What you typed")).to_have_value(re.compile("Precious words"))
    assert names(other) == ["Ada"]


@pytest.mark.parametrize("choice", ["Keep mine", "Take what is stored"])
def test_without_scripts_the_second_window_chooses_between_two_texts(choice: str, editor: OpenEditor):
    page = editor({"name": "Ada"}, **PLAIN)
    other = page.context.new_page()
    other.goto(page.url)
    control(page, 0, "prompt").fill("From the first")
    save(page, 1)
    control(other, 0, "prompt").fill("From the second")
    cards(other).nth(0).get_by_label("Model").select_option("gemini/gemini-3.8-flash")
    save(other, 1)
    expect(other.get_by_label("Yours: prompt")).to_have_value("From the second")
    expect(other.get_by_label("Stored: prompt")).to_have_value("From the first")
    expect(other.get_by_label("Yours: model")).to_have_value("gemini/gemini-3.8-flash")
    other.get_by_text(choice, exact=True).click()
    kept = "From the second" if choice == "Keep mine" else "From the first"
    expect(control(other, 0, "prompt")).to_have_value(kept)
    model = "gemini/gemini-3.8-flash" if choice == "Keep mine" else "openai/gpt-4.1"
    expect(cards(other).nth(0).get_by_label("Model").locator("option:checked")).to_have_text(model)


def test_without_scripts_a_rule_is_tried_an_agent_copied_and_the_draft_run(editor: OpenEditor):
    page = editor(
        {"name": "Ada"}, {"name": "Gate", "connection_type": "conditional", "condition": "words < 3"}, **PLAIN
    )
    bring_in(page.context, "Plain scouts", {"name": "Plain scout", "prompt": "Find a plain stone"})
    page.get_by_role("link", name="Try it").click()
    page.get_by_label("A text to try the rule on").fill("One two three")
    page.get_by_label("Rule", exact=True).fill("words < 4")
    page.get_by_role("button", name="Try the rule").click()
    expect(page.locator(".verdict")).to_have_attribute("data-held", "true")
    page.get_by_role("link", name="Back to the editor").click()
    page.get_by_role("link", name="from another chain").last.click()
    page.locator("#reuse-words").fill("plain stone")
    with page.expect_navigation():
        page.locator("#reuse-words").press("Enter")
    follow(page, page.get_by_role("button", name="Plain scout"))
    assert names(page) == ["Ada", "Gate", "Plain scout"]
    page.locator("#composer-input").fill("Run plainly")
    page.get_by_role("button", name="Run the draft").click()
    expect(page.locator("section[data-run]")).to_contain_text("Run plainly")


# A phone


@pytest.fixture
def phone(window: Callable[..., Page]) -> Page:
    return window(EDITOR, **PHONE)


def test_on_a_phone_a_chain_is_built_published_and_run_by_finger(phone: Page, stage: Stage):
    phone.goto("/chains/")
    phone.get_by_role("button", name="New chain").first.tap()
    expect(cards(phone)).to_have_count(1)
    phone.wait_for_load_state()
    control(phone, 0, "prompt").tap()
    phone.keyboard.type("Praise ")
    cards(phone).nth(0).locator("[data-name=input]").tap()
    expect(control(phone, 0, "prompt")).to_have_value("Praise {{input}}")
    cards(phone).nth(0).locator("[data-model-pick]").tap()
    phone.get_by_role("combobox", name="Search models").fill("haiku 4.5")
    phone.locator("#model-list").get_by_role("option").filter(visible=True).tap()
    phone.get_by_role("button", name="Run another at the same time").tap()
    expect(cards(phone)).to_have_count(2)
    phone.keyboard.type("Ben")
    phone.get_by_role("button", name="with a rule").last.tap()
    expect(cards(phone)).to_have_count(3)
    cards(phone).nth(2).locator('[data-part="value"]').fill("no")
    expect(control(phone, 2, "condition")).to_have_value('contains("no")')
    phone.get_by_role("button", name="Plan and test run").tap()
    expect(phone.locator("#plan")).to_contain_text("Agent 1 and Ben at the same time")
    phone.locator("#composer-input").fill("that stones are hard")
    phone.get_by_role("button", name="Run the draft").tap()
    wait_for_end(phone)
    assert phone.evaluate(EXCESS) <= 0
    phone.get_by_role("button", name="Plan and test run").tap()
    expect(phone.locator("#plan")).to_be_hidden()
    control(phone, 1, "prompt").fill("Doubt {{input}}")
    phone.get_by_role("link", name="Publish…").tap()
    phone.get_by_role("dialog").get_by_role("button", name="Publish").tap()
    expect(phone.locator("#save-state")).to_have_text("Published as v2")
    assert [agent["name"] for agent in published(phone)["agents"]] == ["Agent 1", "Ben", "Agent 3"]


def test_nothing_of_the_editor_is_wider_than_a_phone(phone: Page):
    rule = f'json("{LONG[:60]}") == "{LONG}" and contains("{LONG}")'
    parallel = {"connection_type": "parallel", "prompt": f"{LONG} {{{{input}}}}", "temperature": 1}
    agents = [
        parallel | {"name": LONG[:100], "condition": rule},
        parallel | {"name": "Ben", "condition": "otherwise"},
    ]
    judge = {
        "name": "Judge",
        "connection_type": "conditional",
        "condition": f'not (empty) or matches("{LONG}")',
    }
    phone.goto(bring_in(phone.context, LONG[:100], *agents, judge, description=LONG))
    fits(phone)
    phone.get_by_text("Chain settings").tap()
    for link in phone.get_by_role("link", name="Try it").all():
        link.tap()
    expect(phone.get_by_label("A text to try the rule on")).to_have_count(3)
    control(phone, 2, "prompt").fill(f"{{{{{LONG}}}}}")
    expect(fault(phone, 2, "prompt")).not_to_be_empty()
    expect_saved(phone)
    fits(phone)
    phone.get_by_role("button", name="Plan and test run").tap()
    fits(phone)
    phone.get_by_role("button", name="Plan and test run").tap()
    phone.get_by_role("link", name="Publish…").tap()
    expect(phone.get_by_role("dialog")).to_contain_text("is not a name that a prompt knows")
    fits(phone)
    phone.keyboard.press("Escape")
    control(phone, 2, "prompt").fill("")
    expect_saved(phone)
    phone.locator("#versions").tap()
    expect(phone.get_by_role("heading", name="What differs")).to_be_visible()
    fits(phone)


# What scrolls in the page could hide that something in it is too wide.
TOO_WIDE = """() => [...document.querySelectorAll(".editor-cards, .editor-aside, .page, dialog[open]")]
  .filter((part) => part.scrollWidth > part.clientWidth).map((part) => part.className)"""


def fits(page: Page) -> None:
    assert page.evaluate(EXCESS) <= 0
    assert page.evaluate(TOO_WIDE) == []


def test_on_a_phone_a_finger_drags_agents_and_buttons_move_them(phone: Page):
    phone.goto(bring_in(phone.context, "Moved", {"name": "Ada"}, {"name": "Ben"}))
    drag_by_finger(phone, 1, "[data-cards]:has([data-index='0'])")
    expect(phone.locator(".editor-group .agent-card")).to_have_count(2)
    phone.locator("#undo").tap()
    expect_stages(phone, ["Ada"], ["Ben"])
    phone.get_by_role("button", name="Move Ben up").tap()
    expect_stages(phone, ["Ben"], ["Ada"])


def drag_by_finger(page: Page, index: int, into: str) -> None:
    """Put a finger on a grip, move it to a list above, and lift it once the card shows there."""
    finger = page.context.new_cdp_session(page)

    def touch(kind: str, *at: float) -> None:
        points = [{"x": at[0], "y": at[1]}] if at else []
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    cards(page).nth(index).evaluate("(card) => card.scrollIntoView({ block: 'center' })")
    grip = cards(page).nth(index).locator("[data-grip]").bounding_box()
    assert grip
    x, y = grip["x"] + 5, grip["y"] + 5
    touch("touchStart", x, y)
    for step in range(100):
        x, y = x + (8 if x < 120 else step % 2), y - (6 if step < 30 else step % 2)
        touch("touchMove", x, y)
        page.wait_for_timeout(20)
        if step > 30 and page.locator(f"{into} .agent-ghost").count():
            break
    touch("touchEnd")


def test_on_a_phone_every_way_to_add_an_agent_stands_between_two(phone: Page):
    phone.goto(bring_in(phone.context, "Between", {"name": "Ada"}, {"name": "Ben"}))
    between = phone.locator(".gap[data-gap='1']")
    between.get_by_role("button", name="with a rule").tap()
    expect(cards(phone)).to_have_count(3)
    expect(cards(phone).nth(1)).to_have_attribute("data-connection", "conditional")
    fits(phone)
    between.get_by_role("link", name="from another chain").tap()
    expect(phone.get_by_role("dialog")).to_be_visible()
