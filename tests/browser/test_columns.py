"""How somebody arranges the columns of a chain: each scrolls alone, is focused, hidden, pinned and moved."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Event

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from tests.browser.editor import bring_in
from tests.browser.stage import MODELS, Stage
from tests.browser.test_widths import PHONE
from tests.browser.window import article, composer, open_chain, send, until, wait_for_end
from tests.loopback.script import Fault, Script

pytestmark = pytest.mark.once

TABLET = {**PHONE, "viewport": {"width": 1000, "height": 1300}}
SHORT = Script(tokens=20)
LINES = [f"Line {number} of many." for number in range(4_000)]
LONG = Script(text="\n\n".join(LINES[:400]), tps=60)
ENDLESS = Script(text="\n\n".join(LINES), tps=60)
NAMES = """() => [...document.querySelectorAll("[data-run]:last-child [data-stages] .column")]
  .filter((column) => column.checkVisibility()).map((column) => column.querySelector("h3").textContent)"""
AT_END = "(text) => text.scrollTop + text.clientHeight > text.scrollHeight - 1"
STORED = "JSON.stringify(localStorage)"
GO_BACK = "(row) => { const at = row.scrollLeft; row.scrollLeft = 0; return at; }"
WATCH = """(answer) => {
  let last = answer.scrollTop;
  // Where it stands when it is asked: text may have moved it on since the last scroll that the page heard of.
  for (const kind of ["wheel", "keydown"]) {
    answer.addEventListener(kind, () => (last = answer.scrollTop), { capture: true, passive: true });
  }
  answer.addEventListener("scroll", () => {
    answer.wentBack ||= answer.scrollTop < last;
    last = answer.scrollTop;
  });
}"""
SCROLL = "(answer) => [answer.scrollTop, answer.scrollHeight - answer.clientHeight]"


@pytest.fixture
def page(window: Callable[..., Page], stage: Stage) -> Page:
    stage.play(Ada=SHORT, Ben=SHORT, Cleo=SHORT, Dan=SHORT)
    return window(viewport={"width": 1440, "height": 900})


def asked(page: Page, chain: str = "Trio") -> Page:
    open_chain(page, chain)
    send(page, "Well?")
    wait_for_end(page)
    return page


def answer(page: Page, name: str) -> Locator:
    return article(page, name).locator("[data-answer]")


def choose(page: Page, name: str, act: str) -> None:
    """Take something from the menu of a column."""
    article(page, name).get_by_role("button", name=f"Arrange {name}").click()
    page.get_by_role("menuitem", name=act).click()


def tab(page: Page, name: str) -> Locator:
    """Return the link of an agent in the line above the columns."""
    return page.locator("[data-strip]").last.get_by_role("link", name=re.compile(rf"^{name}\b"))


def look_back(page: Page, name: str, by: int = 200) -> Locator:
    """Turn the wheel upwards over an answer, and return its text once it stands there."""
    text = answer(page, name)
    text.evaluate(WATCH)
    text.hover()
    page.mouse.wheel(0, -by)
    until(page, lambda: text.evaluate("(answer) => answer.wentBack"))
    expect(article(page, name).get_by_role("button", name="Jump to latest")).to_be_visible()
    return text


def test_each_scrolls_alone_and_follows_its_text_while_the_reader_is_at_its_end(page: Page, stage: Stage):
    stage.play(Ada=ENDLESS, Ben=ENDLESS)
    open_chain(page, "Pair")
    send(page, "Write much")
    until(page, lambda: all(answer(page, name).evaluate(SCROLL)[1] > 300 for name in ("Ada", "Ben")))
    jump = article(page, "Ada").get_by_role("button", name="Jump to latest")
    expect(jump).to_be_hidden()
    # Fingers that draw sideways, for the row, leave no end by how little they go up.
    answer(page, "Ada").hover()
    page.mouse.wheel(60, -4)
    _, end = answer(page, "Ada").evaluate(SCROLL)
    until(page, lambda: answer(page, "Ada").evaluate(SCROLL)[0] > end + 100)
    expect(jump).to_be_hidden()
    place, _ = look_back(page, "Ada").evaluate(SCROLL)
    grown = answer(page, "Ada").evaluate(SCROLL)[1]
    until(page, lambda: answer(page, "Ada").evaluate(SCROLL)[1] > grown + 100)
    # What is read stays where it is, while the neighbour goes on to follow.
    assert answer(page, "Ada").evaluate(SCROLL)[0] == place
    until(page, lambda: (seen := answer(page, "Ben").evaluate(SCROLL))[1] - seen[0] < 24)
    jump.click()
    until(page, lambda: (seen := answer(page, "Ada").evaluate(SCROLL))[1] - seen[0] < 24)
    expect(jump).to_be_hidden()
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_for_end(page, "cancelled")


def test_a_key_that_goes_up_leaves_the_end_of_a_text_however_small_its_step(page: Page, stage: Stage):
    stage.play(Ada=ENDLESS, Ben=ENDLESS)
    open_chain(page, "Pair")
    send(page, "Write much")
    until(page, lambda: all(answer(page, name).evaluate(SCROLL)[1] > 300 for name in ("Ada", "Ben")))

    def left_behind(text: Locator) -> bool:
        top, end = text.evaluate(SCROLL)
        return bool(end - top > 100)

    for name, key in (("Ada", "ArrowUp"), ("Ben", "PageUp"), ("Ada", "Home")):
        text = answer(page, name)
        text.evaluate(WATCH)
        text.focus()
        page.keyboard.press(key)
        until(page, partial(text.evaluate, "(answer) => answer.wentBack"))
        until(page, partial(left_behind, text))
        jump = article(page, name).get_by_role("button", name="Jump to latest")
        expect(jump).to_be_visible()
        jump.click()
        expect(jump).to_be_hidden()
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_for_end(page, "cancelled")


def test_the_last_lines_of_an_answer_that_was_followed_stay_in_sight_when_its_figures_come(
    page: Page, stage: Stage
):
    stage.play(Ada=replace(LONG, tps=400), Ben=replace(LONG, tps=400), Cleo=SHORT)
    asked(page)
    for text in (answer(page, "Ada"), answer(page, "Ben")):
        until(page, partial(text.evaluate, AT_END))
        assert text.evaluate(SCROLL)[0] > 300


class Gaps:
    """Carries a page's sockets. Once torn, what comes of a text builds on what never came."""

    def __init__(self, page: Page) -> None:
        self.is_torn = False
        page.route_web_socket("**/ws/sessions/**", self._carry)

    def _carry(self, near: WebSocketRoute) -> None:
        far = near.connect_to_server()

        def from_server(message: str | bytes) -> None:
            frame = json.loads(message)
            for text in frame.get("columns", ()) if self.is_torn else ():
                text["first_block"] += 1_000
            near.send(json.dumps(frame))

        near.on_message(far.send)
        far.on_message(from_server)


