"""How events become frames: the first words at once, the rest gathered, always in order."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
import pytest_asyncio
from channels.layers import get_channel_layer

from chains.engine.events import (
    AttemptEnded,
    ReasoningDelta,
    RunEnded,
    RunStarted,
    StepsSkipped,
    StepStarted,
    StepStreaming,
    TextDelta,
)
from chains.live import (
    FRAME_S,
    HEARTBEAT_S,
    REASONING_LIMIT,
    RUN_CHANNEL,
    Beginnings,
    Broadcasts,
    SessionSender,
    encode,
    hint_execute,
    hint_session,
    hint_stop,
    session_group,
)
from tests.integration.run_cast import in_db, now

SESSION = 990_001


@dataclass
class Ear:
    """Somebody who listens on a session's group."""

    channel: str
    frames: list[list[Any]] = field(default_factory=list)

    async def hear(self, seconds: float = 5.0) -> list[Any]:
        """Return the next frame's notices."""
        async with asyncio.timeout(seconds):
            message = await get_channel_layer().receive(self.channel)
        self.frames.append(orjson.loads(message["data"]))
        return self.frames[-1]

    async def hear_until(self, kind: str) -> list[Any]:
        """Return all notices up to the frame that has one of this kind."""
        heard: list[Any] = []
        while not any(notice[0] == kind for notice in heard):
            heard += await self.hear()
        return heard


@pytest_asyncio.fixture
async def ear() -> AsyncIterator[Ear]:
    layer = get_channel_layer()
    ear = Ear(await layer.new_channel())
    await layer.group_add(session_group(SESSION), ear.channel)
    yield ear
    await layer.group_discard(session_group(SESSION), ear.channel)
    # The PubSub layer keeps a connection for each loop.
    if hasattr(layer, "flush"):
        await layer.flush()


@pytest_asyncio.fixture
async def sender(ear: Ear) -> AsyncIterator[SessionSender]:
    sender = SessionSender(SESSION)
    yield sender
    await sender.close()


def delta(offset: int, text: str, step: int = 1) -> TextDelta:
    return TextDelta(run=5, step=step, attempt=1, offset=offset, text=text)


def said(notices: list[Any], step: int = 1) -> str:
    return "".join(notice[5] for notice in notices if notice[0] == "text" and notice[2] == step)


async def test_the_first_words_of_an_answer_do_not_wait_for_a_frame(sender: SessionSender, ear: Ear):
    loop = asyncio.get_running_loop()
    turns: list[float] = []
    while len(turns) < 50 and min(turns, default=FRAME_S) >= FRAME_S / 4:
        step, began = len(turns) + 1, loop.time()
        sender.emit(delta(0, "first", step))
        assert await ear.hear() == [["text", 5, step, 1, 0, "first"]]
        turns.append(loop.time() - began)
    assert min(turns) < FRAME_S / 4


async def test_the_first_words_of_a_whole_group_share_a_frame(sender: SessionSender, ear: Ear):
    for step in range(1, 9):
        sender.emit(delta(0, "first", step))
    assert [notice[2] for notice in await ear.hear()] == list(range(1, 9))


async def test_later_words_of_all_columns_are_gathered_into_one_frame(sender: SessionSender, ear: Ear):
    loop = asyncio.get_running_loop()
    for step in (1, 2):
        sender.emit(delta(0, "a", step))
    await ear.hear()
    began = loop.time()
    for number in range(10):
        for step in (1, 2):
            sender.emit(delta(1 + number, "b", step))
        # Turns of the loop, and no time: a busy machine must not make it two frames.
        await asyncio.sleep(0)
    assert await ear.hear() == [["text", 5, 1, 1, 1, "b" * 10], ["text", 5, 2, 1, 1, "b" * 10]]
    assert loop.time() - began >= FRAME_S * 0.9


