"""A signal reaches a loop in every state."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from chains.management.signals import on_signal

NUMBER = signal.SIGUSR1
# More than the buffer by which threads wake a loop can hold.
WAKES = 20_000


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = signal.getsignal(NUMBER)
    yield
    signal.signal(NUMBER, before)


@pytest.mark.parametrize("wakes", [0, WAKES])
def test_it_is_heard_however_often_threads_wake_the_loop(wakes: int):
    async def hear() -> None:
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        on_signal(loop, NUMBER, heard.set)
        for _ in range(wakes):
            loop.call_soon_threadsafe(int)
        signal.raise_signal(NUMBER)
        async with asyncio.timeout(10):
            await heard.wait()

    asyncio.run(hear())


def test_when_the_loop_is_gone_it_does_what_it_does_otherwise():
    calls: list[int] = []
    loop = asyncio.new_event_loop()
    on_signal(loop, signal.SIGCHLD, lambda: calls.append(1))
    loop.close()
    # By itself this one does nothing.
    signal.raise_signal(signal.SIGCHLD)
    assert calls == []
    assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