def test_what_a_window_missed_comes_with_the_end_and_leaves_the_places(page: Page, stage: Stage):
    missed = "\n\n".join(f"Missed-{number}" for number in range(200))  # one word
    ends = Event()
    script = Script(text=LONG.text + "\n\n" + missed, tps=200, ends=ends)
    stage.play(Ada=script, Ben=script)
    gaps = Gaps(page)
    open_chain(page, "Pair")
    send(page, "Write much")
    for name in ("Ada", "Ben"):
        until(page, partial(lambda text: text.evaluate(SCROLL)[0] > 300, answer(page, name)))
    read = look_back(page, "Ben").evaluate(SCROLL)[0]
    gaps.is_torn = True
    ends.set()
    wait_for_end(page)
    for name in ("Ada", "Ben"):
        expect(answer(page, name)).to_contain_text("Missed-199")
    until(page, partial(answer(page, "Ada").evaluate, AT_END))
    assert answer(page, "Ben").evaluate(SCROLL)[0] == read


def test_one_is_focused_the_others_narrow_and_the_next_run_and_visit_keep_it_so(page: Page):
    asked(page)
    article(page, "Ben").get_by_role("button", name="Focus Ben").click()

    def is_wide() -> bool:
        widths = {name: article(page, name).bounding_box()["width"] for name in ("Ada", "Ben")}  # type: ignore[index]
        return widths["Ben"] > 5 * widths["Ada"]

    until(page, is_wide)
    send(page, "And now?")
    expect(page.locator("section[data-run]")).to_have_count(2)
    wait_for_end(page)
    until(page, is_wide)
    page.reload()
    until(page, is_wide)
    # A narrow one takes the focus when it is clicked.
    article(page, "Ada").click()
    expect(article(page, "Ada")).to_have_attribute("data-focused", "")
    article(page, "Ada").get_by_role("button", name="Focus Ada").click()
    expect(page.locator("[data-focused]")).to_have_count(0)


