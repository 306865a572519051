"""Faults stand beside their fields, keep what was typed, and go when it is mended."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.editor import cards, control, expect_saved, expect_stages, fault, publish, setting
from tests.browser.stage import Stage
from tests.browser.window import until

pytestmark = pytest.mark.once

OpenEditor = Callable[..., Page]
PARALLEL, CONDITIONAL = {"connection_type": "parallel"}, {"connection_type": "conditional"}

# place, field, what is wrong, what is said of it, what is right
SAVED = [
    (0, "name", "", " has no name: give it one.", "Ada"),
    (0, "prompt", "Ask {{nobody}}", "is not a name that a prompt knows", "Ask {{input}}"),
    (0, "temperature", "7", "temperature must lie between 0 and 2", "0.7"),
    (0, "max_output_tokens", "0", "answer needs at least one token", "1"),
    (1, "prompt", "Ask {{agents.dan}}", "names an agent that stands later", "Ask {{agents.ada}}"),
    (1, "condition", "", " is conditional and has no rule.", "empty"),
    (1, "max_output_tokens", "1000001", "answer may have at most 1,000,000 tokens", ""),
    (2, "condition", 'contains("x"', "rule is wrong at character 13", 'contains("x")'),
    (3, "condition", "otherwise and empty", "otherwise stands alone", "otherwise"),
    (3, "prompt", "Ask {{agents.cleo}}", "members never see each other", ""),
    (4, "condition", "otherwise", "says otherwise outside a parallel group", 'matches("^no")'),
    (5, "condition", 'matches("(")', "the pattern is not valid", "words < 5"),
]
REFUSED = [
    (0, "name", "n" * 101, "A name may have 100 characters: this one has 101.", "Ada"),
    (0, "prompt", "p" * 100_001, "A prompt may have 100,000 characters", "Ask"),
    (0, "system_prompt", "s" * 100_001, "A prompt may have 100,000 characters", "You are Ada"),
    (0, "temperature", "warm", "“warm” is not a number: type one from 0 to 2", "0,5"),
    (0, "max_output_tokens", "many", "“many” is not a number of tokens", "900"),
    (1, "condition", "c" * 100_001, "A rule may have 100,000 characters", "empty"),
]
SETTINGS = [
    ("name", "", "Give it a name.", "Better"),
    ("name", "n" * 101, "A name may have 100 characters", "Best"),
    ("tags", "t" * 41, "is too long: use at most 40 characters", "alpha, beta"),
    ("tags", ", ".join("abcdefghijk"), "A chain may have 10 tags, not 11", "alpha"),
    ("description", "d" * 2001, "A description may have 2,000 characters: this one has 2,001.", "Short"),
]


def show_parameters(page: Page) -> None:
    page.locator(".agent-more:not([open]) summary").evaluate_all("all => all.forEach((one) => one.click())")


def is_marked(field: Locator) -> None:
    expect(field).to_have_attribute("aria-invalid", "true")


def is_plain(field: Locator) -> None:
    expect(field).not_to_have_attribute("aria-invalid", "true")


def test_what_is_merely_wrong_is_saved_and_said_beside_each_field(editor: OpenEditor):
    rule = {"condition": 'contains("y")'}
    page = editor(
        {"name": "Ada"}, CONDITIONAL | rule | {"name": "Ben"},
        PARALLEL | rule | {"name": "Cleo"}, PARALLEL | {"name": "Dan"},
        CONDITIONAL | rule | {"name": "Eve"}, CONDITIONAL | rule | {"name": "Fay"},
    )  # fmt: skip
    show_parameters(page)
    for place, field, wrong, _, _ in SAVED:
        control(page, place, field).fill(wrong)
    for is_fresh in (True, False):
        for place, field, wrong, words, _ in SAVED:
            expect(fault(page, place, field)).to_contain_text(words)
            expect(page.locator("#plan .fault-list")).to_contain_text(words)
            expect(control(page, place, field)).to_have_value(wrong)
            is_marked(control(page, place, field))
        if is_fresh:
            expect_saved(page)
            page.reload()

    for place, field, _, _, right in SAVED:
        control(page, place, field).fill(right)
    for place, field, _, _, right in SAVED:
        expect(fault(page, place, field).locator("[data-severity=fault]")).to_have_count(0)
        expect(control(page, place, field)).to_have_value(right)
        is_plain(control(page, place, field))
    expect(page.locator("#plan .fault-list [data-severity=fault]")).to_have_count(0)
    publish(page)


def test_what_no_draft_can_hold_is_kept_in_its_field_until_it_is_mended(editor: OpenEditor):
    page = editor({"name": "Ada"}, CONDITIONAL | {"name": "Ben", "condition": "empty"})
    show_parameters(page)
    for place, field, wrong, _, _ in REFUSED:
        control(page, place, field).fill(wrong)
    control(page, 1, "prompt").fill("This one is good")
    assert_refused(page)
    expect(page.locator("#save-state")).to_have_attribute("data-state", "refused")
    # Neither an act nor a reload takes it away.
    page.get_by_role("button", name="Duplicate").last.click()
    expect(cards(page)).to_have_count(3)
    assert_refused(page)
    page.reload()
    expect(control(page, 1, "prompt")).to_have_value("This one is good")
    show_parameters(page)
    assert_refused(page)

    for place, field, _, _, right in REFUSED:
        control(page, place, field).fill(right)
    expect_saved(page)
    page.reload()
    for place, field, _, _, right in REFUSED:
        expect(fault(page, place, field)).to_be_empty()
        expect(control(page, place, field)).to_have_value(right.replace(",", "."))


def test_what_is_too_long_for_the_server_is_refused_and_the_rest_is_saved(editor: OpenEditor):
    page = editor({"name": "Ada"}, {"name": "Ben"})

    def through_a_proxy(route: Route) -> None:
        if len(route.request.post_data or "") > 50_000:
            route.fulfill(status=413)
        else:
            route.continue_()

    page.route("**/edit/agents/*", through_a_proxy)
    control(page, 0, "prompt").fill("x" * 60_000)
    expect(fault(page, 0, "prompt")).to_contain_text("too long for the server")
    control(page, 1, "prompt").fill("Of use")
    expect(page.locator("#save-state")).to_contain_text("Everything but the marked fields is saved")
    control(page, 0, "prompt").fill("Shorter")
    expect_saved(page)
    page.reload()
    expect(control(page, 0, "prompt")).to_have_value("Shorter")
    expect(control(page, 1, "prompt")).to_have_value("Of use")


def test_what_something_on_the_way_refuses_for_long_holds_up_nothing_else(editor: OpenEditor):
    page = editor({"name": "Ada"}, {"name": "Ben"})
    is_closed = True

    def through_a_proxy(route: Route) -> None:
        if is_closed and "Suspicious" in (route.request.post_data or ""):
            route.fulfill(status=403)
        else:
            route.continue_()

    page.route("**/edit/agents/*", through_a_proxy)
    control(page, 0, "prompt").fill("Suspicious")
    expect(page.locator("#save-state")).to_contain_text("The server did not take it (403)")
    control(page, 1, "prompt").fill("Of use")
    until(page, lambda: "Of use" in page.request.get(page.url).text())
    assert "Suspicious" not in page.request.get(page.url).text()
    expect(page.locator("#save-state")).to_contain_text("The server did not take it (403)")
    is_closed = False
    expect_saved(page)
    assert "Suspicious" in page.request.get(page.url).text()


def test_what_was_refused_is_listed_with_what_is_wrong_and_leads_to_its_field(editor: OpenEditor):
    page = editor({"name": "Ada"}, {"name": "Agent 2"})
    expect(page.get_by_text("No problems found.")).to_be_visible()
    page.get_by_text("System prompt and parameters").first.click()
    control(page, 0, "temperature").fill("hot")
    said = "Agent 1 (“Ada”): “hot” is not a number"
    listed = page.locator("#plan .fault-list li")
    expect(listed).to_contain_text([said])
    expect(page.get_by_text("No problems found.")).to_be_hidden()
    expect(page.locator("#save-state")).to_have_text("Everything but the marked fields is saved")
    control(page, 1, "name").fill("")
    expect(listed).to_contain_text(["Agent 2 has no name", said])

    dialog = page.get_by_role("dialog")
    for words, place, field in [(said, 0, "temperature"), ("Agent 2 has no name", 1, "name")]:
        page.get_by_role("link", name="Publish…").click()
        expect(dialog).to_contain_text("Everything but the marked fields is saved. Fix these before")
        dialog.get_by_role("link", name=words).click()
        expect(dialog).to_be_hidden()
        expect(control(page, place, field)).to_be_focused()
    control(page, 1, "name").fill("Ben")
    expect(listed).to_have_count(1)
    expect(listed).to_contain_text([said])
    page.get_by_role("link", name="Publish…").click()
    expect(dialog.get_by_role("link", name=said)).to_be_visible()
    expect(dialog.get_by_role("button", name="Publish")).to_have_count(0)
    page.keyboard.press("Escape")
    control(page, 0, "temperature").fill("1")
    expect(listed).to_have_count(0)
    expect(page.get_by_text("No problems found.")).to_be_visible()
    publish(page)


def assert_refused(page: Page) -> None:
    for place, field, wrong, words, _ in REFUSED:
        expect(fault(page, place, field)).to_contain_text(words)
        is_marked(control(page, place, field))
        assert control(page, place, field).input_value() == wrong


def test_settings_of_the_chain_say_what_is_wrong_with_them(editor: OpenEditor):
    page = editor({"name": "Ada"}, name="Good")
    page.get_by_text("Chain settings").click()
    for field, wrong, words, right in SETTINGS:
        beside = page.locator(f'#chain-settings [data-faults="{field}"]')
        setting(page, field).fill(wrong)
        setting(page, field).blur()
        expect(beside).to_contain_text(words)
        is_marked(setting(page, field))
        assert setting(page, field).input_value() == wrong
        setting(page, field).fill(right)
        setting(page, field).blur()
        expect(beside).to_be_empty()
        is_plain(setting(page, field))
        expect_saved(page)
    setting(page, "on_failure").select_option("continue")
    expect_saved(page)
    expect(page.locator("#editor-title")).to_have_text("Best")
    page.reload()
    page.get_by_text("Chain settings").click()
    for field, value in {
        "name": "Best",
        "tags": "alpha",
        "description": "Short",
        "on_failure": "continue",
    }.items():
        expect(setting(page, field)).to_have_value(value)


def test_a_connection_that_does_not_fit_says_so_and_which_way_out_there_is(editor: OpenEditor):
    page = editor({"name": "Ada"}, CONDITIONAL | {"name": "Ben", "condition": "empty"})
    ben = cards(page).nth(1)
    ben.get_by_role("radio", name="Direct").click()
    expect(fault(page, 1, "condition")).to_contain_text("make it conditional, or remove the rule")
    page.get_by_role("link", name="make it conditional").click()
    expect(control(page, 1, "condition")).to_be_focused()
    ben.get_by_role("radio", name="Parallel").click()
    expect(fault(page, 1, "condition")).to_be_empty()
    expect(fault(page, 1, "connection_type")).to_contain_text("a group of one is the same as direct")
    expect(page.locator("#plan .fault-list h3:visible")).to_have_text("Worth a look")
    ben.get_by_role("radio", name="Conditional").click()
    expect(fault(page, 1, "connection_type")).to_be_empty()
    expect(page.get_by_text("No problems found.")).to_be_visible()


def test_agents_of_one_name_stay_apart_and_a_new_name_goes_wherever_the_old_one_was(editor: OpenEditor):
    page = editor(
        {"name": "Ada"}, {"name": "Ben"},
        CONDITIONAL | {"name": "Cleo", "prompt": "Weigh {{agents.ben}}", "condition": "agents.ben.empty"},
    )  # fmt: skip
    control(page, 1, "name").fill("Ada")
    expect(control(page, 2, "prompt")).to_have_value("Weigh {{agents.ada-2}}")
    expect(control(page, 2, "condition")).to_have_value("agents.ada-2.empty")
    expect(cards(page).nth(2).locator('[data-part="subject"]')).to_have_value("agents.ada-2")
    expect(cards(page).nth(2).locator(".name-chip")).to_have_text(
        ["input", "previous", "agents.ada", "agents.ada-2"]
    )
    expect(page.get_by_text("No problems found.")).to_be_visible()


@pytest.mark.parametrize("how", ["publish", "run"])
def test_a_faulty_draft_is_neither_published_nor_run(how: str, editor: OpenEditor):
    page = editor({"name": "Ada", "prompt": "Good"})
    control(page, 0, "prompt").fill("{{nobody}}")
    if how == "publish":
        page.get_by_role("link", name="Publish…").click()
        expect(page.get_by_role("dialog")).to_contain_text("The draft is saved. Fix these")
        expect(page.get_by_role("dialog").get_by_role("button", name="Publish")).to_have_count(0)
    else:
        page.locator("#composer-input").fill("Why?")
        page.get_by_role("button", name="Run the draft").click()
        expect(page.locator("#composer-error")).to_contain_text("This cannot run yet.")
        expect(page.locator("#composer-input")).to_have_value("Why?")
    assert page.request.get(page.url.replace("/edit", "/export")).json()["agents"][0]["prompt"] == "Good"


def test_a_model_that_was_switched_off_is_a_fault_until_another_is_picked(editor: OpenEditor, stage: Stage):
    page = editor({"name": "Ada", "model": "gemini/gemini-3.1-pro-preview"})
    with stage.switched_off("gemini-3.1-pro-preview"):
        page.reload()
        expect(fault(page, 0, "model")).to_contain_text("is switched off; choose another model")
        is_marked(cards(page).nth(0).locator("[data-model-pick]"))
        cards(page).nth(0).locator("[data-model-pick]").click()
        page.get_by_role("combobox", name="Search models").fill("no such thing")
        expect(page.get_by_text("No models match.")).to_be_visible()
        page.get_by_role("combobox", name="Search models").fill("flash-lite")
        page.locator("#model-list").get_by_role("option").filter(visible=True).click()
        expect(fault(page, 0, "model")).to_be_empty()
        is_plain(cards(page).nth(0).locator("[data-model-pick]"))
    expect_stages(page, ["Ada"])
