"""Measure what a streamed chunk costs under httpx's own transport and under aiohttp's.

    python -m bench.transports [--seconds 3]

For 8 and 64 paced streams at once it prints the client's CPU time per chunk, the wall time against the
slowest stream as the provider saw it, and how long it took until the last request of a warm client was out.
The provider is the loopback server of the tests, in a process of its own. ``ours`` is the whole path of
``chains.providers``: decoding, limits and all.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import aiohttp
import httpx
import orjson
from httpx_aiohttp import AiohttpTransport

from bench import machine
from chains.providers import http
from chains.providers.base import ChatMessage, ChatRequest, Endpoint
from chains.providers.openai import OpenAIProvider, chat_body
from tests.loopback.server import KEY
from tests.services import free_port

TOKENS_PER_SECOND = 50
Stream = Callable[[str, str], Awaitable[int]]


async def through_httpx(client: httpx.AsyncClient, url: str, model: str) -> int:
    """Read one answer line by line, as most programs do, and count its chunks."""
    body = chat_body(ChatRequest(model, (ChatMessage("user", "x"),)))
    chunks = 0
    async with client.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=None) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                chunks += bool(orjson.loads(line[6:])["choices"])
    return chunks


async def through_ours(url: str, model: str) -> int:
    """Read one answer as the application does."""
    pieces: list[object] = []
    provider = OpenAIProvider(Endpoint("loopback", "Loopback", "openai", url, KEY))
    await provider.chat(ChatRequest(model, (ChatMessage("user", "x"),)), pieces.append)
    return len(pieces)


async def group(stream: Stream, url: str, size: int, seconds: float, tag: str) -> tuple[float, int]:
    """Run ``size`` streams at once; return the CPU seconds that the client took, and the chunks."""
    tokens = round(seconds * TOKENS_PER_SECOND)
    models = [f"loop:tps={TOKENS_PER_SECOND},tokens={tokens},tag={tag}{n}" for n in range(size)]
    before = time.process_time()
    chunks = await asyncio.gather(*(stream(url, model) for model in models))
    return time.process_time() - before, sum(chunks)


async def measure(name: str, stream: Stream, url: str, seconds: float) -> None:
    """Print a line per group size, after a short group that warms the client."""
    for size in (8, 64):
        await group(stream, url, size, 0.1, "warm")
        tag = f"{name}-{size}-".replace(" ", "").replace(",", "")
        sent = time.monotonic()
        cpu, chunks = await group(stream, url, size, seconds, tag)
        wall = time.monotonic() - sent
        calls = await arrivals(url, tag)
        last_out = max(call["arrived"] for call in calls) - sent
        slowest = max(call["last_byte_at"] for call in calls) - min(call["arrived"] for call in calls)
        print(
            f"{name:24} {size:3} streams  {cpu / chunks * 1e6:6.0f} µs per chunk  "
            f"last request out {last_out * 1e3:6.1f} ms  wall / slowest {wall / slowest:.3f}"
        )


async def arrivals(url: str, tag: str) -> list[dict[str, float]]:
    """Ask the loopback provider what it saw of these models."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/calls", params={"tag": tag}) as answer:
        found: list[dict[str, float]] = await answer.json()
        return found


@contextlib.contextmanager
def loopback() -> Iterator[str]:
    """Serve the loopback provider in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "tests.loopback", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


async def compare(url: str, seconds: float) -> None:
    """Measure each transport, then our own path."""
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    transports: dict[str, httpx.AsyncBaseTransport] = {
        "httpx": httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=None)),
        "httpx-aiohttp": AiohttpTransport(client=session),
    }
    for name, transport in transports.items():
        async with httpx.AsyncClient(transport=transport) as client:
            await measure(name, partial(through_httpx, client), url, seconds)
    await http.warm()
    await measure("ours", through_ours, url, seconds)
    await http.aclose()


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.transports", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each answer takes")
    seconds = parser.parse_args().seconds
    print(machine.facts())
    with loopback() as url:
        asyncio.run(compare(url, seconds))


if __name__ == "__main__":
    main()
