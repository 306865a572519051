"""Pages take turns."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import asgiref.sync
import pytest

from chains.turns import Application, Message, Receive, Send, aside, in_turn
from tests.unit.engine_cast import until


class Pages:
    """Draws pages until it is told that they are ready, and knows how many it draws at once."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.drawing = self.most = self.drawn = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        self.drawing += 1
        self.most = max(self.most, self.drawing)
        try:
            if scope["path"] == "/broken":
                raise ValueError("broken")
            await self.ready.wait()
        finally:
            self.drawing -= 1
        self.drawn += 1


async def unheard(message: Message) -> None:
    pass


def ask(
    answer: Application, path: str = "/", *more: asyncio.Event, method: str = "GET"
) -> asyncio.Task[None]:
    """Send a request; with events its body comes in pieces, each when its event is set."""
    left = list(more)

    async def receive() -> Message:
        if left:
            await left.pop(0).wait()
        return {"type": "http.request", "body": b"x", "more_body": bool(left)}

    async def request() -> None:
        await answer({"type": "http", "path": path, "method": method}, receive, unheard)

    return asyncio.create_task(request())


async def test_a_few_pages_are_drawn_at_once_and_all_of_them_come():
    pages = Pages()
    answer = in_turn(pages, at_once=4)
    asked = [ask(answer) for _ in range(20)]
    await until(lambda: pages.drawing == 4)
    await asyncio.sleep(0.02)
    pages.ready.set()
    await asyncio.gather(*asked)
    assert (pages.most, pages.drawn) == (4, 20)


async def test_those_that_take_for_ever_hold_nobody_up_and_give_back_one_place_each():
    pages = Pages()
    answer = in_turn(pages, at_once=2, hold=0.02)
    asked = [ask(answer) for _ in range(5)]
    await until(lambda: pages.drawing == 5)
    pages.ready.set()
    await asyncio.gather(*asked)
    assert pages.drawn == 5
    # With one place more each that ended would have opened the door for another.
    pages.ready.clear()
    pages.most = 0
    again = [ask(answer) for _ in range(4)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert pages.drawing == 2
    pages.ready.set()
    await asyncio.gather(*again)


async def test_an_upload_that_comes_slowly_keeps_nobody_waiting():
    pages = Pages()
    pages.ready.set()
    answer = in_turn(pages, at_once=1, hold=60)
    first, second = asyncio.Event(), asyncio.Event()
    slow = ask(answer, "/files", first, second)
    first.set()
    await ask(answer)
    assert not slow.done()
    second.set()
    await slow


async def test_a_page_that_breaks_and_one_that_nobody_waits_for_give_their_places_back():
    pages = Pages()
    answer = in_turn(pages, at_once=1, hold=60)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"):
            await ask(answer, "/broken")
    left = ask(answer)
    await until(lambda: pages.drawing == 1)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    pages.ready.set()
    await ask(answer)
    assert pages.drawn == 1


async def test_programs_that_wait_for_a_run_take_no_place():
    pages = Pages()
    answer = in_turn(pages, at_once=1, hold=60)
    waiting = [ask(answer, "/v1/chat/completions") for _ in range(8)]
    await until(lambda: pages.drawing == 8)
    page = ask(answer)
    await until(lambda: pages.drawing == 9)
    pages.ready.set()
    await asyncio.gather(page, *waiting)


async def test_what_is_sent_does_not_wait_for_pages():
    pages = Pages()
    answer = in_turn(pages, at_once=1, sent=2, hold=60)
    asked = [ask(answer) for _ in range(3)]
    await until(lambda: pages.drawing == 1)
    asked += [ask(answer, method="POST") for _ in range(3)]
    await until(lambda: pages.drawing == 3)
    await asyncio.sleep(0.02)
    assert pages.drawing == 3
    pages.ready.set()
    await asyncio.gather(*asked)
    assert pages.drawn == 6


class Writing:
    """Writes for each request, steps aside, and draws; what happened stands in ``told``."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.go_on = threading.Event()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await asgiref.sync.sync_to_async(self.answer, thread_sensitive=False)()

    def answer(self) -> None:
        self.told.append("written")
        with aside():
            assert self.go_on.wait(10)
        self.told.append("drawn")


async def test_all_that_waits_is_written_before_anything_of_it_is_drawn():
    pages = Writing()
    answer = in_turn(pages, at_once=1, hold=60)
    asked = [ask(answer) for _ in range(5)]
    # With the place kept the second one would wait for the first.
    await until(lambda: len(pages.told) == 5)
    pages.go_on.set()
    await asyncio.gather(*asked)
    assert pages.told == ["written"] * 5 + ["drawn"] * 5
    await ask(answer)


async def test_a_page_is_drawn_in_its_place_also_after_it_stepped_aside():
    drawing = 0
    most = 0
    go_on = threading.Event()

    def draw() -> None:
        nonlocal drawing, most
        with aside():
            assert go_on.wait(10)
        drawing += 1
        most = max(most, drawing)
        time.sleep(0.01)
        drawing -= 1

    async def pages(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await asgiref.sync.sync_to_async(draw, thread_sensitive=False)()

    answer = in_turn(pages, at_once=2, sent=4, hold=60)
    asked = [ask(answer, method="POST") for _ in range(4)]
    await asyncio.sleep(0.05)
    go_on.set()
    await asyncio.gather(*asked)
    assert most <= 2


async def test_a_thread_waits_no_longer_for_its_place_when_its_request_is_over():
    left = threading.Event()

    def draw() -> None:
        with aside():
            pass
        left.set()

    async def pages(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        if scope["path"] == "/slow":
            await asyncio.Event().wait()
        await asgiref.sync.sync_to_async(draw, thread_sensitive=False)()

    answer = in_turn(pages, at_once=1, hold=60)
    asked = ask(answer)
    slow = ask(answer, "/slow")
    await asyncio.sleep(0.05)
    assert not left.is_set()
    asked.cancel()
    await asyncio.to_thread(left.wait, 10)
    assert left.is_set()
    slow.cancel()
    await asyncio.gather(asked, slow, return_exceptions=True)
    await ask(answer)


def test_outside_of_a_request_nobody_steps_aside():
    with aside():
        pass
