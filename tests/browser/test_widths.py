"""Pages fit their window, from a phone to a desk: nothing sticks out, cards stand below one another."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import Stage
from tests.browser.window import article, column, open_chain, send, until, wait_for_end
from tests.loopback.script import Script

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


def test_on_a_phone_columns_stream_live_too(stage: Stage, phone: Page):
    stage.play(Ada=Script(tokens=60, tps=40), Ben=Script(tokens=60, tps=40))
    open_chain(phone, "Pair")
    send(phone, "Live")
    expect(article(phone, "Ben").locator("[data-tail]")).to_be_visible()
    first = len(column(phone, "Ben").text)
    until(phone, lambda: len(column(phone, "Ben").text) > first)
    assert column(phone, "Ben").status == "streaming"
    assert column(phone, "Ben").label == "Parallel streaming…"
    wait_for_end(phone)


def test_on_a_phone_the_side_bar_is_a_drawer(stage: Stage, phone: Page):
    open_chain(phone, "Solo")
    send(phone, "Where is the list?")
    wait_for_end(phone)
    expect(phone.locator("#sidebar")).to_be_hidden()
    phone.get_by_role("button", name="Open the side bar").tap()
    expect(phone.locator("#sidebar")).to_be_visible()
    phone.get_by_role("link", name="Where is the list?", exact=True).first.tap()
    expect(phone.locator("main[data-session]")).to_be_visible()
    expect(phone.locator("#sidebar")).to_be_hidden()
