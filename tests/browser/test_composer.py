"""The composer: what is sent, and what never gets lost."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.browser.stage import Stage, model_id
from tests.browser.window import article, composer, open_chain, send, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

RUN = "section[data-run]"
ADA = model_id("Ada")


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    return window()


def test_enter_sends_and_shift_enter_makes_a_line(stage: Stage, page: Page):
    open_chain(page, "Solo")
    expect(composer(page)).to_be_focused()
    page.keyboard.type("One line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("and another")
    expect(composer(page)).to_have_value("One line\nand another")
    expect(page.locator(RUN)).to_have_count(0)
    page.keyboard.press("Enter")

    expect(page.locator(RUN)).to_have_count(1)
    expect(composer(page)).to_have_value("")
    expect(composer(page)).to_be_focused()
    wait_for_end(page)
    assert stage.calls_of("Ada")[0].body["messages"][-1]["content"] == "One line\nand another"


def test_the_button_sends_as_well(stage: Stage, page: Page):
    open_chain(page, "Solo")
    composer(page).fill("By hand")
    page.get_by_role("button", name="Send").click()
    wait_for_end(page)
    assert len(stage.calls_of("Ada")) == 1


@pytest.mark.parametrize("nothing", ["", "  \n "], ids=["empty", "white space"])
def test_nothing_is_not_sent(stage: Stage, page: Page, nothing: str):
    open_chain(page, "Solo")
    send(page, nothing)
    if nothing:
        expect(page.get_by_role("alert").filter(has_text="Type a message first.")).to_be_visible()
    # What is sent next comes after it: had it been sent, it would be there.
    send(page, "Something")
    wait_for_end(page)
    expect(page.locator(RUN)).to_have_count(1)
    assert len(stage.calls_of("Ada")) == 1


def test_a_message_that_met_a_live_run_stays_in_its_field(stage: Stage, window: Callable[..., Page]):
    stage.play(Ada=Script(tokens=2_000, tps=40))
    first, second = window(), window()
    open_chain(first, "Solo")
    # A window that hears nothing does not know that a run is live.
    second.route_web_socket("**/ws/**", lambda socket: None)
    second.goto(first.url)
    send(first, "I was here first")
    stage.loopback.wait_for_calls(1)
    send(second, "And I came second")

    expect(second.locator("form[data-composer]").get_by_role("alert")).not_to_be_empty()
    expect(composer(second)).to_have_value("And I came second")
    expect(composer(second)).to_have_attribute("aria-invalid", "true")
    expect(composer(first)).to_have_value("")
    second.locator("[data-stop=run]").click()
    wait_for_end(first, "cancelled")
    assert len(stage.calls_of("Ada")) == 1


def test_while_a_run_is_live_enter_keeps_the_text_and_stop_takes_the_place_of_send(stage: Stage, page: Page):
    stage.play(Ada=Script(tokens=2_000, tps=40))
    open_chain(page, "Solo")
    send(page, "Go on")
    expect(page.locator("[data-stop=run]")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_hidden()
    send(page, "My next thought")
    page.locator("[data-stop=run]").click()

    wait_for_end(page, "cancelled")
    expect(composer(page)).to_have_value("My next thought")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    composer(page).press("Enter")
    expect(page.locator(RUN)).to_have_count(2)
    page.locator("[data-stop=run]").click()
    wait_for_end(page, "cancelled")


def test_a_message_survives_an_unreachable_server(stage: Stage, page: Page):
    open_chain(page, "Solo")
    page.route("**/send", lambda route: route.abort())
    send(page, "Is anybody there?")
    expect(page.locator("form[data-composer]").get_by_role("alert")).to_contain_text("could not be reached")
    expect(composer(page)).to_have_value("Is anybody there?")
    page.unroute("**/send")
    composer(page).press("Enter")
    wait_for_end(page)
    expect(page.locator(RUN)).to_have_count(1)


def test_what_was_meant_to_go_next_stays_when_the_one_before_is_refused(stage: Stage, page: Page):
    open_chain(page, "Solo")
    refused: list[Route] = []
    page.route("**/send", lambda route: refused.append(route))
    send(page, "Is it so?")
    until(page, lambda: refused)
    composer(page).press("Control+Enter")
    answer = page.request.get(f"{page.url}composer", headers={"HX-Request": "true", "HX-Target": "composer"})
    refused[0].fulfill(response=answer, status=422)
    expect(page.locator("[data-send]")).to_be_enabled()
    page.wait_for_timeout(300)
    assert len(refused) == 1
    expect(composer(page)).to_have_value("Is it so?")


def test_a_message_that_is_sent_before_the_answer_to_the_last_one_came_goes_next(stage: Stage, page: Page):
    """The run may be over before the request that began it is answered: its window watches by itself."""
    stage.play(Ada=Script(text="Quick."), Ben=Script(text="Quick."))
    open_chain(page, "Solo")
    held: list[tuple[Route, APIResponse]] = []
    page.route(
        "**/send",
        lambda route: route.continue_() if held else held.append((route, route.fetch())),
    )
    send(page, "What is it?")
    expect(page.locator("section[data-run-status=completed]")).to_have_count(1)
    # Once more by mistake, then the next one to another chain: the first alone is on its way.
    composer(page).press("Control+Enter")
    page.locator("select[name=chain]").select_option(label="Pair")
    send(page, "And on the left?")
    until(page, lambda: held)
    [(route, answer)] = held
    route.fulfill(response=answer)
    expect(page.locator("section[data-run]")).to_have_count(2)
    wait_for_end(page)
    expect(composer(page)).to_have_value("")
    expect(page.locator("section[data-run]").last.locator("article")).to_have_count(2)
    said = [call.body["messages"][-1]["content"] for call in stage.calls_of("Ada")]
    assert said == ["What is it?", "And on the left?"]


def test_who_turned_to_an_answer_before_the_message_was_answered_stays_there(stage: Stage, page: Page):
    open_chain(page, "Pair")
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/send", lambda route: held.append((route, route.fetch())))
    send(page, "Well?")
    expect(page.locator(RUN)).to_have_count(1)
    composer(page).blur()
    page.keyboard.press("2")
    until(page, lambda: held)
    [(route, answer)] = held
    route.fulfill(response=answer)
    expect(composer(page)).to_have_value("")
    wait_for_end(page)
    expect(article(page, "Ben").locator("[data-answer]")).to_be_focused()


def test_the_cost_is_estimated_before_sending_and_the_field_grows_with_its_text(page: Page):
    open_chain(page, "Pair")
    cost = page.locator("[data-cost]")
    expect(cost).to_have_text(re.compile(r"\$[\d.]+ to \$[\d.]+"))
    least = cost.inner_text()
    low = composer(page).bounding_box()
    composer(page).fill("A long message. " * 400)
    expect(cost).not_to_have_text(least)
    expect(cost).to_have_text(re.compile(r"\$[\d.]+ to \$[\d.]+"))
    high = composer(page).bounding_box()
    assert low
    assert high
    assert 2 * low["height"] < high["height"] < 600


def test_a_model_without_a_price_makes_the_cost_unknown(page: Page, stage: Stage):
    model = f"from chains.models import LanguageModel as M; models = M.objects.filter(model_id={ADA!r})"
    price = stage.server.do(f"{model}; print(models.get().input_price)")
    stage.server.do(f"{model}; models.update(input_price=None)")
    try:
        open_chain(page, "Solo")
        expect(page.locator("[data-cost]")).to_have_text("unknown for 1 call")
    finally:
        stage.server.do(f"{model}; models.update(input_price={price!r})")