def test_one_is_hidden_and_all_come_back(page: Page):
    asked(page)
    choose(page, "Cleo", "Hide")
    assert page.evaluate(NAMES) == ["Ada", "Ben", "Dan"]
    back = page.get_by_role("button", name="1 hidden")
    expect(back).to_be_focused()
    page.reload()
    assert page.evaluate(NAMES) == ["Ada", "Ben", "Dan"]
    back.click()
    assert page.evaluate(NAMES) == ["Ada", "Ben", "Cleo", "Dan"]


def test_what_is_left_fills_the_row_stays_readable_and_no_arrow_leads_to_nothing(page: Page, stage: Stage):
    stage.play(Ben=Script(tokens=200))
    asked(page)
    row = page.locator("[data-run]").bounding_box()
    assert row
    arrows = page.locator(".flow:visible")
    expect(arrows).to_have_count(1)
    for name in ("Ada", "Cleo"):
        choose(page, name, "Hide")
    expect(arrows).to_have_count(1)
    choose(page, "Dan", "Hide")
    expect(arrows).to_have_count(0)
    ben = article(page, "Ben").bounding_box()
    text = answer(page, "Ben").locator("p").bounding_box()
    head = article(page, "Ben").get_by_role("heading").bounding_box()
    assert ben
    assert text
    assert head
    # But for the frame of its group.
    assert row["width"] - ben["width"] < 24
    assert text["width"] < 800
    assert text["x"] - ben["x"] > 100
    assert text["x"] == head["x"]
    # The last stage without the first one.
    page.get_by_role("button", name="3 hidden").click()
    for name in ("Ada", "Ben", "Cleo"):
        choose(page, name, "Hide")
    expect(arrows).to_have_count(0)


def test_one_is_pinned_to_the_left_and_goes_back_to_its_stage(page: Page):
    asked(page)
    choose(page, "Dan", "Pin to the left")
    assert page.evaluate(NAMES) == ["Dan", "Ada", "Ben", "Cleo"]
    page.reload()
    assert page.evaluate(NAMES) == ["Dan", "Ada", "Ben", "Cleo"]
    page.get_by_role("button", name="Dan is pinned to the left").click()
    assert page.evaluate(NAMES) == ["Ada", "Ben", "Cleo", "Dan"]


def test_one_is_moved_within_its_group(page: Page):
    asked(page)
    choose(page, "Ada", "Move right")
    assert page.evaluate(NAMES) == ["Ben", "Ada", "Cleo", "Dan"]
    choose(page, "Cleo", "Move left")
    page.reload()
    assert page.evaluate(NAMES) == ["Ben", "Cleo", "Ada", "Dan"]


