"""Where the editor's parts stand: nothing comes loose from what it belongs to, and nothing is cut off."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from tests.browser.editor import cards

pytestmark = pytest.mark.once

OpenEditor = Callable[..., Page]
TRIO = [{"name": name, "connection_type": "parallel"} for name in ("Ada", "Ben", "Cleo")]
SIZES = [(1440, 900), (1024, 768), (390, 844)]


def box(part: Locator) -> FloatRect:
    found = part.bounding_box()
    assert found
    return found


def floor_of(page: Page) -> float:
    """Return where the sheet at the bottom begins, or the window ends."""
    sheet = page.locator("[data-aside-toggle]").bounding_box()
    return sheet["y"] if sheet else page.evaluate("innerHeight")


def gap_between(upper: FloatRect, lower: FloatRect) -> float:
    return lower["y"] - upper["y"] - upper["height"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("is_above", [True, False])
def test_a_list_of_models_stays_at_its_button_whatever_is_searched(
    size: tuple[int, int], is_above: bool, editor: OpenEditor
):
    width, height = size
    agents = [{"name": name} for name in ("Ada", "Ben", "Cleo", "Dan")]
    page = editor(*agents, viewport={"width": width, "height": height})
    button, picker = cards(page).nth(1).locator("[data-model-pick]"), page.locator("#model-picker")
    button.evaluate("(button, block) => button.scrollIntoView({ block })", "end" if is_above else "start")
    page.locator("#main").evaluate("(main, by) => main.scrollBy(0, by)", 80 if is_above else -120)
    button.click()
    left = box(picker)["x"]
    for words in ("", "gpt", "haiku", "no such model", ""):
        page.get_by_label("Search models").fill(words)
        upper, lower = (picker, button) if is_above else (button, picker)
        assert 0 <= gap_between(box(upper), box(lower)) <= 6
        assert box(picker)["x"] == left
        assert gap_between(box(page.locator(".editor-bar")), box(picker)) >= 8
        assert box(picker)["y"] + box(picker)["height"] <= floor_of(page) - 8


@pytest.mark.parametrize("size", SIZES)
def test_a_list_of_models_in_the_middle_of_the_window_leaves_the_bars_free(
    size: tuple[int, int], editor: OpenEditor
):
    agents = [{"name": name} for name in ("Ada", "Ben", "Cleo", "Dan")]
    page = editor(*agents, viewport={"width": size[0], "height": size[1]})
    button, picker = cards(page).nth(1).locator("[data-model-pick]"), page.locator("#model-picker")
    button.evaluate("button => button.scrollIntoView({ block: 'center' })")
    button.click()
    assert gap_between(box(page.locator(".editor-bar")), box(picker)) >= 8
    assert box(picker)["y"] + box(picker)["height"] <= floor_of(page) - 8
    assert 0 <= max(gap_between(box(button), box(picker)), gap_between(box(picker), box(button))) <= 6


def wait_for_a_picture(page: Page) -> None:
    """Wait until the page has heard of a new size or of a scroll: that comes before its next picture."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def resize(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("([x, y]) => innerWidth === x && innerHeight === y", arg=[width, height])
    wait_for_a_picture(page)


def test_a_list_of_models_turns_to_where_there_is_room_in_another_window(editor: OpenEditor):
    page = editor({"name": "Ada"}, {"name": "Ben"}, viewport={"width": 1440, "height": 900})
    button, picker = cards(page).nth(1).locator("[data-model-pick]"), page.locator("#model-picker")
    button.evaluate("button => button.scrollIntoView({ block: 'end' })")
    button.click()
    for height in (1600, 900):
        resize(page, 1440, height)
        gaps = gap_between(box(button), box(picker)), gap_between(box(picker), box(button))
        assert 0 <= max(gaps) <= 6
        assert gap_between(box(page.locator(".editor-bar")), box(picker)) >= 8
        assert box(picker)["y"] + box(picker)["height"] <= height - 8


def test_a_list_of_models_has_the_whole_of_a_window_that_is_all_bars(editor: OpenEditor):
    page = editor({"name": "Ada"}, viewport={"width": 640, "height": 300})
    button, picker = page.locator("[data-model-pick]"), page.locator("#model-picker")
    button.evaluate("button => button.scrollIntoView({ block: 'center' })")
    button.click()
    assert box(picker)["height"] >= 190
    assert box(picker)["y"] >= 0
    assert box(picker)["y"] + box(picker)["height"] <= 300


def test_what_is_said_of_a_model_never_breaks_within_itself(editor: OpenEditor):
    page = editor({"name": "Ada"}, viewport={"width": 390, "height": 844})
    page.locator("[data-model-pick]").click()
    facts = page.locator(".model-option-facts > span, .model-option .model-facts > span")
    assert facts.count() > 20
    assert facts.evaluate_all("all => all.every((fact) => fact.getClientRects().length === 1)")
    lines = facts.evaluate_all("all => all.map((fact) => fact.getBoundingClientRect().height)")
    assert max(lines) < 24
    right = facts.evaluate_all("all => Math.max(...all.map((fact) => fact.getBoundingClientRect().right))")
    list_of_models = box(page.locator("#model-list"))
    assert right <= list_of_models["x"] + list_of_models["width"]


