"""Reading an answer: its footnotes, long lines of code, and the reasoning before it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.stage import Stage
from tests.browser.window import answers, article, open_chain, send, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

NOTES = "Said so[^1].\n\n" + "A line.\n\n" * 60 + "[^1]: By *somebody*.\n\nThe end."
CODE = "Before.\n\n```python\n" + "x = 'long' * 7 + " * 40 + "1\n"


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    return window()


def reasoning_of(page: Page, name: str) -> Locator:
    return article(page, name).get_by_role("region", name="Reasoning")


def thoughts(name: str, count: int) -> str:
    """Return what an agent that thinks this much has thought."""
    return "".join(f"{name}-thought-{number} " for number in range(count))


def test_footnotes_lead_to_their_notes_and_back_within_their_column(stage: Stage, page: Page):
    stage.play(Ada=Script(text=NOTES, tps=400), Ben=Script(text=NOTES))
    open_chain(page, "Pair")
    send(page, "With notes")
    wait_for_end(page)
    live = answers(page)
    ben = article(page, "Ben")
    note, mark = ben.locator(".footnote"), ben.get_by_role("link", name="Footnote 1", exact=True)
    ben.locator("[data-answer]").hover()
    page.mouse.wheel(0, -20_000)
    expect(note).not_to_be_in_viewport()
    expect(mark).to_be_in_viewport()
    place = "(answer) => answer.scrollTop"
    others = article(page, "Ada").locator("[data-answer]")
    before = others.evaluate(place)
    mark.click()
    expect(note).to_be_in_viewport()
    assert others.evaluate(place) == before
    ben.get_by_role("link", name="Back to the mark of footnote 1").click()
    expect(mark).to_be_in_viewport()
    page.reload()
    assert answers(page) == live


def test_long_lines_are_wrapped_on_request_also_while_they_are_written(stage: Stage, page: Page):
    stage.play(Ada=Script(text=CODE + "y = 'z' + 'z'\n" * 400 + "```\n\nAfter.", tps=30))
    open_chain(page, "Solo")
    send(page, "Write code")
    ada = article(page, "Ada")
    code = ada.locator(".code pre")
    expect(code).to_be_visible()
    until(page, lambda: code.evaluate("(pre) => pre.scrollWidth > pre.clientWidth"))
    ada.get_by_role("button", name="Wrap").click()
    before = len(code.inner_text())
    until(page, lambda: len(code.inner_text()) > before + 20)
    assert code.evaluate("(pre) => pre.scrollWidth <= pre.clientWidth")
    page.locator("[data-stop=run]").click()
    wait_for_end(page, "cancelled")
    expect(ada.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "true")
    ada.get_by_role("button", name="Wrap").click()
    assert code.evaluate("(pre) => pre.scrollWidth > pre.clientWidth")


def test_reasoning_is_read_while_it_is_written_and_stays_what_it_was(stage: Stage, page: Page):
    comes = Event()
    thinks = Script(reasoning=300, tokens=40, tps=40, goes_on=comes, held_at=200)
    stage.play(Ada=thinks, Ben=Script(tokens=3))
    open_chain(page, "Pair")
    send(page, "Think")
    shown = reasoning_of(page, "Ada")
    expect(shown).to_be_visible()
    until(page, lambda: shown.evaluate("(box) => box.scrollHeight > box.clientHeight + 20"))
    # Its end is in sight, not its beginning: a box in reverse counts from there.
    assert abs(shown.evaluate("(box) => box.scrollTop")) < 2
    expect(article(page, "Ada").locator("[data-answer]")).to_be_empty()
    expect(reasoning_of(page, "Ben")).to_have_count(0)

    page.reload()
    expect(shown).to_have_text(thoughts("Ada", 200).strip())
    seen = len(shown.text_content() or "")
    comes.set()
    until(page, lambda: len(shown.text_content() or "") > seen)
    assert thoughts("Ada", 300).startswith((shown.text_content() or "").rstrip())
    wait_for_end(page)
    expect(shown).to_have_text(thoughts("Ada", 300).strip())
    page.reload()
    expect(shown).to_be_hidden()
    article(page, "Ada").locator("summary", has_text="Reasoning").click()
    expect(shown).to_have_text(thoughts("Ada", 300).strip())


def test_reasoning_that_was_folded_stays_folded(stage: Stage, page: Page):
    stage.play(Ada=Script(reasoning=200, tokens=20, tps=40))
    open_chain(page, "Solo")
    send(page, "Think")
    ada = article(page, "Ada")
    expect(reasoning_of(page, "Ada")).to_be_visible()
    ada.locator("summary", has_text="Reasoning").click()
    expect(reasoning_of(page, "Ada")).to_be_hidden()
    expect(ada.locator("[data-answer]")).not_to_be_empty()
    wait_for_end(page)
    expect(reasoning_of(page, "Ada")).to_be_hidden()
