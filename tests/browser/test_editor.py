"""The editor in a real browser: chains from nothing, faults beside their fields, text that is never lost."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.window import until, wait_for_end

SAVED = re.compile("Saved|Draft saved|Published")


def new_chain(page: Page, name: str) -> None:
    """Make a chain, and wait for its editor."""
    page.goto("/")
    page.evaluate(
        """(name) => {
          const form = document.createElement("form");
          Object.assign(form, { method: "post", action: "/chains/new" });
          const token = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
          for (const [key, value] of [["csrfmiddlewaretoken", token], ["name", name]])
            form.append(Object.assign(document.createElement("input"), { name: key, value }));
          document.body.append(form);
          form.submit();
        }""",
        name,
    )
    expect(page.locator(".agent-card")).to_have_count(1)
    page.wait_for_load_state("load")


def cards(page: Page) -> Locator:
    """Return the cards in chain order."""
    return page.locator(".canvas .agent-card")


def names(page: Page) -> list[str]:
    """Return the agents' names in chain order."""
    return [field.input_value() for field in page.locator(".agent-name").all()]


def prompt(page: Page, index: int = 0) -> Locator:
    """Return the prompt field of a card."""
    return page.locator("[data-field=prompt]").nth(index)


def wait_until_saved(page: Page) -> None:
    """Wait until the bar says that nothing is unsaved."""
    expect(page.locator("#save-state")).to_have_attribute("data-state", "saved")


def test_a_chain_with_a_group_and_a_rule_is_built_by_keyboard_alone(window: Callable[..., Page]) -> None:
    page = window()
    new_chain(page, "By keyboard")
    page.locator("[id^=beside-]").focus()
    page.keyboard.press("Enter")
    expect(cards(page)).to_have_count(2)
    expect(page.locator(".agent-name").nth(1)).to_be_focused()
    page.keyboard.type("Critic")
    page.locator("#add-conditional-2").focus()
    page.keyboard.press("Enter")
    expect(cards(page)).to_have_count(3)
    expect(page.locator(".agent-name").nth(2)).to_be_focused()
    page.keyboard.type("Judge")
    page.locator("[data-part=value]").last.focus()
    page.keyboard.type("yes")
    prompt(page, 2).focus()
    page.keyboard.type("Weigh {{crit")
    expect(page.locator("#offers")).to_be_visible()
    page.keyboard.press("Enter")
    wait_until_saved(page)

    page.reload()

    assert names(page)[1:] == ["Critic", "Judge"]
    expect(page.locator(".editor-group .agent-card")).to_have_count(2)
    expect(page.locator("[data-field=condition]").last).to_have_value('contains("yes")')
    expect(prompt(page, 2)).to_have_value("Weigh {{agents.critic}}")


def test_an_agent_is_dragged_beside_another_one_and_becomes_its_companion(
    window: Callable[..., Page],
) -> None:
    page = window()
    new_chain(page, "By mouse")
    page.locator("#add-1").click()
    expect(cards(page)).to_have_count(2)
    grip, target = cards(page).nth(1).locator("[data-grip]").bounding_box(), cards(page).first.bounding_box()
    assert grip
    assert target
    page.mouse.move(grip["x"] + 5, grip["y"] + 5)
    page.mouse.down()
    page.mouse.move(target["x"] + 40, target["y"] + 60, steps=12)
    page.mouse.move(target["x"] + 60, target["y"] + 80, steps=6)
    page.wait_for_timeout(300)
    page.mouse.up()

    expect(page.locator(".editor-group .agent-card")).to_have_count(2)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "has no name"),
        ("prompt", "{{nobody}}", "is not a name that a prompt knows"),
        ("temperature", "warm", "is not a number"),
        ("max_output_tokens", "many", "many"),
    ],
)
def test_a_broken_field_says_so_beside_it(
    window: Callable[..., Page], field: str, value: str, words: str
) -> None:
    page = window()
    new_chain(page, f"Broken {field}")
    page.locator(".agent-more summary").click()
    page.locator(f"[data-field={field}]").last.fill("x")
    page.locator(f"[data-field={field}]").last.fill(value)

    expect(page.locator(f'.agent-card [data-faults="{field}"]')).to_contain_text(words)
    expect(page.locator(f"[data-field={field}]").last).to_have_value(value)


def test_text_typed_until_the_tab_closed_is_there_again(window: Callable[..., Page]) -> None:
    page = window()
    new_chain(page, "Cut off")
    address = page.url
    prompt(page).press_sequentially("Say it in a fe")
    context = page.context
    page.close()

    again = context.new_page()
    again.goto(address)

    until(again, lambda: prompt(again).input_value() == "Say it in a fe")


def test_two_windows_show_both_texts_and_keep_the_chosen_one(window: Callable[..., Page]) -> None:
    page = window()
    new_chain(page, "Two windows")
    other = page.context.new_page()
    other.goto(page.url)
    prompt(page).fill("From the first")
    wait_until_saved(page)
    prompt(other).fill("From the second")

    expect(other.locator(".conflict [data-theirs]")).to_have_value("From the first")
    expect(other.locator(".conflict [data-mine]")).to_have_value("From the second")
    other.get_by_role("button", name="Keep mine").click()
    wait_until_saved(other)
    page.reload()
    expect(prompt(page)).to_have_value("From the second")


def test_ten_steps_are_undone(window: Callable[..., Page]) -> None:
    page = window()
    new_chain(page, "Undone")
    for count in range(1, 11):
        page.locator(f"#add-{count}").click()
        expect(cards(page)).to_have_count(count + 1)
    for count in range(10, 0, -1):
        page.locator("#undo").click()
        expect(cards(page)).to_have_count(count)

    expect(page.locator("#undo")).to_have_attribute("aria-disabled", "true")


def test_the_draft_runs_beside_the_editor_and_version_one_comes_back(window: Callable[..., Page]) -> None:
    page = window()
    new_chain(page, "Tried")
    page.locator("#composer-input").fill("Is it so?")
    page.get_by_role("button", name="Run the draft").click()
    wait_for_end(page)
    prompt(page).fill("Say it better: {{input}}")
    page.locator("#publish").click()
    expect(page.locator("#dialog ins")).to_have_text("Say it better: {{input}}")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.locator("#save-state")).to_contain_text("Published as v2")

    page.goto(page.url.replace("/edit", "/versions/").split("#")[0])
    page.get_by_role("button", name="Restore as the draft").last.click()

    expect(prompt(page)).to_have_value("")
