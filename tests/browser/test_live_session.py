"""A run while it lives: every agent in a column of its own, all of a group at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

import pytest
from playwright.sync_api import APIResponse, Page, Route, WebSocket, expect

from tests.browser.stage import Stage
from tests.browser.window import (
    NOTE_COLUMNS,
    article,
    assert_shows_what_is_stored,
    column,
    columns,
    hue,
    is_purple,
    open_chain,
    send,
    until,
    wait_for_end,
)
from tests.loopback.script import Script

STEADY = Script(tokens=60, tps=50)
ENDLESS = Script(tokens=2_000, tps=40)
SHORT = Script(tokens=5)
GROUP = ("Ada", "Ben", "Cleo")


@pytest.fixture
def page(window: Callable[..., Page]) -> Page:
    return window()


def lengths(page: Page, *names: str) -> list[int]:
    """Look at the lengths of these agents' texts in one moment, 0 for one that does not stream."""
    seen = {one.name: len(one.text) for one in columns(page) if one.status == "streaming"}
    return [seen.get(name, 0) for name in names]


def test_all_columns_appear_at_once_in_stage_order(stage: Stage, page: Page):
    stage.play(Ada=Script(first=0.5), Ben=Script(first=0.5), Cleo=Script(first=0.5), Dan=SHORT)
    open_chain(page, "Trio")
    page.evaluate(NOTE_COLUMNS)
    send(page, "All at once")
    wait_for_end(page)

    assert set(page.evaluate("seenColumns")) == {"0 1 2 3"}
    assert [(one.name, one.stage) for one in columns(page)] == [
        ("Ada", 1), ("Ben", 1), ("Cleo", 1), ("Dan", 2),
    ]  # fmt: skip
    # In one look: the page may still be on its way to the column that wrote last.
    across = page.locator("article[data-step-index]").evaluate_all(
        "(columns) => columns.map((column) => column.getBoundingClientRect().x)"
    )
    assert sorted(across) == across


class Frames:
    """What goes over the sockets of a window that has yet to open its page."""

    def __init__(self, page: Page) -> None:
        self.heard: list[str] = []
        self.said: list[str] = []
        page.on("websocket", self._listen)

    def bands(self) -> int:
        """Return how many frames brought whole runs."""
        return sum('"bands"' in frame for frame in self.heard)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self.heard.append(str(frame)))
        socket.on("framesent", lambda frame: self.said.append(str(frame)))


def test_the_run_of_a_message_comes_with_its_answer_and_to_other_windows_over_the_socket(
    stage: Stage, page: Page, window: Callable[..., Page]
):
    begins = Event()
    grouped = Script(tokens=20, tps=50, begins=begins)
    stage.play(Ada=grouped, Ben=grouped, Cleo=grouped, Dan=SHORT)
    other = window()
    own, others = Frames(page), Frames(other)
    open_chain(page, "Trio")
    other.goto(page.url)
    for count in (1, 2, 3):
        begins.clear()
        send(page, "Once")
        for one in (page, other):
            expect(one.locator("[data-run]")).to_have_count(count)
        begins.set()
        for one in (page, other):
            wait_for_end(one)
    assert_shows_what_is_stored(page)
    # A busy machine may be late once, and draw a run for its own window as well.
    assert others.bands() >= 3 > own.bands()


def test_what_ends_before_its_column_is_on_the_page_is_not_asked_for_again(stage: Stage, page: Page):
    drawn, seen = Event(), Event()
    quick = Script(tokens=5, ends=drawn)
    stage.play(Ada=Script(tokens=20, ends=seen), Ben=quick, Cleo=quick, Dan=SHORT)
    own = Frames(page)
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/send", lambda route: held.append((route, route.fetch())))
    open_chain(page, "Trio")
    until(page, lambda: any('"hello"' in frame for frame in own.said))
    send(page, "Quick")
    until(page, lambda: held)
    drawn.set()
    until(page, lambda: "".join(own.heard).count('"sha256"') == 2)
    [(route, answer)] = held
    route.fulfill(response=answer)
    for name in ("Ben", "Cleo"):
        expect(article(page, name)).to_have_attribute("data-status", "completed")
        expect(article(page, name).locator("[data-answer]")).to_contain_text(f"{name}-4")
    seen.set()
    wait_for_end(page)
    assert_shows_what_is_stored(page)
    assert "incomplete" not in "".join(own.said)


def test_the_columns_of_a_group_stream_at_the_same_time(stage: Stage, page: Page):
    comes, ends = Event(), Event()
    held = Script(tokens=300, tps=50, goes_on=comes, held_at=100, ends=ends)
    stage.play(Ada=held, Ben=held, Cleo=held, Dan=SHORT)
    open_chain(page, "Trio")
    send(page, "Side by side")

    first = until(page, lambda: all(seen := lengths(page, *GROUP)) and seen)
    comes.set()
    until(page, lambda: all(now > then for now, then in zip(lengths(page, *GROUP), first, strict=True)))
    assert column(page, "Dan").status == "pending"
    ends.set()
    wait_for_end(page)


def test_each_column_has_its_own_agents_words_and_no_others(stage: Stage, page: Page):
    stage.play(Ada=STEADY, Ben=STEADY, Cleo=STEADY, Dan=SHORT)
    open_chain(page, "Trio")
    send(page, "Keep apart")
    wait_for_end(page)

    for one in columns(page):
        assert {word.partition("-")[0] for word in one.text.split()} == {one.name}
    assert column(page, "Cleo").text.split() == [f"Cleo-{number}" for number in range(60)]


