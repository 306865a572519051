"""Live updates, first hop: events become frames on the session's group; hints wake whoever should look.

Nothing here is the truth: the database is. A frame that is lost is healed by the viewer (``chains.viewer``).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import orjson
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import close_old_connections

from chains import turns
from chains.engine import killpoints
from chains.engine.events import (
    AttemptEnded,
    Emit,
    Event,
    ReasoningDelta,
    RunEnded,
    RunStarted,
    StepsSkipped,
    StepStarted,
    StepStreaming,
    TextDelta,
)

logger = logging.getLogger("chains.live")

RUN_CHANNEL = "chain-runs"
FRAME_S = 0.04
# A process that comes late to a frame has too much to do: the next one is so many times later, up to a limit.
GIVE_WAY, SLOWEST_FRAME_S = 4.0, 0.5
HEARTBEAT_S = 1.0
# Code points of an attempt's reasoning that are shown live; the rest is there when the attempt has ended.
REASONING_LIMIT = 64_000
# A beginning of a run and an end of an attempt wait so long, unless there is more to tell: requests go first.
REQUESTS_FIRST_S = 0.015
SEND_LIMIT_S = 5.0
# How long whoever sent a message waits for its run to begin; and what its requests need to be on their way.
BEGIN_LIMIT_S, REQUESTS_S = 0.1, 0.01

Notice = list[Any]


def session_group(session_id: int) -> str:
    """Return the name of the group that a session's frames go to."""
    return f"session-{session_id}"


# One line per kind of event: how it travels. The viewer reads the same lists.
_ENCODERS: dict[type, Callable[[Any], Notice]] = {
    RunStarted: lambda e: ["run", e.run, "running"],
    StepStarted: lambda e: ["step", e.run, e.step, e.attempt, "running"],
    StepStreaming: lambda e: ["step", e.run, e.step, e.attempt, "streaming"],
    AttemptEnded: lambda e: [
        "end",
        e.run,
        e.step,
        e.attempt,
        "running" if e.will_retry else e.status,
        e.length,
        e.sha256,
    ],
    StepsSkipped: lambda e: ["skip", e.run, list(e.steps)],
    RunEnded: lambda e: ["run", e.run, e.status],
}
# What is gathered for a frame, by the kind of its notice.
_GATHERED: dict[type, str] = {TextDelta: "text", ReasoningDelta: "reasoning"}


def encode(notices: list[Notice]) -> dict[str, Any]:
    """Pack notices into a message of the channel layer."""
    # One bytes value: the in-memory layer copies every message deeply, once for each receiver.
    return {"type": "live.frame", "data": orjson.dumps(notices)}


class Beginnings:
    """The runs that this process was just asked for: their calls go before all that is drawn of them.

    Pages are drawn in threads of the same interpreter: side by side with them the first request of a run
    leaves after 25 to 60 ms instead of 10 to 15, and the last of 64 after 60 to 280 instead of 30 to 60.
    """

    def __init__(self) -> None:
        self.are_here = False
        self._awaited: dict[int, threading.Event] = {}

    def expect(self, run_id: int) -> None:
        """Remember a run before anybody is told of it."""
        if self.are_here:
            self._awaited[run_id] = threading.Event()

    def wait(self, run_id: int) -> None:
        """Block this thread until the run's first calls are out, or for a tenth of a second."""
        if begun := self._awaited.get(run_id):
            begun.wait(BEGIN_LIMIT_S)
            # Somebody else may have sent the same request again, and waited for the same run.
            self._awaited.pop(run_id, None)

    def note(self, run_id: int) -> None:
        """Take from the event loop that a stage of a run starts."""
        if begun := self._awaited.get(run_id):
            asyncio.get_running_loop().call_later(REQUESTS_S, begun.set)


beginnings = Beginnings()