def test_one_is_dragged_by_its_head_within_its_group(page: Page):
    asked(page)
    drag(page, "Ada", onto="Cleo")
    assert page.evaluate(NAMES) == ["Ben", "Cleo", "Ada", "Dan"]
    # The row did not go along with it.
    assert page.locator("[data-stages]").evaluate("(row) => row.scrollLeft") == 0
    drag(page, "Cleo", onto="Ben")
    assert page.evaluate(NAMES) == ["Cleo", "Ben", "Ada", "Dan"]
    # Dan stands alone after them: nothing changes places with it.
    drag(page, "Ben", onto="Dan")
    after = page.evaluate(NAMES)
    assert after[-1] == "Dan"
    # Neither text nor menu was meant.
    assert page.evaluate("getSelection().toString()") == ""
    expect(page.get_by_role("menu")).to_have_count(0)
    send(page, "And now?")
    expect(page.locator("section[data-run]")).to_have_count(2)
    wait_for_end(page)
    assert page.evaluate(NAMES) == after
    page.reload()
    assert page.evaluate(NAMES) == after


def test_escape_ends_a_drag_and_the_column_goes_back(page: Page, stage: Stage):
    stage.play(Ada=replace(LONG, tps=0))
    # A page that saw it come may have followed it to its end.
    asked(page).reload()
    stored = page.evaluate(STORED)
    ahead(page)
    answer(page, "Ada").hover()
    page.mouse.wheel(0, 300)
    until(page, lambda: answer(page, "Ada").evaluate(SCROLL)[0] == 300)
    draw(page, "Ada", onto="Cleo")
    assert page.evaluate(NAMES) == ["Ben", "Cleo", "Ada", "Dan"]
    page.keyboard.press("Escape")
    until(page, lambda: page.evaluate(NAMES) == ["Ada", "Ben", "Cleo", "Dan"])
    page.mouse.up()
    assert page.evaluate(STORED) == stored
    assert answer(page, "Ada").evaluate(SCROLL)[0] == 300
    page.reload()
    assert page.evaluate(NAMES) == ["Ada", "Ben", "Cleo", "Dan"]
    # The next one is a drag like any other.
    drag(page, "Ada", onto="Cleo")
    assert page.evaluate(NAMES) == ["Ben", "Cleo", "Ada", "Dan"]


def test_a_column_may_be_let_go_anywhere(page: Page):
    asked(page)
    draw(page, "Ada", onto="Ben")
    composer(page).hover()
    page.mouse.up()
    expect(page.locator(".column-ghost")).to_have_count(0)
    assert page.evaluate(NAMES) == ["Ben", "Ada", "Cleo", "Dan"]
    expect(composer(page)).to_have_value("")


def test_a_drag_that_begins_on_a_button_or_in_an_answer_moves_nothing(page: Page):
    asked(page)
    more = article(page, "Ada").get_by_role("button", name="Arrange Ada")
    for start in (more, answer(page, "Ada").locator("p").first):
        drag(page, "Ada", onto="Cleo", start=start)
        assert page.evaluate(NAMES) == ["Ada", "Ben", "Cleo", "Dan"]


def test_text_that_comes_between_the_turn_of_the_wheel_and_the_scroll_does_not_take_the_reader_back(
    page: Page, stage: Stage
):
    stage.play(Ada=ENDLESS, Ben=ENDLESS)
    open_chain(page, "Pair")
    send(page, "Write much")
    text = answer(page, "Ada")
    until(page, lambda: text.evaluate(SCROLL)[1] > 600)
    # The browser tells of the wheel first, and scrolls when it comes to it.
    text.dispatch_event("wheel", {"deltaY": -300})
    top = text.evaluate(SCROLL)[0]
    until(page, lambda: text.evaluate(SCROLL)[1] > top + 200)
    assert text.evaluate(SCROLL)[0] == top
    expect(article(page, "Ada").get_by_role("button", name="Jump to latest")).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_for_end(page, "cancelled")


