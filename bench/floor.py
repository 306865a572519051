"""The floor: bare asyncio programs that read the same answers and do nothing else with them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx

Read = Callable[[str, str], Coroutine[Any, Any, None]]


@dataclass
class Ran:
    """One group that a floor read: when it began and ended, and the CPU seconds it took."""

    began: float
    ended: float
    cpu: float


async def group(read: Read, models: list[str], url: str) -> Ran:
    """Ask all models at once and read every answer to its end."""
    cpu, began = time.process_time(), time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for model in models:
            tasks.create_task(read(url, model))
    return Ran(began, time.monotonic(), time.process_time() - cpu)


def _body(model: str) -> dict[str, object]:
    return {"model": model, "stream": True, "messages": [{"role": "user", "content": "a message"}]}


async def with_aiohttp(models: list[str], url: str) -> Ran:
    """Read a group on a warm aiohttp client."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(trust_env=False, connector=connector) as client:

        async def read(address: str, model: str) -> None:
            async with client.post(f"{address}/v1/chat/completions", json=_body(model)) as answer:
                async for _ in answer.content.iter_any():
                    pass

        await group(read, models[:1], url)
        return await group(read, models, url)


async def with_httpx(models: list[str], url: str) -> Ran:
    """Read a group on a warm httpx client."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=None) as client:

        async def read(address: str, model: str) -> None:
            body = _body(model)
            async with client.stream("POST", f"{address}/v1/chat/completions", json=body) as answer:
                async for _ in answer.aiter_raw():
                    pass

        await group(read, models[:1], url)
        return await group(read, models, url)