async def pause_of(sender: SessionSender, ear: Ear, offset: int) -> float:
    """Send text, and return how long its frame took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    sender.emit(delta(offset, "x"))
    await ear.hear()
    return loop.time() - began


async def test_a_process_that_comes_late_to_its_frames_sends_fewer_until_it_has_time_again(
    sender: SessionSender, ear: Ear
):
    await pause_of(sender, ear, 0)
    sender.emit(delta(1, "x"))
    asyncio.get_running_loop().call_soon(time.sleep, FRAME_S * 3)
    await ear.hear()
    slow = await pause_of(sender, ear, 2)
    assert slow > FRAME_S * 4
    assert min([await pause_of(sender, ear, number) for number in range(3, 9)]) < slow / 2


async def test_what_is_told_late_without_text_leaves_the_next_text_its_pause(sender: SessionSender, ear: Ear):
    loop = asyncio.get_running_loop()
    pauses: dict[bool, list[float]] = {True: [], False: []}
    await pause_of(sender, ear, 0)
    for offset in range(1, 13, 2):
        with_text = offset % 4 == 1
        end = AttemptEnded(5, 2, 1, "completed", 0, "digest", now())
        sender.emit(delta(offset, "x") if with_text else end)
        loop.call_soon(time.sleep, FRAME_S * 3)
        await ear.hear()
        pauses[with_text].append(await pause_of(sender, ear, offset + 1))
    # On a busy machine the one before was late as well, and has made room for a text that comes then.
    assert min(pauses[False]) < max(pauses[True]) / 2


async def test_frames_are_few_however_many_deltas_come(sender: SessionSender, ear: Ear):
    loop = asyncio.get_running_loop()
    began, offset = loop.time(), 0
    while loop.time() - began < FRAME_S * 8:
        sender.emit(delta(offset, "x"))
        offset += 1
        await asyncio.sleep(0.001)
    lasted = loop.time() - began
    sender.emit(RunEnded(5, "completed", now()))
    heard = await ear.hear_until("run")
    assert said(heard) == "x" * offset
    assert len(ear.frames) <= lasted / FRAME_S + 3


async def test_the_closing_frame_comes_after_every_word_before_it(sender: SessionSender, ear: Ear):
    sender.emit(StepStarted(5, 1, 1, now()))
    sender.emit(StepStreaming(5, 1, 1, now()))
    for offset, letter in enumerate("letters"):
        sender.emit(delta(offset, letter))
    sender.emit(AttemptEnded(5, 1, 1, "completed", 7, "digest", now()))
    sender.emit(RunEnded(5, "completed", now()))
    heard = await ear.hear_until("run")
    assert [notice[0] for notice in heard] == ["step", "step", "text", "end", "run"]
    assert said(heard) == "letters"
    assert heard[3] == ["end", 5, 1, 1, "completed", 7, "digest"]


async def test_an_attempt_that_is_tried_again_leaves_its_step_running(sender: SessionSender, ear: Ear):
    sender.emit(AttemptEnded(5, 1, 1, "failed", 0, "digest", now(), will_retry=True))
    assert await ear.hear() == [["end", 5, 1, 1, "running", 0, "digest"]]


async def test_reasoning_travels_in_the_frames_of_the_text(sender: SessionSender, ear: Ear):
    sender.emit(ReasoningDelta(5, 1, 1, 0, "h"))
    assert await ear.hear() == [["reasoning", 5, 1, 1, 0, "h"]]
    sender.emit(ReasoningDelta(5, 1, 1, 1, "m"))
    sender.emit(ReasoningDelta(5, 1, 1, 2, "m"))
    sender.emit(delta(0, "a"))
    assert await ear.hear() == [["reasoning", 5, 1, 1, 1, "mm"], ["text", 5, 1, 1, 0, "a"]]


async def test_of_endless_reasoning_only_the_beginning_travels(sender: SessionSender, ear: Ear):
    sender.emit(ReasoningDelta(5, 1, 1, REASONING_LIMIT - 1, "h"))
    sender.emit(ReasoningDelta(5, 1, 1, REASONING_LIMIT, "never"))
    sender.emit(RunStarted(5, now()))
    assert await ear.hear() == [
        ["reasoning", 5, 1, 1, REASONING_LIMIT - 1, "h"],
        ["run", 5, "running"],
    ]


async def test_events_without_text_travel_at_once(sender: SessionSender, ear: Ear):
    sender.emit(RunStarted(5, now()))
    sender.emit(StepsSkipped(5, (2, 3)))
    assert await ear.hear() == [["run", 5, "running"], ["skip", 5, [2, 3]]]


async def test_a_live_run_is_heard_every_second_even_when_nothing_happens(sender: SessionSender, ear: Ear):
    assert await ear.hear(HEARTBEAT_S * 3) == []
    assert await ear.hear(HEARTBEAT_S * 3) == []


async def test_what_is_left_goes_out_at_the_close(ear: Ear):
    sender = SessionSender(SESSION)
    sender.emit(delta(0, "a"))
    await ear.hear()
    sender.emit(delta(1, "b"))
    await sender.close()
    assert said(await ear.hear()) == "b"


async def test_two_runs_of_a_session_share_a_sender_until_both_have_ended(ear: Ear):
    broadcasts = Broadcasts()
    first, second = broadcasts.open(SESSION), broadcasts.open(SESSION)
    await broadcasts.close(SESSION)
    second(RunStarted(6, now()))
    assert await ear.hear() == [["run", 6, "running"]]
    assert first == second
    await broadcasts.close(SESSION)


async def test_text_survives_the_way_unchanged(sender: SessionSender, ear: Ear):
    text = "Grüße 🌍 <b>&amp;</b>\r\n\u2028 {{x}}"
    sender.emit(delta(0, text))
    assert said(await ear.hear()) == text


class TestHints:
    async def test_a_session_hint_reaches_whoever_watches(self, ear: Ear):
        await in_db(hint_session, SESSION)
        assert await ear.hear() == [["look"]]

    async def hear_of(self, run: int) -> dict[str, Any]:
        """Return the next hint about a run; what earlier tests hinted may still be on its way."""
        while (hint := await get_channel_layer().receive(RUN_CHANNEL))["run"] != run:
            pass
        return hint

    async def test_run_hints_reach_the_workers_channel(self):
        layer = get_channel_layer()
        hearing = asyncio.create_task(self.hear_of(7))
        async with asyncio.timeout(20):
            while not hearing.done():  # A PubSub subscription has to stand before something is said.
                await in_db(hint_execute, 7)
                await asyncio.wait([hearing], timeout=0.2)
            assert await hearing == {"type": "run.execute", "run": 7}
            hearing = asyncio.create_task(self.hear_of(8))
            await in_db(hint_stop, 8)
            assert await hearing == {"type": "run.stop", "run": 8}
        if hasattr(layer, "flush"):
            await layer.flush()

    async def test_a_frame_is_one_bytes_value(self):
        assert isinstance(encode([["look"]])["data"], bytes)


class TestBeginnings:
    async def test_whoever_sent_a_message_goes_on_when_the_calls_of_its_run_are_out(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("chains.live.BEGIN_LIMIT_S", 60.0)
        beginnings = Beginnings()
        beginnings.are_here = True
        beginnings.expect(7)
        order: list[str] = []

        def send() -> None:
            beginnings.wait(7)
            order.append("drawn")

        async def begin() -> None:
            await asyncio.sleep(0.02)
            order.append("begun")
            beginnings.note(7)

        await asyncio.gather(asyncio.to_thread(send), begin())
        assert order == ["begun", "drawn"]

    async def test_a_run_that_has_to_wait_for_its_place_keeps_nobody(self):
        beginnings = Beginnings()
        beginnings.are_here = True
        beginnings.expect(7)
        await asyncio.wait_for(asyncio.to_thread(beginnings.wait, 7), 10)
        # One that begins later is nobody's.
        beginnings.note(7)

    def test_nobody_waits_for_what_another_process_carries_out(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("chains.live.BEGIN_LIMIT_S", threading.TIMEOUT_MAX)
        beginnings = Beginnings()
        beginnings.expect(7)
        beginnings.wait(7)

    async def test_a_request_that_came_twice_keeps_neither_sender(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("chains.live.BEGIN_LIMIT_S", 5.0)
        beginnings = Beginnings()
        beginnings.are_here = True
        beginnings.expect(7)
        senders = [asyncio.to_thread(beginnings.wait, 7) for _ in range(2)]
        waiting = asyncio.gather(*senders)
        await asyncio.sleep(0.2)
        beginnings.note(7)
        assert await waiting == [None, None]