def test_what_moves_a_text_without_its_reader_does_not_end_its_following(page: Page, stage: Stage):
    stage.play(Ada=replace(LONG, fault=Fault.STALL, after=200), Ben=LONG)
    open_chain(page, "Pair")
    send(page, "Write much")
    text = answer(page, "Ada")
    until(page, lambda: "Line 45 " in text.inner_text())
    # As a layout does that is higher for a moment. No text comes any more that would lead back to the end.
    text.evaluate("(answer) => { answer.scrollTop -= 200; }")
    until(page, lambda: (seen := text.evaluate(SCROLL))[1] - seen[0] < 24)
    jump = article(page, "Ada").get_by_role("button", name="Jump to latest")
    expect(jump).to_be_hidden()
    # Nor does what moves it right after its reader has jumped to the end.
    look_back(page, "Ada")
    jump.evaluate(
        """(jump) => {
          const answer = jump.parentElement.querySelector("[data-answer]");
          jump.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
          jump.click();
          requestAnimationFrame(() => requestAnimationFrame(() => (answer.scrollTop -= 200)));
        }"""
    )
    page.wait_for_timeout(200)
    until(page, lambda: (seen := text.evaluate(SCROLL))[1] - seen[0] < 24)
    expect(jump).to_be_hidden()
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_for_end(page, "cancelled")


def test_what_is_dragged_keeps_its_place_in_its_text(page: Page, stage: Stage):
    stage.play(Ada=ENDLESS, Ben=ENDLESS)
    open_chain(page, "Pair")
    send(page, "Write much")
    until(page, lambda: all(answer(page, name).evaluate(SCROLL)[1] > 300 for name in ("Ada", "Ben")))
    drag(page, "Ada", onto="Ben")
    # It goes on to follow its text.
    grown = answer(page, "Ada").evaluate(SCROLL)[1]
    until(page, lambda: answer(page, "Ada").evaluate(SCROLL)[1] > grown + 100)
    until(page, lambda: (seen := answer(page, "Ada").evaluate(SCROLL))[1] - seen[0] < 24)
    expect(article(page, "Ada").get_by_role("button", name="Jump to latest")).to_be_hidden()
    place, _ = look_back(page, "Ada").evaluate(SCROLL)
    drag(page, "Ada", onto="Ben")
    assert page.evaluate(NAMES) == ["Ada", "Ben"]
    assert answer(page, "Ada").evaluate(SCROLL)[0] == place
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_for_end(page, "cancelled")


def test_columns_that_come_back_from_the_left_can_be_dragged(page: Page):
    asked(page, "Pair")
    choose(page, "Ada", "Pin to the left")
    page.reload()
    page.get_by_role("button", name="Ada is pinned to the left").click()
    drag(page, "Ada", onto="Ben")
    assert page.evaluate(NAMES) == ["Ben", "Ada"]


def test_twelve_stay_usable(page: Page):
    agents = [
        {"name": f"A{number}", "model": MODELS["Ada"], "connection_type": "parallel"} for number in range(12)
    ]
    bring_in(page.context, "Twelve", *agents)
    asked(page, "Twelve")
    row = page.locator("[data-stages]").last
    for number in (0, 11, 5):
        tab(page, f"A{number}").click()
        expect(article(page, f"A{number}").get_by_role("heading")).to_be_in_viewport()
        box = article(page, f"A{number}").bounding_box()
        assert box
        assert box["width"] >= 240
    # The row moves sideways, the page does not.
    assert row.evaluate("(row) => row.scrollWidth > row.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_on_a_phone_one_card_is_unfolded_and_a_tap_or_a_tab_leads_to_another(
    window: Callable[..., Page], page: Page
):
    phone = asked(window(**PHONE))
    phone.reload()
    unfolded = phone.locator(".column[data-expanded] h3")
    expect(unfolded).to_have_text("Dan")
    phone.get_by_role("button", name="Show or fold the answer of Ben").tap()
    expect(unfolded).to_have_text("Ben")
    tab(phone, "Cleo").tap()
    expect(unfolded).to_have_text("Cleo")
    expect(tab(phone, "Cleo")).to_have_attribute("aria-current", "true")
    swipe(phone, answer(phone, "Cleo"), by=-160)
    expect(unfolded).to_have_text("Dan")
    swipe(phone, answer(phone, "Dan"), by=160)
    expect(unfolded).to_have_text("Cleo")


