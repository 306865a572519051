"""Pages fit their window, from a phone to a desk: nothing sticks out, cards stand below one another."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations
from threading import Event
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.editor import bring_in
from tests.browser.stage import Stage
from tests.browser.window import article, column, open_chain, send, until, wait_for_end
from tests.loopback.script import Fault, Script

pytestmark = pytest.mark.once

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1440, "height": 900}}
ENTRANCES = ("/welcome/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/")
ACCOUNT = (
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/accounts/2fa/totp/activate/",
    "/accounts/logout/",
)
PAGES = ("/", "/sessions/?q=bridge", "/no-such-page/", *ACCOUNT)
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3
WIDE = (
    f"{LONG}\n\n```\n{LONG}\n```\n\n| {' | '.join(['column'] * 30)} |\n|{'---|' * 30}\n| {LONG} |\n\n`{LONG}`"
)
# How far the document, or what scrolls in its place, is wider than the window.
EXCESS = """() => Math.max(
  ...[document.documentElement, document.body, document.querySelector("main")]
    .map((element) => element.scrollWidth - element.clientWidth)
)"""
# What is pressed in a run, but for the links of an answer, and in the files of a message: its name and edges.
PRESSED = """() => [...document.querySelectorAll(
    ".band :is(button, summary, .button, .menu-item, .strip-tab, .column-seen), .chip-remove")]
  .filter((control) => control.checkVisibility())
  .map((control) => {
    const { top, bottom, left, right } = control.getBoundingClientRect();
    const name = control.ariaLabel ?? control.textContent.trim();
    return { name, column: control.closest(".column")?.id, top, bottom, left, right };
  })"""


@pytest.fixture(params=[PHONE, DESK], ids=["phone", "desk"])
def device(request: pytest.FixtureRequest) -> dict[str, object]:
    return request.param


@pytest.fixture
def phone(window: Callable[..., Page]) -> Page:
    return window(**PHONE)


def test_no_page_is_wider_than_its_window(
    device: dict[str, object], new_context: Callable[..., object], window: Callable[..., Page], stage: Stage
):
    guest = new_context(base_url=stage.server.url, **device).new_page()  # type: ignore[attr-defined]
    member = window(**device)
    visits = [(guest, address) for address in ENTRANCES] + [(member, address) for address in PAGES]
    excess = {}
    for page, address in visits:
        page.goto(address)
        excess[address] = page.evaluate(EXCESS)
    assert {address: pixels for address, pixels in excess.items() if pixels > 0} == {}


def test_no_answer_and_no_title_makes_a_session_wider_than_its_window(
    device: dict[str, object], window: Callable[..., Page], stage: Stage
):
    stage.play(Ada=Script(text=WIDE), Ben=Script(text=WIDE), Cleo=Script(text=WIDE), Dan=Script(text=WIDE))
    page = window(**device)
    open_chain(page, "Trio")
    page.get_by_label("Title of this session").fill(LONG[:120])
    page.get_by_label("Title of this session").press("Enter")
    send(page, WIDE)
    wait_for_end(page)

    assert page.evaluate(EXCESS) <= 0
    page.reload()
    assert page.evaluate(EXCESS) <= 0
    sidebar = page.locator("#sidebar")
    if not sidebar.is_visible():
        page.get_by_role("button", name="Open the side bar").click()
    expect(sidebar).to_be_visible()
    assert sidebar.evaluate("bar => bar.scrollWidth - bar.clientWidth") <= 0


def test_the_library_and_the_pages_beside_it_begin_at_one_edge(
    device: dict[str, object], window: Callable[..., Page]
):
    page = window(**device)
    edges = {}
    for address, first in (
        ("/chains/", "h1"),
        ("/chains/import", ".page-back"),
        ("/chains/solo/delete", ".page-back"),
    ):
        page.goto(address)
        edges[address] = page.locator(f"main {first}").evaluate(
            "(first) => first.getBoundingClientRect().left"
        )
    assert len(set(edges.values())) == 1, edges


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_a_chains_name_and_its_buttons_stand_in_one_line(window: Callable[..., Page], width: int):
    page = window(viewport={"width": width, "height": 900})
    page.goto("/chains/")
    row = page.locator(".chain-row").first
    name, button = row.locator(".chain-row-name").bounding_box(), row.locator(".button").first.bounding_box()
    assert name
    assert button
    assert name["y"] + name["height"] / 2 == pytest.approx(button["y"] + button["height"] / 2, abs=1.5)


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_what_a_demo_chain_is_for_can_be_read_to_its_end(window: Callable[..., Page], width: int):
    page = window(viewport={"width": width, "height": 900})
    for address in ("/", "/chains/"):
        page.goto(address)
        expect(page.locator(".chain-card p").first).to_be_visible()
        cut = page.locator(".chain-card:has(p)").evaluate_all(
            """(cards) => cards.filter((card) => {
              const words = card.querySelector("p");
              return words.scrollHeight > words.clientHeight;
            }).map((card) => card.querySelector(".chain-card-open").textContent)"""
        )
        assert cut == []


def test_on_a_phone_a_model_to_compare_takes_one_line_and_keeps_its_name_whole(phone: Page):
    phone.goto("/")
    chips = phone.locator(".model-chip").evaluate_all(
        """(chips) => chips.map((chip) => {
          const name = chip.querySelector(".model-chip-name");
          const edge = chip.closest(".compare-models").getBoundingClientRect().right;
          const isCut = name.scrollWidth > name.clientWidth || chip.getBoundingClientRect().right > edge;
          return { name: name.textContent, height: chip.offsetHeight, isCut };
        })"""
    )
    assert len({chip["height"] for chip in chips}) == 1, chips
    assert [chip["name"] for chip in chips if chip["isCut"]] == []


@pytest.mark.parametrize("width", [700, 800, 1024])
def test_columns_that_go_on_to_the_edge_make_no_session_wider(
    width: int, window: Callable[..., Page], stage: Stage
):
    page = window(viewport={"width": width, "height": 900})
    open_chain(page, "Trio")
    send(page, "Fit")
    wait_for_end(page)
    assert page.evaluate(EXCESS) <= 0


def test_on_a_phone_a_long_name_of_a_chain_leaves_the_buttons_of_the_composer_their_room(phone: Page):
    phone.goto("/")
    phone.get_by_role("button", name="Research briefing").click()
    phone.wait_for_url("**/sessions/*/")
    form = phone.locator("[data-composer]").bounding_box()
    button = phone.get_by_role("button", name="Send", exact=True).bounding_box()
    chain = phone.locator(".composer-chain select").bounding_box()
    assert form
    assert button
    assert chain
    assert chain["x"] + chain["width"] <= button["x"]
    assert button["x"] + button["width"] <= form["x"] + form["width"]


def test_on_a_phone_a_run_in_which_an_agent_failed_says_so_beside_its_menu(phone: Page, stage: Stage):
    stage.play(Ada=Script(tokens=4), Ben=Script(fault=Fault.STATUS, status=400))
    open_chain(phone, "Pair")
    send(phone, "Half of it")
    wait_for_end(phone)
    status = phone.locator(".run-status")
    assert status.evaluate("(label) => getComputedStyle(label, '::after').content") == '"with failures"'
    head = phone.locator(".band-head")
    assert head.evaluate("(head) => head.scrollWidth - head.clientWidth") == 0
    words, menu = status.bounding_box(), phone.locator(".run-menu").bounding_box()
    assert words
    assert menu
    assert words["x"] + words["width"] <= menu["x"]


def test_on_a_phone_cards_stand_below_one_another_and_a_tap_unfolds_them(stage: Stage, phone: Page):
    stage.play(Ada=Script(tokens=400), Ben=Script(tokens=400))
    open_chain(phone, "Pair")
    send(phone, "Fit")
    wait_for_end(phone)
    phone.reload()
    ada, ben = article(phone, "Ada"), article(phone, "Ben")
    above, below = ada.bounding_box(), ben.bounding_box()
    assert above
    assert below
    assert above["y"] + above["height"] <= below["y"]
    assert above["x"] == below["x"]

    folded = above["height"]
    ada.get_by_role("heading").tap()
    expect(ada).to_have_attribute("data-expanded", "true")
    until(phone, lambda: (box := ada.bounding_box()) and box["height"] > folded * 1.5)
    ada.get_by_role("heading").tap()
    until(phone, lambda: (box := ada.bounding_box()) and box["height"] == folded)


def test_on_a_phone_a_folded_card_names_its_model_whole(phone: Page):
    bring_in(phone.context, "Made up", {"name": "Ada", "model": "simulated/fast"})
    open_chain(phone, "Made up")
    send(phone, "Who answers?")
    wait_for_end(phone)
    article(phone, "Ada").get_by_role("button", name="Show or fold").tap()
    expect(article(phone, "Ada")).not_to_have_attribute("data-expanded", "true")
    name, pill = article(phone, "Ada").locator(".column-model span").all()
    expect(pill).to_have_text("Simulated")
    assert name.evaluate("(name) => name.scrollWidth <= name.clientWidth")


@pytest.mark.parametrize("width", [390, 1000])
def test_what_a_finger_presses_in_a_run_is_large_enough_and_apart(
    width: int, window: Callable[..., Page], stage: Stage
):
    stage.play(
        Ada=Script(text="```python\npass\n```", reasoning=9),
        Ben=Script(fault=Fault.STATUS),
        Cleo=Script(fault=Fault.CUT, after=5),
    )
    page = window(**PHONE | {"viewport": {"width": width, "height": 900}})
    open_chain(page, "Trio")
    send(page, "Press")
    wait_for_end(page)
    page.locator("[data-composer] input[type=file]").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Remember."}
    )
    expect(page.locator("[data-composer] .chip-remove")).to_be_visible()
    if width < 768:
        article(page, "Ada").get_by_role("heading", name="Ada").tap()
    page.get_by_label("More for this run").tap()

    controls = page.evaluate(PRESSED)
    names = " ".join(one["name"] for one in controls)
    for name in ("What Ada saw", "Copy the answer of Ada", "Reasoning", "Retry this", "More for this run"):
        assert name in names
    assert [one["name"] for one in controls if one["bottom"] - one["top"] < 39.9] == []
    pairs = [pair for pair in combinations(controls, 2) if overlap(*pair)]
    assert [(one["name"], other["name"]) for one, other in pairs] == []


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two controls of a column lie over one another."""
    across = min(one["right"], other["right"]) - max(one["left"], other["left"])
    down = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return one["column"] is not None and one["column"] == other["column"] and min(across, down) > 0.1