def test_states_are_said_in_words_and_dots_and_the_connections_colour(stage: Stage, page: Page):
    # Each state lasts until it was seen.
    begins, group_ends, last_ends = Event(), Event(), Event()
    grouped = Script(begins=begins, ends=group_ends)
    stage.play(Ada=grouped, Ben=grouped, Cleo=grouped, Dan=Script(ends=last_ends))
    open_chain(page, "Trio")
    send(page, "Say what you do")
    ada, dan = article(page, "Ada"), article(page, "Dan")
    expect(ada.locator(".state-label")).to_have_text("Preparing parallel execution…")
    expect(dan.locator(".state-label")).to_have_text("Waiting for Ada, Ben and Cleo…")
    begins.set()
    expect(ada.locator(".state-label")).to_have_text("Parallel streaming…")

    dots = ada.locator(".dots i")
    expect(dots).to_have_count(3)
    delays = dots.evaluate_all("dots => dots.map((dot) => getComputedStyle(dot).animationDelay)")
    assert delays == ["0s", "0.1s", "0.2s"]
    expect(dots.first).to_be_visible()
    assert is_purple(ada.locator(".pill").first, "color")
    assert is_purple(ada, "borderBlockStartColor")
    assert is_purple(ada.locator(".state-label"), "color")

    group_ends.set()
    expect(dan.locator(".state-label")).to_have_text("Streaming…")
    assert 205 <= hue(dan, "borderBlockStartColor") <= 235
    last_ends.set()
    wait_for_end(page)
    assert [one.label for one in columns(page)] == ["Completed"] * 4


def test_after_a_reload_in_the_middle_the_text_goes_on(stage: Stage, page: Page):
    comes, ends = Event(), Event()
    held = Script(tokens=300, tps=50, goes_on=comes, held_at=100, ends=ends)
    stage.play(Ada=held, Ben=held)
    open_chain(page, "Pair")
    send(page, "Do not lose it")
    before = until(page, lambda: all(seen := lengths(page, "Ada", "Ben")) and seen)
    page.reload()

    def whole() -> list[int]:
        seen = lengths(page, "Ada", "Ben")
        return seen if all(now >= then for now, then in zip(seen, before, strict=True)) else []

    after = until(page, whole)
    comes.set()
    until(page, lambda: all(now > then for now, then in zip(lengths(page, "Ada", "Ben"), after, strict=True)))
    ends.set()
    wait_for_end(page)
    assert_shows_what_is_stored(page)


def test_a_stopped_column_hangs_up_while_the_others_finish(stage: Stage, page: Page):
    others_end = Event()
    steady = Script(tokens=60, tps=50, ends=others_end)
    stage.play(Ada=ENDLESS, Ben=steady, Cleo=steady, Dan=SHORT)
    open_chain(page, "Trio")
    send(page, "Stop one")
    until(page, lambda: all(lengths(page, *GROUP)))
    article(page, "Ada").locator("[data-stop=step]").click()

    hung_up = stage.hang_up_of("Ada")
    others_end.set()
    expect(article(page, "Ada")).to_have_attribute("data-status", "cancelled")
    assert column(page, "Ada").label == "Stopped"
    expect(article(page, "Ada")).to_contain_text("the connection to the provider was closed within")
    wait_for_end(page)
    assert [one.status for one in columns(page)] == ["cancelled", "completed", "completed", "completed"]
    until(page, lambda: all(stage.calls_of(name)[0].finished for name in ("Ben", "Cleo", "Dan")))
    assert hung_up < stage.calls_of("Dan")[0].arrived
    assert_shows_what_is_stored(page)


def test_the_whole_run_is_stopped_with_one_button(stage: Stage, page: Page):
    stage.play(Ada=ENDLESS, Ben=ENDLESS, Cleo=ENDLESS)
    open_chain(page, "Trio")
    stop = page.locator("[data-stop=run]")
    expect(stop).to_be_hidden()
    send(page, "Stop all")
    until(page, lambda: all(lengths(page, *GROUP)))
    stop.click()

    for name in GROUP:
        stage.hang_up_of(name)
    wait_for_end(page, "cancelled")
    assert [one.label for one in columns(page)] == ["Stopped", "Stopped", "Stopped", "Not reached"]
    expect(stop).to_be_hidden()
    assert stage.calls_of("Dan") == []


def test_a_follow_up_carries_the_history(stage: Stage, page: Page):
    stage.play(Ada=Script(text="A bridge of stone."))
    open_chain(page, "Solo")
    send(page, "What spans the river?")
    wait_for_end(page)
    send(page, "Who built it?")
    expect(page.locator("section[data-run]")).to_have_count(2)
    wait_for_end(page)

    told = [(message["role"], message["content"]) for message in stage.calls_of("Ada")[1].body["messages"]]
    assert told == [
        ("user", "What spans the river?"),
        ("assistant", "A bridge of stone."),
        ("user", "Who built it?"),
    ]
    assert_shows_what_is_stored(page)


def test_a_run_goes_on_when_every_tab_is_closed(stage: Stage, page: Page, window: Callable[..., Page]):
    ends = Event()
    held = Script(tokens=60, tps=50, ends=ends)
    stage.play(Ada=held, Ben=held)
    open_chain(page, "Pair")
    send(page, "Go on without me")
    until(page, lambda: all(lengths(page, "Ada", "Ben")))
    address = page.url
    page.context.close()
    ends.set()
    until_finished = stage.loopback.wait_for_calls(2)
    while not all(call.finished for call in until_finished):
        time.sleep(0.05)

    page = window()
    page.goto(address)
    wait_for_end(page)
    assert [len(one.text.split()) for one in columns(page)] == [60, 60]
    assert_shows_what_is_stored(page)
