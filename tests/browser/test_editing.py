"""Editing a sent message and running it again; going on with one answer of a compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import APIResponse, FilePayload, Page, Route, expect

from tests.browser.stage import Stage
from tests.browser.window import article, composer, open_chain, send, until, wait_for_end
from tests.loopback.script import Script

pytestmark = pytest.mark.once

RUN = "section[data-run]"
NOTES: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"the notes"}


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    return window()


def ask(page: Page, message: str, runs: int) -> None:
    """Send a message and wait until it is answered."""
    send(page, message)
    expect(page.locator(RUN)).to_have_count(runs)
    wait_for_end(page)


def said_to(stage: Stage, agent: str) -> list[tuple[str, Any]]:
    """Return the newest conversation that an agent was sent."""
    return [(said["role"], said["content"]) for said in stage.calls_of(agent)[-1].body["messages"]]


def edit(page: Page, number: int) -> None:
    """Press the button beside a message."""
    run = page.locator(RUN).nth(number)
    if run.locator("details.band-fold").get_attribute("open") is None:
        run.locator("summary").first.click()
    run.get_by_text("Edit and run again").click()
    expect(page.locator("[data-editing]")).to_be_visible()
    expect(composer(page)).to_be_focused()


class TestEditing:
    def test_it_makes_a_new_run_in_the_place_of_the_old_which_stays(self, stage: Stage, page: Page):
        stage.play(Ada=Script(text="first answer"))
        open_chain(page, "Solo")
        page.locator("[data-composer] input[type=file]").set_input_files([NOTES])
        expect(page.locator("#composer [data-file]")).to_have_count(1)
        ask(page, "A question", 1)
        edit(page, 0)
        expect(composer(page)).to_have_value("A question")
        expect(composer(page)).to_be_focused()
        expect(page.locator("#composer [data-file]")).to_contain_text("notes.txt")
        expect(page.locator("[data-editing]")).to_contain_text("the old one stays on the page")
        expect(page.get_by_role("button", name="Run again")).to_be_visible()

        stage.play(Ada=Script(text="second answer"))
        ask(page, "A better question", 2)
        assert said_to(stage, "Ada") == [
            ("user", "A better question\n\nFile: notes.txt\n\n```txt\nthe notes\n```")
        ]
        first, second = page.locator(RUN).nth(0), page.locator(RUN).nth(1)
        expect(first.locator(".message-text")).to_have_text("A question")
        expect(second.locator(".message-text")).to_have_text("A better question")
        expect(second.get_by_role("link", name="edited message")).to_be_visible()
        expect(page.locator("[data-editing]")).to_have_count(0)

        ask(page, "And next?", 3)
        assert [text for _, text in said_to(stage, "Ada")][1:] == ["second answer", "And next?"]

    def test_cancelling_brings_back_what_was_being_written(self, stage: Stage, page: Page):
        open_chain(page, "Solo")
        ask(page, "A question", 1)
        composer(page).fill("My next thought")
        edit(page, 0)
        composer(page).fill("A question, otherwise")
        page.get_by_role("link", name="Cancel").click()
        expect(page.locator("[data-editing]")).to_have_count(0)
        expect(composer(page)).to_have_value("My next thought")
        # What was changed of the message is a draft of its own.
        edit(page, 0)
        expect(composer(page)).to_have_value("A question, otherwise")
        page.reload()
        expect(composer(page)).to_have_value("My next thought")
        expect(page.locator(RUN)).to_have_count(1)

    def test_sending_the_edit_keeps_the_other_draft(self, stage: Stage, page: Page):
        open_chain(page, "Solo")
        ask(page, "A question", 1)
        composer(page).fill("My next thought")
        edit(page, 0)
        ask(page, "A better question", 2)
        expect(composer(page)).to_have_value("My next thought")

    def test_what_is_written_while_the_edit_leaves_joins_the_other_draft(self, stage: Stage, page: Page):
        open_chain(page, "Solo")
        ask(page, "A question", 1)
        composer(page).fill("My next thought")
        edit(page, 0)
        held: list[tuple[Route, APIResponse]] = []
        page.route("**/send", lambda route: held.append((route, route.fetch())))
        send(page, "A better question")
        until(page, lambda: held)
        composer(page).press_sequentially(", and another")
        [(route, answer)] = held
        route.fulfill(response=answer)
        expect(composer(page)).to_have_value("My next thought\n, and another")

    def test_it_works_by_keyboard(self, stage: Stage, page: Page):
        open_chain(page, "Solo")
        ask(page, "A question", 1)
        link = page.get_by_role("link", name="Edit and run again")
        link.focus()
        expect(link).to_have_css("opacity", "1")
        page.keyboard.press("Enter")
        expect(composer(page)).to_be_focused()
        page.keyboard.type(", and why?")
        page.keyboard.press("Enter")
        expect(page.locator(RUN)).to_have_count(2)
        wait_for_end(page)
        assert said_to(stage, "Ada") == [("user", "A question, and why?")]


class TestContinuing:
    @pytest.fixture(autouse=True)
    def compared(self, stage: Stage, page: Page) -> None:
        stage.play(Ada=Script(text="Ada says yes"), Ben=Script(text="Ben says no"))
        open_chain(page, "Pair")
        ask(page, "Is it so?", 1)

    def test_the_chosen_answer_is_what_everybody_goes_on_from(self, stage: Stage, page: Page):
        article(page, "Ben").get_by_role("button", name="Continue with this answer").click()
        expect(article(page, "Ben")).to_contain_text("The conversation continues with this answer.")
        expect(article(page, "Ben").get_by_role("button", name="Undo")).to_be_focused()
        expect(page.locator(".continues")).to_contain_text("the answer of Ben")
        expect(page.locator("#announcer")).to_contain_text("continues with this answer")
        expect(
            article(page, "Ada").get_by_role("button", name="Continue with this one instead")
        ).to_be_visible()

        ask(page, "Why not?", 2)
        for agent in ("Ada", "Ben"):
            assert [text for _, text in said_to(stage, agent)] == ["Is it so?", "Ben says no", "Why not?"]
        page.reload()
        expect(page.locator(".continues").first).to_contain_text("the answer of Ben")

    def test_it_is_undone(self, stage: Stage, page: Page):
        article(page, "Ben").get_by_role("button", name="Continue with this answer").click()
        article(page, "Ben").get_by_role("button", name="Undo").click()
        expect(article(page, "Ben").get_by_role("button", name="Continue with this answer")).to_be_focused()
        expect(page.locator(".continues")).to_have_count(0)
        ask(page, "Why?", 2)
        assert said_to(stage, "Ada")[1][1] == "Ada says yes"
        assert said_to(stage, "Ben")[1][1] == "Ben says no"

    def test_another_one_takes_its_place(self, stage: Stage, page: Page):
        article(page, "Ben").get_by_role("button", name="Continue with this answer").click()
        article(page, "Ada").get_by_role("button", name="Continue with this one instead").click()
        expect(page.locator(".continues")).to_contain_text("the answer of Ada")
        ask(page, "Why?", 2)
        assert said_to(stage, "Ben")[1][1] == "Ada says yes"

    def test_another_window_shows_it_too(self, page: Page):
        other = page.context.new_page()
        other.goto(page.url)
        expect(other.get_by_role("button", name="Continue with this answer")).to_have_count(2)
        article(page, "Ben").get_by_role("button", name="Continue with this answer").click()
        expect(other.locator(".continues")).to_contain_text("the answer of Ben")
        article(other, "Ben").get_by_role("button", name="Undo").click()
        expect(page.locator(".continues")).to_have_count(0)
        expect(page.get_by_role("button", name="Continue with this answer")).to_have_count(2)

    def test_its_agent_can_be_asked_alone_and_the_picker_leads_back(self, stage: Stage, page: Page):
        article(page, "Ben").get_by_role("button", name="Continue with this answer").click()
        article(page, "Ben").get_by_role("button", name="Ask only this agent from now on").click()
        expect(page.locator("#session-chain")).to_contain_text("Ben alone")
        ask(page, "Why not?", 2)
        expect(page.locator(RUN).last.locator("article")).to_have_count(1)
        assert len(stage.calls_of("Ada")) == 1
        assert said_to(stage, "Ben")[1][1] == "Ben says no"
        page.locator("select[name=chain]").select_option(label="Pair")
        ask(page, "Both again", 3)
        expect(page.locator(RUN).last.locator("article")).to_have_count(2)