@pytest.mark.parametrize("device", [PHONE, TABLET], ids=["phone", "tablet"])
def test_a_finger_drags_no_column(window: Callable[..., Page], page: Page, device: dict[str, object]):
    touched = asked(window(**device))
    ahead(touched)
    finger = touched.context.new_cdp_session(touched)
    start = article(touched, "Ada").get_by_role("heading").bounding_box()
    end = article(touched, "Ben").bounding_box()
    assert start
    assert end
    x, y = start["x"] + 8, start["y"] + start["height"] / 2
    by_x, by_y = end["x"] + end["width"] / 2 - x, end["y"] + 20 - y
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    touched.wait_for_timeout(250)
    for step in range(1, 13):
        at = [{"x": x + by_x * min(step, 8) / 8 + step % 2, "y": y + by_y * min(step, 8) / 8}]
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at})
        touched.wait_for_timeout(30)
        assert touched.locator(".sortable-chosen").count() == 0
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert touched.evaluate(NAMES) == ["Ada", "Ben", "Cleo", "Dan"]


def test_a_window_that_widens_lets_columns_be_dragged(window: Callable[..., Page], page: Page):
    narrow = asked(window(viewport={"width": 700, "height": 900}))
    narrow.set_viewport_size({"width": 1440, "height": 900})
    drag(narrow, "Ada", onto="Ben")
    assert narrow.evaluate(NAMES) == ["Ben", "Ada", "Cleo", "Dan"]
    narrow.set_viewport_size({"width": 700, "height": 900})
    drag(narrow, "Ada", onto="Cleo")
    assert narrow.evaluate(NAMES) == ["Ben", "Ada", "Cleo", "Dan"]


def ahead(page: Page) -> None:
    """Scroll the newest row back to its beginning, once it has come to rest."""
    row = page.locator("[data-stages]").last
    until(page, lambda: row.evaluate(GO_BACK) == 0)


def drag(page: Page, name: str, *, onto: str, start: Locator | None = None) -> None:
    """Draw a column over another one by its head, or by what else is said, and let go there."""
    draw(page, name, onto=onto, start=start)
    page.mouse.up()
    expect(page.locator(".column-ghost")).to_have_count(0)


def draw(page: Page, name: str, *, onto: str, start: Locator | None = None) -> None:
    """Draw a column over another one, and hold it there."""
    ahead(page)
    (start or article(page, name).get_by_role("heading")).hover()
    target = article(page, onto).locator(".column-head").bounding_box()
    assert target
    page.mouse.down()
    for step in range(12):
        # A hand is never quite still, and the columns take 150 ms to make room.
        x = target["x"] + target["width"] / 2 + step % 2 * 3
        page.mouse.move(x, target["y"] + 12, steps=6 if step == 0 else 1)
        page.wait_for_timeout(30)


def swipe(page: Page, over: Locator, by: int) -> None:
    """Draw a finger sideways."""
    finger = page.context.new_cdp_session(page)
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box
    x, y = 195 - by / 2, box["y"] + min(20, box["height"] / 2)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 9):
        at = [{"x": x + by * step / 8, "y": y}]
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_press_during_which_an_answer_ends_is_not_lost(page: Page, stage: Stage):
    ends = Event()
    stage.play(Ada=Script(tokens=20, tps=40, ends=ends), Ben=SHORT)
    open_chain(page, "Pair")
    send(page, "Well?")
    expect(article(page, "Ada")).to_have_attribute("data-status", "streaming")
    article(page, "Ada").get_by_role("button", name="Focus Ada").hover()
    page.mouse.down()
    ends.set()
    wait_for_end(page)
    page.mouse.up()
    expect(article(page, "Ada")).to_have_attribute("data-focused", "")
    # Once, not once more for what came into its place.
    page.wait_for_timeout(200)
    expect(article(page, "Ada")).to_have_attribute("data-focused", "")
