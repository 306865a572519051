"""What an answer looks like, and what it can never do, however it comes in pieces."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.corpus import HOSTILE, MARKDOWN
from tests.browser.stage import Stage
from tests.browser.window import (
    answers,
    article,
    assert_shows_what_is_stored,
    open_chain,
    send,
    wait_for_end,
)
from tests.loopback.script import Script

pytestmark = pytest.mark.once

# Anything within an answer that runs, loads, sends or takes a place of the page's own.
DANGERS = r"""(answer) => [...answer.querySelectorAll("*")].flatMap((element) => {
  const found = [];
  if (element.matches("script, style, link, base, iframe, object, embed, form, svg, video, audio, meta")) {
    found.push(element.tagName);
  }
  for (const { name, value } of element.attributes) {
    const isAddress = ["href", "src", "srcset", "action", "xlink:href"].includes(name);
    if (/^(on|hx-|data-hx-|style$|srcdoc$)/.test(name)) found.push(name);
    if (isAddress && !/^(https?:|mailto:|#s\d+-(mark|note)-\w+$)/.test(value)) found.push(value);
    if (name === "src") found.push(value);
    if (name === "id" && document.querySelectorAll(`[id="${value}"]`).length > 1) found.push(value);
  }
  return found;
})"""


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    return window()


def ask_for(page: Page, stage: Stage, script: Script) -> Locator:
    """Let an agent answer this, and return its answer once it is complete."""
    stage.play(Ada=script)
    open_chain(page, "Solo")
    send(page, "Show me")
    wait_for_end(page)
    return article(page, "Ada").locator("[data-answer]")


def test_markdown_is_rendered(stage: Stage, page: Page):
    answer = ask_for(page, stage, Script(text=MARKDOWN, tps=400))

    expect(answer.get_by_role("heading", name="Bridges 🌉")).to_be_visible()
    expect(answer.get_by_role("row")).to_have_count(3)
    expect(answer.get_by_role("cell", name="Žluťoučký 🐎")).to_be_visible()
    expect(answer.locator("ol > li")).to_have_count(2)
    expect(answer.locator("ol ul > li")).to_have_count(2)
    expect(answer.locator("blockquote")).to_contain_text("A quotation")
    expect(answer.locator("math")).to_have_count(2)
    expect(answer.get_by_role("link", name="a link")).to_have_attribute("href", "https://example.org/a")


def test_code_is_highlighted_and_keeps_its_characters(stage: Stage, page: Page):
    answer = ask_for(page, stage, Script(text=MARKDOWN, tps=400))
    code = answer.locator("pre")

    expect(code).to_contain_text('return f"{metres:.1f} m"')
    expect(code).to_contain_text("# A comment with <tags> & signs")
    colours = code.locator("span").evaluate_all("spans => spans.map((span) => getComputedStyle(span).color)")
    assert len(set(colours)) > 2


def test_an_answers_source_is_copied_as_it_is_stored(stage: Stage, window: Callable[..., Page]):
    page = window(permissions=["clipboard-read", "clipboard-write"])
    ask_for(page, stage, Script(text=MARKDOWN, tps=400))
    article(page, "Ada").locator("[data-copy]").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_attached()
    assert page.evaluate("navigator.clipboard.readText()") == MARKDOWN


@pytest.mark.parametrize(
    "pace", [Script(text=HOSTILE), Script(text=HOSTILE, tps=60)], ids=["at once", "paced"]
)
def test_nothing_that_a_model_writes_runs_loads_or_sends(stage: Stage, page: Page, pace: Script):
    # The fixture fails this test too: on a dialog, on a request elsewhere, on a breach of the policy.
    answer = ask_for(page, stage, pace)

    expect(answer).to_contain_text("The end of the attempts.")
    assert answer.evaluate(DANGERS) == []
    assert page.evaluate("window.hacked") is None
    live = answers(page)
    page.reload()
    assert answers(page) == live
    assert page.evaluate("window.hacked") is None
    assert_shows_what_is_stored(page)


def test_what_a_person_types_is_text_too(stage: Stage, page: Page):
    stage.play(Ada=Script(echo=True))
    open_chain(page, "Solo")
    send(page, HOSTILE)
    wait_for_end(page)

    expect(page.locator("section[data-run] .message")).to_contain_text(
        '<img src=x onerror="window.hacked = 1'
    )
    assert page.evaluate("window.hacked") is None
    assert article(page, "Ada").locator("[data-answer]").evaluate(DANGERS) == []
