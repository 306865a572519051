"""Rules: the builder and the expression say the same, and a rule is tried before a run has to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.editor import cards, control, expect_saved, expect_stages, fault
from tests.browser.stage import Stage
from tests.browser.window import wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

OpenEditor = Callable[..., Page]
GATE = {"name": "Gate", "connection_type": "conditional", "condition": 'contains("yes")'}
BRANCH = {"connection_type": "parallel"}

# An expression, and how the builder's parts show each of its tests.
DRAWN = [
    ('contains("yes")', [{"probe": "contains", "value": "yes"}]),
    ("not input.empty", [{"subject": "input", "negated": "not", "probe": "empty"}]),
    ('agents.ada.ends_with("no")', [{"subject": "agents.ada", "probe": "ends_with", "value": "no"}]),
    ('starts_with("a \\"b\\" C:\\\\new")', [{"probe": "starts_with", "value": 'a "b" C:\\new'}]),
    ('matches("\\d+")', [{"probe": "matches", "value": "\\d+"}]),
    ("length >= 100", [{"probe": "length", "comparison": ">=", "value": "100"}]),
    ('json("a.b[0]") == "x y"', [{"probe": "json", "path": "a.b[0]", "comparison": "==", "value": "x y"}]),
    ('json("ok") != true', [{"probe": "json", "path": "ok", "comparison": "!=", "value": "true"}]),
    ("words < 5 or empty", [{"probe": "words", "comparison": "<", "value": "5"}, {"probe": "empty"}]),
]


@pytest.fixture
def page(editor: OpenEditor) -> Page:
    return editor({"name": "Ada"}, GATE)


def part(page: Page, name: str, test: int = 0) -> Locator:
    return cards(page).nth(1).locator(f'[data-part="{name}"]').nth(test)


def test_what_is_built_is_written_and_what_is_written_is_drawn(page: Page):
    source = control(page, 1, "condition")
    for expression, tests in DRAWN:
        source.fill(expression)
        expect(cards(page).nth(1).locator(".rule-test")).to_have_count(len(tests))
        for place, test in enumerate(tests):
            for name, value in test.items():
                expect(part(page, name, place)).to_have_value(value)
        source.fill("")
        build(page, tests, joiner="or" if " or " in expression else "")
        expect(source).to_have_value(expression)
    expect(fault(page, 1, "condition")).to_be_empty()
    expect_saved(page)
    page.reload()
    expect(source).to_have_value(DRAWN[-1][0])
    expect(part(page, "joiner")).to_have_value("or")


def build(page: Page, tests: list[dict[str, str]], joiner: str) -> None:
    for place, test in enumerate(tests):
        if place:
            part(page, "more").click()
        for name in ("subject", "negated", "probe", "comparison"):
            if name in test:
                part(page, name, place).select_option(test[name])
        for name in ("path", "value"):
            if name in test:
                part(page, name, place).fill(test[name])
    if joiner:
        part(page, "joiner").select_option(joiner)


def test_a_test_is_taken_away_and_a_rule_beyond_the_builder_stays_by_hand(page: Page):
    control(page, 1, "condition").fill('contains("a") and contains("b") and contains("c")')
    part(page, "remove", 1).click()
    expect(control(page, 1, "condition")).to_have_value('contains("a") and contains("c")')
    by_hand = 'not (empty or words > 3) and contains("x")'
    control(page, 1, "condition").fill(by_hand)
    expect(part(page, "by-hand")).to_be_visible()
    expect(part(page, "more")).to_be_hidden()
    expect(cards(page).nth(1).locator(".rule-test")).to_have_count(0)
    expect(fault(page, 1, "condition")).to_be_empty()
    expect(control(page, 1, "condition")).to_have_value(by_hand)


def test_otherwise_is_a_button_of_groups_alone(editor: OpenEditor):
    page = editor(GATE | BRANCH, BRANCH | {"name": "Rest"})
    expect(part(page, "otherwise")).to_have_attribute("aria-pressed", "false")
    part(page, "otherwise").click()
    expect(control(page, 1, "condition")).to_have_value("otherwise")
    expect(part(page, "otherwise")).to_have_attribute("aria-pressed", "true")
    expect(part(page, "otherwise")).to_be_focused()
    expect(page.locator("#plan")).to_contain_text("if no other rule of its group holds")
    part(page, "otherwise").click()
    expect(control(page, 1, "condition")).to_have_value("")
    page.get_by_role("button", name="Take Rest out of the group").click()
    expect_stages(page, ["Gate"], ["Rest"])
    cards(page).nth(1).get_by_role("radio", name="Conditional").click()
    expect(part(page, "subject")).to_be_visible()
    expect(part(page, "otherwise")).to_be_hidden()


def test_a_rule_is_tried_on_pasted_text_and_shows_the_part_that_decided(page: Page):
    control(page, 1, "condition").fill('contains("heron") and words < 4')
    page.get_by_role("link", name="Try it").click()
    verdict = cards(page).nth(1).locator(".verdict")
    page.get_by_label("A text to try the rule on").fill("A grey heron stands in the reeds")
    expect(verdict).to_have_attribute("data-held", "false")
    expect(verdict).to_contain_text("It does not hold: the agent is skipped.")
    expect(verdict.locator("code")).to_have_text("words < 4")
    # The rule is changed, by hand and by its builder, while the text stays.
    control(page, 1, "condition").fill('contains("heron") and words < 40')
    expect(verdict).to_have_attribute("data-held", "true")
    expect(verdict.locator("q")).to_contain_text("heron")
    part(page, "value", 0).fill("stork")
    expect(verdict.locator("code")).to_have_text('contains("stork")')
    control(page, 1, "condition").fill('contains("heron"')
    expect(verdict).to_contain_text("At character")
    # An act draws the chain anew; what was pasted stays.
    page.get_by_role("button", name="Duplicate Ada").click()
    expect_stages(page, ["Ada"], ["Ada 2"], ["Gate"])
    expect(page.get_by_label("A text to try the rule on")).to_have_value("A grey heron stands in the reeds")
    control(page, 2, "condition").fill('contains("reeds")')
    expect(cards(page).nth(2).locator(".verdict")).to_have_attribute("data-held", "true")


def test_a_rule_is_tried_on_the_answer_of_an_earlier_run(page: Page, stage: Stage):
    stage.play(Ada=Script(text='{"verdict": "yes", "score": 7}'))
    page.locator("#composer-input").fill("Judge it")
    page.get_by_role("button", name="Run the draft").click()
    wait_for_end(page)
    control(page, 1, "condition").fill('json("score") >= 5')
    page.get_by_role("link", name="Try it").click()
    page.get_by_role("button", name="Ada:").first.click()
    verdict = cards(page).nth(1).locator(".verdict")
    expect(verdict).to_have_attribute("data-held", "true")
    expect(verdict.locator("code")).to_have_text('json("score") >= 5')
    expect(page.get_by_label("A text to try the rule on")).to_have_value('{"verdict": "yes", "score": 7}')