def test_on_a_phone_columns_stream_live_too(stage: Stage, phone: Page):
    comes, ends = Event(), Event()
    live = Script(tokens=320, tps=40, goes_on=comes, held_at=40, ends=ends)
    stage.play(Ada=live, Ben=live)
    open_chain(phone, "Pair")
    send(phone, "Live")
    expect(article(phone, "Ben").locator("[data-tail]")).to_be_visible()
    first = len(column(phone, "Ben").text)
    comes.set()
    until(phone, lambda: len(column(phone, "Ben").text) > first)
    assert column(phone, "Ben").status == "streaming"
    assert column(phone, "Ben").label == "Parallel streaming…"
    ends.set()
    wait_for_end(phone)


@pytest.mark.parametrize("touch", [True, False])
def test_on_a_phone_the_newest_lines_stand_above_the_composer(
    touch: bool, window: Callable[..., Page], stage: Stage
):
    phone = window(**PHONE | {"has_touch": touch, "is_mobile": touch})
    stage.play(Ada=Script(tokens=4_000, tps=200), Ben=Script(tokens=4))
    open_chain(phone, "Pair")
    send(phone, "Go on")
    text = article(phone, "Ada").locator("[data-answer]")
    until(phone, lambda: text.evaluate("(answer) => answer.scrollHeight > answer.clientHeight + 200"))
    field, answer = phone.locator("[data-composer]").bounding_box(), text.bounding_box()
    assert field
    assert answer
    assert answer["y"] + answer["height"] <= field["y"]
    phone.get_by_role("button", name="Stop", exact=True).click()
    wait_for_end(phone, "cancelled")


