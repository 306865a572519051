"""What a run says of itself when it has ended: its timeline, its figures, and each thing that went wrong."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import Stage
from tests.browser.window import (
    article,
    assert_shows_what_is_stored,
    column,
    columns,
    is_purple,
    open_chain,
    send,
    wait_for_end,
)
from tests.loopback.script import Fault, Script
from tests.loopback.server import KEY

PACED = Script(first=0.1, tokens=20, tps=40)
UNITS = {"ms": 1, "s": 1_000}


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    return window()


def milliseconds(text: str) -> float:
    """Read a duration as the page writes it."""
    found = re.search(r"([\d.]+) (ms|s)\b", text)
    assert found, text
    return float(found[1]) * UNITS[found[2]]


# In one look: the waterfall is drawn anew when a run's last figures come.
EDGES = """(lanes) => lanes.map((lane) => {
  const bars = [...lane.querySelectorAll("rect")].map((bar) => bar.getBoundingClientRect());
  return [bars.at(0).left, bars.at(-1).right];
})"""


def test_the_timeline_shows_the_group_side_by_side_and_the_next_agent_after_it(stage: Stage, page: Page):
    stage.play(Ada=PACED, Ben=PACED, Cleo=PACED, Dan=PACED)
    open_chain(page, "Trio")
    send(page, "Show your times")
    wait_for_end(page)
    lanes = page.locator(".waterfall-lane")
    expect(lanes).to_have_count(4)

    ada, ben, cleo, dan = lanes.evaluate_all(EDGES)
    starts, ends = zip(ada, ben, cleo, strict=True)
    assert max(starts) < min(ends)
    assert max(ends) <= dan[0] + 1
    assert [lane.get_attribute("data-connection") for lane in lanes.all()] == ["parallel"] * 3 + ["direct"]
    assert is_purple(lanes.first.locator("rect").last, "fill")
    expect(page.locator(".waterfall")).to_contain_text("Cleo")


def test_the_totals_say_what_parallelism_saved(stage: Stage, page: Page):
    stage.play(Ada=PACED, Ben=PACED, Cleo=PACED, Dan=PACED)
    open_chain(page, "Trio")
    send(page, "What did it save?")
    wait_for_end(page)
    totals = page.locator(".run-summary .totals").inner_text()

    wall, added, saved = (
        milliseconds(re.sub(r"\s+", " ", part))
        for part in re.search(r"(.*?)in all(.*?)one after the other(.*)", totals, re.DOTALL).groups()  # type: ignore[union-attr]
    )
    assert wall < added
    assert saved == pytest.approx(added - wall, rel=0.1)


def test_each_column_says_its_time_tokens_speed_and_cost(stage: Stage, page: Page):
    stage.play(Ada=PACED, Ben=PACED)
    open_chain(page, "Pair")
    send(page, "one two three")
    wait_for_end(page)

    for name in ("Ada", "Ben"):
        figures = article(page, name).locator(".metrics")
        expect(figures).to_contain_text(re.compile(r"\d (ms|s)\b"))
        expect(figures).to_contain_text("3 → 20")
        expect(figures).to_contain_text("tok/s")
        expect(figures).to_contain_text(re.compile(r"\$0\.\d|<"))


def test_each_fault_is_named_where_it_happened_and_the_next_stage_goes_on(stage: Stage, page: Page):
    stage.play(
        Ada=Script(fault=Fault.STATUS, status=401),
        Ben=Script(tokens=40, tps=80, fault=Fault.CUT, after=10),
        Cleo=PACED,
        Dan=PACED,
    )
    open_chain(page, "Trio")
    send(page, "Fail well")
    wait_for_end(page)

    assert [one.status for one in columns(page)] == ["failed", "interrupted", "completed", "completed"]
    ada = article(page, "Ada")
    for words in ("OpenAI", "401", "OPENAI_API_KEY"):
        expect(ada).to_contain_text(words)
    expect(article(page, "Ben")).to_contain_text("Anthropic")
    assert column(page, "Ben").text.split() == [f"Ben-{number}" for number in range(10)]
    assert "FAILED:" in stage.calls_of("Dan")[0].body["messages"][-1]["content"]
    assert KEY not in page.content()
    assert_shows_what_is_stored(page)


def test_a_skipped_agent_shows_its_rule_and_the_text_it_was_tested_on(stage: Stage, page: Page):
    stage.play(Ada=Script(text="Only a crow."), Dan=PACED)
    open_chain(page, "Gate")
    send(page, "Which bird?")
    wait_for_end(page)

    ben = article(page, "Ben")
    assert [one.label for one in columns(page)] == ["Completed", "Skipped", "Completed"]
    expect(ben).to_contain_text('contains("heron")')
    expect(ben).to_contain_text("Only a crow.")
    assert stage.calls_of("Ben") == []


def test_a_condition_that_holds_lets_its_agent_run(stage: Stage, page: Page):
    stage.play(Ada=Script(text="A heron, surely."), Ben=PACED, Dan=PACED)
    open_chain(page, "Gate")
    send(page, "Which bird?")
    wait_for_end(page)
    assert [one.label for one in columns(page)] == ["Completed"] * 3


def test_a_run_that_failed_can_be_kept_in_the_history(stage: Stage, page: Page):
    stage.play(Ada=Script(tokens=12, fault=Fault.CUT, after=6))
    open_chain(page, "Solo")
    send(page, "Break off")
    wait_for_end(page, "interrupted")
    page.get_by_role("button", name="Keep it in the history").click()
    expect(page.get_by_role("button", name="Leave it out of the history")).to_be_visible()
    stage.play(Ada=PACED)
    send(page, "Do you remember?")
    expect(page.locator("section[data-run]")).to_have_count(2)
    wait_for_end(page)

    told = [message["content"].strip() for message in stage.calls_of("Ada")[-1].body["messages"]]
    assert told == ["Break off", " ".join(f"Ada-{number}" for number in range(6)), "Do you remember?"]
