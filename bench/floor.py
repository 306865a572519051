"""The floor: bare asyncio programs that read the same answers and do nothing else with them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx

Note = Callable[[str, bytes], None]  # the model, and a piece of its answer
Read = Callable[[str, str, Note], Coroutine[Any, Any, None]]
Client = Callable[[], AbstractAsyncContextManager[Read]]


@dataclass
class Ran:
    """What a floor has read: when it began and ended, and the CPU seconds it took."""

    began: float
    ended: float
    cpu: float


def ignore(model: str, piece: bytes) -> None:
    """Do nothing with a piece of an answer."""


async def run(client: Client, stages: Sequence[Sequence[str]], url: str, note: Note = ignore) -> Ran:
    """Read stage after stage, all answers of a stage at once, on a client that one call has warmed."""
    async with client() as read:
        await read(url, stages[0][0], ignore)
        cpu, began = time.process_time(), time.monotonic()
        for models in stages:
            async with asyncio.TaskGroup() as tasks:
                for model in models:
                    tasks.create_task(read(url, model, note))
        return Ran(began, time.monotonic(), time.process_time() - cpu)


def _body(model: str) -> dict[str, object]:
    return {"model": model, "stream": True, "messages": [{"role": "user", "content": "a message"}]}


@asynccontextmanager
async def _with_aiohttp() -> AsyncIterator[Read]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(trust_env=False, connector=connector) as client:

        async def read(url: str, model: str, note: Note) -> None:
            async with client.post(f"{url}/v1/chat/completions", json=_body(model)) as answer:
                async for piece in answer.content.iter_any():
                    note(model, piece)

        yield read


@asynccontextmanager
async def _with_httpx() -> AsyncIterator[Read]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=None) as client:

        async def read(url: str, model: str, note: Note) -> None:
            async with client.stream("POST", f"{url}/v1/chat/completions", json=_body(model)) as answer:
                async for piece in answer.aiter_raw():
                    note(model, piece)

        yield read


CLIENTS: dict[str, Client] = {"aiohttp": _with_aiohttp, "httpx": _with_httpx}
