"""Pages take turns: however many are asked for at once, the event loop gets its time.

Each page is drawn in a thread of its own, and all threads of an interpreter share its one lock: a hundred
pages side by side leave each turn of the event loop waiting for all of them, and text comes seconds late.

What is sent has places of its own, and a request that steps aside comes back to a place of the pages: of a
hundred messages that come in one moment all are accepted before most of the pages that answer them are drawn.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

# A thread that reads or writes rows waits for the interpreter again after each of them. Beside a busy event
# loop two of them get a tenth of its time: enough for pages, and too little for messages.
PAGES_AT_ONCE, SENT_AT_ONCE = 2, 8
# Some wait for something else, as for a provider's list of models: after so long they hold nobody up.
HOLD_S = 1.0
# Nobody waits longer for a place that was left: the page is drawn without one.
RETURN_S = 30.0
# Programs may wait there for a run's end; nothing is drawn.
API = "/v1/"

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


class Turn:
    """A request's claim to a place: it has one from ``take`` to ``leave``, for ``hold`` seconds at most.

    ``places`` are those that it takes at first, ``pages`` those that it comes back to.
    """

    def __init__(self, places: asyncio.Semaphore, pages: asyncio.Semaphore, hold: float) -> None:
        self._places = places
        self._pages = pages
        self._hold = hold
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False
        self._returning: concurrent.futures.Future[None] | None = None

    async def take(self) -> None:
        """Wait for a place."""
        await self._places.acquire()
        self._timer = self._loop.call_later(self._hold, self.leave)
        if self._is_over:
            self.leave()

    def leave(self) -> None:
        """Give the place back; without one it does nothing."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
            self._places.release()

    def end(self) -> None:
        """Take no place any more: the request has its answer, or nobody waits for one."""
        self._is_over = True
        self.leave()
        if self._returning:
            self._returning.cancel()

    def step_aside(self) -> None:
        """Give the place back, from the request's thread."""
        self._loop.call_soon_threadsafe(self._move)

    def step_back(self) -> None:
        """Block the request's thread until it has a place again, or its request is over."""
        self._returning = asyncio.run_coroutine_threadsafe(self.take(), self._loop)
        with contextlib.suppress(TimeoutError, concurrent.futures.CancelledError):
            self._returning.result(RETURN_S)

    def _move(self) -> None:
        self.leave()
        self._places = self._pages


_turn: ContextVar[Turn | None] = ContextVar("turn", default=None)


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Let others have this request's place meanwhile; call it in the request's thread."""
    turn = _turn.get()
    if turn is None:
        yield
        return
    turn.step_aside()
    try:
        yield
    finally:
        turn.step_back()


def in_turn(
    pages: Application, *, at_once: int = PAGES_AT_ONCE, sent: int = SENT_AT_ONCE, hold: float = HOLD_S
) -> Application:
    """Return an ASGI application that asks ``pages`` for a few answers at the same time.

    A request takes its place when all of it has come: a long upload keeps nobody waiting. It has the place
    until it is answered or steps aside, or for ``hold`` seconds. ``sent`` is how many that send something are
    answered beside the ``at_once`` that only look.
    """
    looking, sending = asyncio.Semaphore(at_once), asyncio.Semaphore(sent)

    async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["path"].startswith(API):
            return await pages(scope, receive, send)
        turn = Turn(sending if scope["method"] == "POST" else looking, looking, hold)
        has_come = False

        async def receive_in_turn() -> Message:
            nonlocal has_come
            message = await receive()
            if not has_come and not message.get("more_body", False):
                has_come = True
                await turn.take()
            return message

        token = _turn.set(turn)
        try:
            await pages(scope, receive_in_turn, send)
        finally:
            _turn.reset(token)
            turn.end()

    return application