class SessionSender:
    """Gathers the events of one session and sends them as frames, in order, while a run is live."""

    def __init__(self, session_id: int) -> None:
        self._group = session_group(session_id)
        self._notices: list[Notice] = []
        self._texts: dict[tuple[str, int, int], tuple[int, int, list[str]]] = {}
        self._begun: set[tuple[str, int, int]] = set()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._text_due: float | None = None
        self._pause = FRAME_S
        self._closing = False
        self._task = asyncio.create_task(self._send_all(), name=f"live-{self._group}")

    def emit(self, event: Event) -> None:
        """Take an event; never waits and never fails."""
        if isinstance(event, TextDelta | ReasoningDelta):
            self._gather(event)
        else:
            if isinstance(event, StepStarted):
                beginnings.note(event.run)
            self._move_texts()
            self._notices.append(_ENCODERS[type(event)](event))
            if isinstance(event, RunStarted | AttemptEnded):
                self._within(REQUESTS_FIRST_S)
            else:
                self._soon()

    async def close(self) -> None:
        """Send what is left and end."""
        self._closing = True
        self._wake.set()
        await self._task

    def _gather(self, event: TextDelta | ReasoningDelta) -> None:
        if isinstance(event, ReasoningDelta) and event.offset >= REASONING_LIMIT:
            return
        key = (_GATHERED[type(event)], event.step, event.attempt)
        if (gathered := self._texts.get(key)) is not None:
            gathered[2].append(event.text)
            return
        self._texts[key] = (event.run, event.offset, [event.text])
        if key not in self._begun:
            self._begun.add(key)
            self._soon()
        else:
            self._text_due = asyncio.get_running_loop().time() + self._pause
            self._within(self._pause)

    def _move_texts(self) -> None:
        for (kind, step, attempt), (run, offset, pieces) in self._texts.items():
            self._notices.append([kind, run, step, attempt, offset, "".join(pieces)])
        self._texts.clear()

    def _within(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if self._timer is None or self._timer.when() > due:
            if self._timer:
                self._timer.cancel()
            self._timer = loop.call_at(due, self._wake.set)

    def _soon(self) -> None:
        # The end of this turn: the first tokens of a whole group share a frame.
        asyncio.get_running_loop().call_soon(self._wake.set)

    async def _send_all(self) -> None:
        while not (self._closing and not self._notices and not self._texts):
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            await self._send(self._take())

    def _take(self) -> list[Notice]:
        self._wake.clear()
        if self._text_due is not None:
            late = max(0.0, asyncio.get_running_loop().time() - self._text_due)
            self._pause = min(FRAME_S + GIVE_WAY * late, SLOWEST_FRAME_S)
            self._text_due = None
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._move_texts()
        notices, self._notices = self._notices, []
        return notices

    async def _send(self, notices: list[Notice]) -> None:
        killpoints.reach("broadcast")
        layer = get_channel_layer()
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                await layer.group_send(self._group, encode(notices))
        except Exception as error:
            logger.warning("A live frame was lost, viewers will read the database: %s", error)


class Broadcasts:
    """The senders of this process, one per session with a live run."""

    def __init__(self) -> None:
        self._senders: dict[int, tuple[SessionSender, int]] = {}

    def open(self, session_id: int) -> Emit:
        """Begin to send a session's events; return where they go."""
        sender, users = self._senders.get(session_id) or (SessionSender(session_id), 0)
        self._senders[session_id] = (sender, users + 1)
        return sender.emit

    async def close(self, session_id: int) -> None:
        """End it when its last run has ended."""
        sender, users = self._senders[session_id]
        if users > 1:
            self._senders[session_id] = (sender, users - 1)
            return
        del self._senders[session_id]
        await sender.close()


def hint_execute(run_id: int) -> None:
    """Tell the workers that a run waits. They would find it by themselves within seconds."""
    beginnings.expect(run_id)
    _hint(lambda layer: layer.send(RUN_CHANNEL, {"type": "run.execute", "run": run_id}))
    # Messages that wait are accepted before the page is drawn that answers this one. Meanwhile it holds no
    # connection of the pool.
    close_old_connections()
    with turns.aside():
        beginnings.wait(run_id)


def hint_stop(run_id: int) -> None:
    """Tell the workers that a stop flag was set."""
    _hint(lambda layer: layer.send(RUN_CHANNEL, {"type": "run.stop", "run": run_id}))


def hint_session(session_id: int) -> None:
    """Tell whoever watches a session to read it anew: a run came, changed or went."""
    _hint(lambda layer: layer.group_send(session_group(session_id), encode([["look"]])))


def hint_run(session_id: int, run_id: int) -> None:
    """Tell whoever watches a session that something was decided about a run that has ended."""
    _hint(lambda layer: layer.group_send(session_group(session_id), encode([["decided", run_id]])))


async def hint_session_async(session_id: int) -> None:
    """The same from inside the event loop."""
    await _hint_async(lambda layer: layer.group_send(session_group(session_id), encode([["look"]])))


async def hint_execute_async(run_id: int) -> None:
    """Tell the workers from inside the event loop that a run waits."""
    await _hint_async(lambda layer: layer.send(RUN_CHANNEL, {"type": "run.execute", "run": run_id}))


def _hint(send: Callable[[Any], Any]) -> None:
    async_to_sync(_hint_async)(send)


async def _hint_async(send: Callable[[Any], Any]) -> None:
    try:
        async with asyncio.timeout(SEND_LIMIT_S):
            await send(get_channel_layer())
    except Exception as error:
        logger.warning("A hint was lost: %s", error)
