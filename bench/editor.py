"""Measure what an edit of a long chain takes: queries, and the time until its answer is there.

    python -m bench.editor [--agents 50] [--rounds 40]

A chain is edited as its page does it, over HTTP through the shipped server process: a field saved, an agent
added, moved, removed, and each of these undone. Times are from the first byte sent to the last one read, by
this process. Queries are counted by a second server, because counting takes time. Under
``python -m tests.services --`` both are on PostgreSQL.
"""

from __future__ import annotations

import argparse
import contextlib
import html
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench import machine
from tests.servers import Server, installation

HEADER = "X-Queries"
OWNER, SLUG = "alice", "long"
GOAL_MS, GOAL_QUERIES = 150, 15
WARM_UP = 3  # rounds that do not count: a new process reads its templates once
STATE = re.compile(r'id="editor-state"[^>]* value="([^"]*)"')
PROMPT = (
    "Read what {{agents.agent-1}} found and say in plain words what follows from it. Name every risk that it "
    "leaves out, how likely each is, and what one would see first if it came true. Then weigh {{previous}} "
    "against it."
)


class Editor:
    """The editor's page of one chain, as far as its requests and the state that they bring back."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._address = f"/chains/{SLUG}/edit"
        self._take(client.get(self._address))
        client.headers["X-CSRFToken"] = client.cookies["csrftoken"]

    def save(self, number: int) -> httpx.Response:
        """Type into a prompt."""
        prompt = f"{PROMPT} Round {number}."
        return self._post(f"agents/{self._agents[-1]}", target="", prompt=prompt)

    def add(self, _: int) -> httpx.Response:
        """Add an agent in the middle."""
        return self._post("agents/add", index=len(self._agents) // 2, connection_type="direct")

    def move(self, _: int) -> httpx.Response:
        """Drag an agent from the middle to the second place: all between them get another one."""
        middle = self._agents[len(self._agents) // 2]
        return self._post(f"agents/{middle}/move", index=1, connection_type="direct")

    def remove(self, _: int) -> httpx.Response:
        """Remove the agent of the middle."""
        return self._post(f"agents/{self._agents[len(self._agents) // 2]}/remove")

    def undo(self, _: int) -> httpx.Response:
        """Take the last edit back."""
        return self._post("undo")

    def _post(self, act: str, *, target: str = "canvas", **fields: object) -> httpx.Response:
        headers = {"HX-Request": "true", "HX-Target": target}
        data = {"revision": self._revision, **fields}
        return self._take(self._client.post(f"{self._address}/{act}", data=data, headers=headers))

    def _take(self, response: httpx.Response) -> httpx.Response:
        response.raise_for_status()
        found = STATE.search(response.text)
        assert found, f"{response.url} did not answer with the editor's state"
        state: dict[str, Any] = json.loads(html.unescape(found[1]))
        self._revision: int = state["revision"]
        self._agents: list[str] = list(state["names"])
        return response


@dataclass(frozen=True)
class Served:
    """A running server, and somebody who has logged in there."""

    client: httpx.Client
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """Return what the serving process has worked so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@dataclass
class Measured:
    """What one kind of edit took."""

    name: str
    times_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    kilobytes: float = 0.0
    queries: int = 0

    @property
    def p95_ms(self) -> float:
        """Return what nineteen of twenty edits stay under."""
        return statistics.quantiles(self.times_ms, n=20, method="inclusive")[-1]


def rounds(served: Served, count: int) -> list[Measured]:
    """Make every kind of edit ``count`` times; each round leaves the chain as it was."""
    editor = Editor(served.client)
    edits = {
        "save a field": editor.save,
        "add an agent": editor.add,
        "move an agent": editor.move,
        "remove an agent": editor.remove,
    }
    measured = {name: (Measured(name), Measured("  undo it")) for name in edits}
    for number in range(-WARM_UP, count):
        for name, edit in edits.items():
            done, undone = measured[name] if number >= 0 else (Measured(""), Measured(""))
            _time(served, edit, number, done)
            _time(served, editor.undo, number, undone)
    return [row for rows in measured.values() for row in rows]


def _time(served: Served, edit: Callable[[int], httpx.Response], number: int, row: Measured) -> None:
    begun, worked = time.perf_counter(), served.cpu_seconds()
    response = edit(number)
    row.times_ms.append((time.perf_counter() - begun) * 1e3)
    row.cpu_ms.append((served.cpu_seconds() - worked) * 1e3)
    row.kilobytes = max(row.kilobytes, len(response.content) / 1e3)
    row.queries = max(row.queries, int(response.headers.get(HEADER, 0)))


@contextlib.contextmanager
def serve(agents: int, **variables: str) -> Iterator[Served]:
    """Serve an installation in which somebody has a chain of so many agents, and log them in."""
    with (
        tempfile.TemporaryDirectory(prefix="chain-chat-bench-") as folder,
        installation(Path(folder), variables) as server,
        server.client_for(OWNER) as client,
    ):
        _import(server, agents)
        assert server.web
        yield Served(client, psutil.Process(server.web.process.pid))


def _import(server: Server, agents: int) -> None:
    path = server.folder / "chain.json"
    path.write_text(json.dumps(chain_file(agents)))
    done = server.manage("import_chain", str(path), "--owner", OWNER)
    assert done.returncode == 0, done.stderr


def chain_file(count: int) -> dict[str, object]:
    """Return a long chain: groups of three between single agents, of which every other one has a rule."""
    agents = [_agent(number) for number in range(1, count + 1)]
    return {"format": "chainchat/1", "name": "Long", "slug": SLUG, "agents": agents}


def _agent(number: int) -> dict[str, object]:
    agent: dict[str, object] = {"name": f"Agent {number}", "model": "default", "system_prompt": "Be terse."}
    if number > 1:
        agent["prompt"] = PROMPT
    if number % 4 != 1:
        agent["connection_type"] = "parallel"
    elif number % 8 == 1 and number > 1:
        agent |= {"connection_type": "conditional", "condition": 'contains("risk") and length > 100'}
    return agent


def table(measured: list[Measured], agents: int) -> str:
    """Write what was measured as a table."""
    made = len(measured[0].times_ms)
    lines = [
        f"{agents} agents, {made} edits of each kind; the goal is {GOAL_MS} ms and {GOAL_QUERIES} queries",
        f"{'edit':18}{'queries':>8}{'median':>11}{'p95':>11}{'slowest':>11}{'CPU':>11}{'answer':>11}",
    ]
    for row in measured:
        mean_cpu_ms = statistics.mean(row.cpu_ms)
        times = (statistics.median(row.times_ms), row.p95_ms, max(row.times_ms), mean_cpu_ms)
        shown = "".join(f"{time_ms:8.1f} ms" for time_ms in times)
        lines.append(f"{row.name:18}{row.queries:8}{shown}{row.kilobytes:8.0f} kB")
    return "\n".join(lines)


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.editor", description=__doc__)
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=40, help="how often each edit is made")
    said = parser.parse_args()
    # First, so that the load is that of others.
    print(machine.facts())
    with serve(said.agents) as served:
        measured = rounds(served, said.rounds)
    with serve(said.agents, DJANGO_SETTINGS_MODULE="bench.counted") as served:
        for row, counted in zip(measured, rounds(served, 1), strict=True):
            row.queries = counted.queries
    print(table(measured, said.agents))


if __name__ == "__main__":
    main()
