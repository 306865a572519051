"""Pages take turns: however many are asked for at once, the event loop gets its time.

Each page is drawn in a thread of its own, and all threads of an interpreter share its one lock. A hundred
pages side by side leave each turn of the loop waiting for all of them: after a hundred messages in one moment
text came 11 s late. With two pages at once it is a fifth of a second late, and the last message waits 22 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

AT_ONCE = 2
# Some wait for something else, as for a provider's list of models: after so long they hold nobody up.
HOLD_S = 1.0
# Programs may wait there for a run's end; nothing is drawn.
API = "/v1/"

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


def in_turn(pages: Application, *, at_once: int = AT_ONCE, hold: float = HOLD_S) -> Application:
    """Return an ASGI application that asks ``pages`` for a few answers at the same time.

    A request takes its place when all of it has come: a long upload keeps nobody waiting. It has the place
    until it is answered, or for ``hold`` seconds.
    """
    places = asyncio.Semaphore(at_once)

    async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["path"].startswith(API):
            return await pages(scope, receive, send)
        leave: Callable[[], None] | None = None

        async def receive_in_turn() -> Message:
            nonlocal leave
            message = await receive()
            if leave is None and not message.get("more_body", False):
                leave = await _take(places, hold)
            return message

        try:
            await pages(scope, receive_in_turn, send)
        finally:
            if leave:
                leave()

    return application


async def _take(places: asyncio.Semaphore, hold: float) -> Callable[[], None]:
    """Wait for a place, and return what gives it back; the second time it does nothing."""
    await places.acquire()
    is_held = True

    def leave() -> None:
        nonlocal is_held
        timer.cancel()
        if is_held:
            is_held = False
            places.release()

    timer = asyncio.get_running_loop().call_later(hold, leave)
    return leave
