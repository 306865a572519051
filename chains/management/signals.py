"""Signals that reach an event loop however busy it is."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import FrameType


def on_signal(loop: asyncio.AbstractEventLoop, number: signal.Signals, call: Callable[[], object]) -> None:
    """Let a loop of this main thread call something each time a signal comes.

    asyncio's own handlers hear of signals through the buffer by which threads wake the loop. When many do
    so in one moment it is full, and a signal that comes then is lost.
    """

    def handle(_number: int, _frame: FrameType | None) -> None:
        if loop.is_closed():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        else:
            loop.call_soon_threadsafe(call)

    signal.signal(number, handle)
