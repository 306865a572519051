"""Somebody who watches sessions: sockets that keep up, and when each token was to be seen."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from bench.site import Site

LIMIT_S = 120.0
STATUS = re.compile(r'data-run-status="(\w+)"')
STEP = re.compile(r'data-step="(\d+)" data-step-index="\d+" data-status="(\w+)"')
TOKEN = re.compile(rb"(\w+)-(\d+)\b")
ENDED = ("completed", "failed", "cancelled", "interrupted")
# Model → (moment, newest token) of each piece of its text that was seen.
Seen = dict[str, list[tuple[float, int]]]


@dataclass
class Session:
    """One watched session; ``seen`` has its frames with text."""

    id: int
    socket: aiohttp.ClientWebSocketResponse
    seen: Seen = field(default_factory=dict)
    bytes_received: int = 0
    run: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Audience:
    """Watches any number of sessions of a site and sends messages to them, in one event loop."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._cookies = dict(site.visitor.http.cookies)
        self._reading: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        jar = aiohttp.CookieJar(unsafe=True)
        self._client = aiohttp.ClientSession(
            self._site.server.url, cookie_jar=jar, cookies=self._cookies, trust_env=False,
            connector=aiohttp.TCPConnector(limit=0),
        )  # fmt: skip
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._reading:
            task.cancel()
        await self._client.close()

    async def open(self, slug: str) -> Session:
        """Start a session with a chain and watch it."""
        headers = {"X-CSRFToken": self._cookies["csrftoken"]}
        async with self._client.post(f"/chains/{slug}/start", headers=headers) as answer:
            session_id = int(answer.url.path.split("/")[2])
        socket = await self._client.ws_connect(
            f"/ws/sessions/{session_id}/", headers={"Origin": self._site.server.url}, max_msg_size=0
        )
        await socket.send_json({"type": "hello", "runs": {}})
        session = Session(session_id, socket)
        task = asyncio.create_task(self._read(session), name=f"watch-{session_id}")
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
        return session

    async def send(self, session: Session, text: str = "a message") -> float:
        """Send a message; return the moment at which the request left."""
        session.ended.clear()
        session.seen.clear()
        headers = {"X-CSRFToken": self._cookies["csrftoken"], "HX-Request": "true"}
        fields = {"input": text, "request_id": uuid.uuid4().hex}
        left = time.monotonic()
        await session.socket.send_json({"type": "sends"})
        async with self._client.post(f"/sessions/{session.id}/send", data=fields, headers=headers) as answer:
            page = await answer.text()
            assert answer.status == 200, page
        found = re.search(r'data-run="(\d+)" data-run-status="(\w+)"', page)
        assert found
        session.run = int(found[1])
        shown = {"runs": {found[1]: found[2]}, "steps": dict(STEP.findall(page))}
        await session.socket.send_json({"type": "shows", **shown})
        return left

    async def wait(self, *sessions: Session) -> None:
        """Wait until the runs of these sessions have ended."""
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*(session.ended.wait() for session in sessions))

    async def _read(self, session: Session) -> None:
        async for message in session.socket:
            now = time.monotonic()
            session.bytes_received += len(message.data)
            told = orjson.loads(message.data)
            for column in told.get("columns", ()):
                _note(session, now, column)
            # A window that did not keep up is shown the whole run again instead.
            shown = [STATUS.search(band["html"]) for band in told.get("bands", ())]
            statuses = [found[1] for found in shown if found]
            statuses += [run["status"] for run in told.get("runs", ())]
            if any(status in ENDED for status in statuses):
                session.ended.set()
            if "seq" in told:
                await session.socket.send_str(f'{{"type":"ack","seq":{told["seq"]}}}')


def _note(session: Session, now: float, column: dict[str, Any]) -> None:
    # The newest token stands at the end of what was sent.
    html = ("".join(column["closed"][-1:]) + column["tail"])[-200:].encode()
    if found := TOKEN.findall(html):
        model, number = found[-1]
        session.seen.setdefault(model.decode(), []).append((now, int(number)))
