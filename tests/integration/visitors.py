"""Somebody at a browser, as far as a served installation can tell: pages, forms, and a window's socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Any, Self

import aiohttp
import httpx

from tests.servers import Server

WAIT_LIMIT = 20.0
ENDED = ("completed", "failed", "cancelled", "interrupted")
HTMX = {"HX-Request": "true"}


@dataclass
class ColumnShown:
    """One agent's column on a page. ``words`` is all that can be read in it."""

    step: int
    status: str
    attempt: int = 0
    length: int | None = None
    sha256: str = ""
    words: str = ""


@dataclass
class RunShown:
    """One run on a page."""

    id: int
    status: str
    columns: list[ColumnShown] = field(default_factory=list)
    words: str = ""

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def statuses(self) -> list[str]:
        return [column.status for column in self.columns]


class PageReader(HTMLParser):
    """Reads the runs of a session's page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.runs: list[RunShown] = []
        self._in_run = self._in_column = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if "data-run" in said:
            self.runs.append(RunShown(int(said["data-run"]), said["data-run-status"]))
            self._in_run = True
        elif tag == "article" and "data-step" in said:
            self.runs[-1].columns.append(ColumnShown(int(said["data-step"]), said["data-status"]))
            self._in_column = True
        elif "data-answer" in said:
            column = self.runs[-1].columns[-1]
            column.attempt = int(said["data-attempt"])
            column.length = int(said["data-length"]) if "data-length" in said else None
            column.sha256 = said.get("data-sha256", "")

    def handle_endtag(self, tag: str) -> None:
        self._in_run = self._in_run and tag != "section"
        self._in_column = self._in_column and tag != "article"

    def handle_data(self, data: str) -> None:
        if self._in_run:
            self.runs[-1].words += data
        if self._in_column:
            self.runs[-1].columns[-1].words += data


class Visitor:
    """A person with a browser of their own; each visitor has logged in by themselves."""

    def __init__(self, site: Server, person: str = "alice") -> None:
        self.site, self.person = site, person
        self.http = site.client_for(person)
        self.http.get("/")

    def posts(self, path: str, **fields: str) -> httpx.Response:
        """Send a form as the page's script does."""
        return self.http.post(
            path, data=fields, headers=HTMX | {"X-CSRFToken": self.http.cookies["csrftoken"]}
        )

    def opens(self, slug: str) -> int:
        """Start a session with a chain; return its id."""
        headers = {"X-CSRFToken": self.http.cookies["csrftoken"]}
        address = self.http.post(f"/chains/{slug}/start", headers=headers).url.path
        found = re.fullmatch(r"/sessions/(\d+)/", address)
        assert found, address
        return int(found[1])

    def sends(self, session: int, text: str = "a message", request_id: str = "") -> httpx.Response:
        """Send a message."""
        fields = {"input": text, "request_id": request_id or uuid.uuid4().hex}
        return self.posts(f"/sessions/{session}/send", **fields)

    def starts(self, slug: str, text: str = "a message") -> RunShown:
        """Send a message in a session of its own; return the run as the answer shows it."""
        return self.sent(self.opens(slug), text)

    def sent(self, session: int, text: str = "a message") -> RunShown:
        """Send a message that is accepted; return the run as the answer shows it."""
        response = self.sends(session, text)
        assert response.status_code == 200, response.text
        [run] = PageReader(response.text).runs
        return run

    def sees(self, session: int) -> list[RunShown]:
        """Load a session's page and read its runs, oldest first."""
        response = self.http.get(f"/sessions/{session}/")
        assert response.status_code == 200, response.text
        return PageReader(response.text).runs

    def waits(self, session: int, until: Callable[[RunShown], bool] = lambda run: run.has_ended) -> RunShown:
        """Load the page again and again until its newest run satisfies."""
        asked = time.monotonic()
        deadline = asked + WAIT_LIMIT
        while not until(run := self.sees(session)[-1]):
            assert time.monotonic() < deadline, f"The page still shows {run}"
            # On a busy machine it leaves most of the time to what it waits for.
            time.sleep(max(0.1, 2 * (time.monotonic() - asked)))
            asked = time.monotonic()
        return run

    def text_of(self, column: ColumnShown) -> str:
        """Fetch an answer's source."""
        return self.http.get(f"/steps/{column.step}/text").content.decode()


class Window:
    """A window's socket on a session: what it was told and when, by ``time.monotonic()``. It keeps up."""

    def __init__(self, visitor: Visitor, session: int) -> None:
        self.address = f"{visitor.site.url}/ws/sessions/{session}/"
        self.headers = {
            "Cookie": f"sessionid={visitor.http.cookies['sessionid']}",
            "Origin": visitor.site.url,
        }
        self.told: list[tuple[float, dict[str, Any]]] = []
        self._ends: dict[int, float] = {}
        self.close_code: int | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._watch()), name="window", daemon=True)
        self._leave: Callable[[], object] = lambda: None

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_for(lambda: bool(self.told) or self.close_code is not None, "a greeting")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.close_code is None:
            self._leave()
        self._thread.join()

    def wait_for(self, condition: Callable[[], bool], what: str, within: float = WAIT_LIMIT) -> None:
        """Wait until the condition holds. Raises ``AssertionError`` if it takes too long."""
        with self._changed:
            assert self._changed.wait_for(condition, within), f"The window was not told {what}."

    def end_of(self, run: int, within: float = WAIT_LIMIT) -> float:
        """Wait until the window was told that a run has ended; return when."""
        self.wait_for(lambda: run in self._ends, f"the end of run {run}", within)
        return self._ends[run]

    def has_heard_the_end_of(self, run: int) -> bool:
        """Whether the window was told by now that a run has ended."""
        with self._changed:
            return run in self._ends

    def wait_until_closed(self) -> int | None:
        """Wait until the server closes the socket; return its close code."""
        self.wait_for(lambda: self.close_code is not None, "that the server closes")
        return self.close_code

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        async with (
            aiohttp.ClientSession(trust_env=False) as client,
            client.ws_connect(self.address, headers=self.headers) as socket,
        ):
            self._leave = lambda: loop.call_soon_threadsafe(lambda: self._soon(loop, socket))
            await socket.send_json({"type": "hello", "runs": {}})
            # No frame answers a greeting while nothing is live.
            self._note({})
            async for message in socket:
                told = json.loads(message.data)
                self._note(told)
                # A server that goes away may have sent more than it still hears about.
                with contextlib.suppress(ConnectionError):
                    if "seq" in told:
                        await socket.send_json({"type": "ack", "seq": told["seq"]})
            with self._changed:
                self.close_code = socket.close_code
                self._changed.notify_all()

    def _soon(self, loop: asyncio.AbstractEventLoop, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._closing = loop.create_task(socket.close(), name="window-close")

    def _note(self, told: dict[str, Any]) -> None:
        now = time.monotonic()
        # Once: to read a band of many columns again with each frame would keep a provider from sending.
        ended = [shown.id for shown in _runs(told) if shown.has_ended]
        with self._changed:
            self.told.append((now, told))
            self._ends = dict.fromkeys(ended, now) | self._ends
            self._changed.notify_all()


def _runs(told: dict[str, Any]) -> list[RunShown]:
    """Return the runs whose state a frame tells."""
    named = [RunShown(run["run"], run["status"]) for run in told.get("runs", [])]
    return named + [run for band in told.get("bands", []) for run in PageReader(band["html"]).runs]