def test_a_list_of_models_goes_with_its_button(editor: OpenEditor):
    page = editor({"name": "Ada"}, {"name": "Ben"}, viewport={"width": 1440, "height": 900})
    button, picker = cards(page).nth(0).locator("[data-model-pick]"), page.locator("#model-picker")
    button.click()
    resize(page, 1024, 900)
    assert abs(box(picker)["x"] - box(button)["x"]) <= 1 or box(picker)["x"] + box(picker)["width"] == 1016
    page.locator("#main").evaluate("main => main.scrollBy(0, 60)")
    wait_for_a_picture(page)
    assert (
        0 <= min(abs(gap_between(box(button), box(picker))), abs(gap_between(box(picker), box(button)))) <= 6
    )


@pytest.mark.parametrize(("size", "turned"), [(SIZES[1], "none"), (SIZES[2], "90deg")])
def test_arrows_of_a_group_point_where_the_next_one_stands(
    size: tuple[int, int], turned: str, editor: OpenEditor
):
    page = editor(*TRIO, {"name": "Dan"}, viewport={"width": size[0], "height": size[1]})
    turn = "icon => getComputedStyle(icon).rotate"
    for name in ("Move Ben before", "Move Ben behind"):
        assert page.get_by_role("button", name=name).locator(".icon").evaluate(turn) == turned
    assert page.get_by_role("button", name="Move Dan up").locator(".icon").evaluate(turn) == "none"


# How many pixels of what is chosen a select has no room for.
CUT_OFF = """select => {
  const whole = select.cloneNode(false);
  whole.append(select.selectedOptions[0].cloneNode(true));
  whole.style.cssText = "flex: none; inline-size: max-content";
  select.after(whole);
  const wanted = whole.getBoundingClientRect().width;
  whole.remove();
  return wanted - select.getBoundingClientRect().width;
}"""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("connection", ["conditional", "parallel"])
def test_what_is_chosen_in_a_rule_is_read_whole(size: tuple[int, int], connection: str, editor: OpenEditor):
    tests = ("not empty", 'matches("a")', 'not contains("b")', "words > 20", 'json("a") == 3')
    agents = [
        {"name": name, "connection_type": connection, "condition": " and ".join(tests)}
        for name in ("Ada", "Ben", "Cleo")
    ]
    page = editor(*agents, viewport={"width": size[0], "height": size[1]})
    parts = cards(page).nth(1).locator(".rule-test select").filter(visible=True)
    assert parts.count() == 17
    assert max(part.evaluate(CUT_OFF) for part in parts.all()) <= 0
    for row in cards(page).nth(1).locator(".rule-test").all():
        remove, field = row.locator("[data-part=remove]"), row.locator("[data-part=value]")
        beside = field if field.is_visible() else row.locator("[data-part=probe]")
        assert abs(box(remove)["y"] - box(beside)["y"]) <= 4


@pytest.mark.parametrize("size", SIZES)
def test_every_card_of_a_group_is_seen_whole(size: tuple[int, int], editor: OpenEditor):
    page = editor(*TRIO, viewport={"width": size[0], "height": size[1]})
    row = box(page.locator(".editor-cards"))
    for card in cards(page).all():
        seen = box(card)
        assert seen["x"] >= row["x"]
        assert seen["x"] + seen["width"] <= row["x"] + row["width"] + 1
        inner = card.evaluate("card => card.scrollWidth - card.clientWidth")
        assert inner <= 0
    assert page.locator(".editor-cards").evaluate("row => row.scrollWidth - row.clientWidth") <= 0


def test_models_of_all_kinds_of_agents_stand_below_one_another(editor: OpenEditor):
    page = editor(
        {"name": "Ada"},
        {"name": "Ben", "connection_type": "conditional", "condition": "not empty"},
        {"name": "Cleo", "connection_type": "parallel"},
        viewport={"width": 1440, "height": 900},
    )
    buttons = page.locator("[data-model-pick]").all()
    assert len({box(button)["x"] for button in buttons}) == 1


@pytest.mark.parametrize("size", SIZES)
def test_ways_to_add_stand_around_the_middle_and_inside_the_chain(size: tuple[int, int], editor: OpenEditor):
    page = editor({"name": "Ada"}, {"name": "Ben"}, viewport={"width": size[0], "height": size[1]})
    canvas = box(page.locator(".canvas"))
    for place in (1, 2):
        gap = page.locator(".gap").nth(place)
        gap.hover()
        add = box(gap.get_by_role("button", name="Add an agent"))
        assert abs(add["x"] + add["width"] / 2 - canvas["x"] - canvas["width"] / 2) <= 1
        for way in (gap.get_by_role("button").nth(1), gap.get_by_role("link")):
            expect(way).to_be_visible()
            assert box(way)["x"] >= canvas["x"]
            assert box(way)["x"] + box(way)["width"] <= canvas["x"] + canvas["width"]


def test_a_faulty_name_stays_inside_its_card(editor: OpenEditor):
    page = editor({"name": "Ada"}, viewport={"width": 390, "height": 844})
    name, prompt = page.locator(".agent-name"), page.locator(".marked")
    name.fill("")
    expect(name).to_have_attribute("aria-invalid", "true")
    assert box(name)["x"] >= box(prompt)["x"]
    assert box(name)["x"] + box(name)["width"] <= box(prompt)["x"] + box(prompt)["width"]
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert name.evaluate("name => getComputedStyle(name).outlineColor") == "rgb(211, 47, 47)"