def test_on_a_phone_the_side_bar_is_a_drawer(stage: Stage, phone: Page):
    open_chain(phone, "Solo")
    send(phone, "Where is the list?")
    wait_for_end(phone)
    expect(phone.locator("#sidebar")).to_be_hidden()
    phone.get_by_role("button", name="Open the side bar").tap()
    expect(phone.locator("#sidebar")).to_be_visible()
    phone.get_by_role("button", name="Close the side bar").tap()
    expect(phone.locator("#sidebar")).to_be_hidden()
    phone.get_by_role("button", name="Open the side bar").tap()
    row = phone.locator("#session-list a.session-link").first
    assert row.evaluate("row => row.offsetHeight") >= 40
    phone.get_by_role("link", name="Where is the list?", exact=True).first.tap()
    expect(phone.locator("main[data-session]")).to_be_visible()
    expect(phone.locator("#sidebar")).to_be_hidden()


def test_a_drawer_that_is_open_when_the_window_grows_leaves_the_page_in_sight(window: Callable[..., Page]):
    page = window(viewport={"width": 390, "height": 844})
    page.goto("/")
    page.get_by_role("button", name="Open the side bar").click()
    page.set_viewport_size({"width": 1440, "height": 900})
    expect(page.locator("#sidebar")).to_be_visible()
    assert page.locator("#sidebar").evaluate("bar => bar.offsetWidth") < 320
    page.get_by_role("button", name="Close the side bar").click()
    expect(page.get_by_role("button", name="Close the side bar")).to_be_hidden()
    expect(page.locator("#sidebar")).to_be_visible()


def test_the_keys_are_not_offered_where_there_are_only_fingers(phone: Page, window: Callable[..., Page]):
    for page, is_offered in ((phone, False), (window(), True)):
        page.goto("/")
        page.get_by_role("button", name=re.compile("Account of")).click()
        expect(page.get_by_role("button", name="Log out")).to_be_visible()
        expect(page.get_by_role("button", name="Keyboard shortcuts")).to_be_visible(visible=is_offered)
