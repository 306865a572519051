"""What is measured: the shipped processes, the bench's provider behind them, and somebody who sends."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psutil

from bench.provider import Call, Script
from tests.integration.authors import Agent, Author, group
from tests.integration.visitors import Visitor
from tests.servers import Server, installation
from tests.services import free_port

SIZES = (2, 4, 8, 16, 32, 64)
# A, then B, C and D at the same time, then E.
DIAMOND = [
    Agent("first", "direct"),
    *(Agent(f"middle{letter}") for letter in "bcd"),
    Agent("last", "direct", {"prompt": "{{previous}}"}),
]


class Provider:
    """The bench's provider, in a process of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, trust_env=False)

    def play(self, script: Script) -> None:
        """Let every model answer so from now on, and forget the calls so far."""
        self._client.put("/script", json=asdict(script))

    def calls(self) -> list[Call]:
        """Return what was seen of each call, in the order of their arrival."""
        return [Call(**seen) for seen in self._client.get("/calls").json()]


class Site:
    """An installation with chains of every size; ``visitor`` owns them."""

    def __init__(self, server: Server, provider: Provider) -> None:
        self.server, self.provider = server, provider
        self.visitor = Visitor(server)
        author = Author(server, SimpleNamespace())  # type: ignore[arg-type]
        chains = {f"group-{count}": group(count) for count in SIZES}
        author.writes(**chains, diamond=DIAMOND, solo=[Agent("solo", "direct")])
        self.does = author.does

    def cpu_seconds(self) -> float:
        """Return the CPU time that the server's processes have used, their children's too."""
        return sum(_cpu(process) for process in self._processes())

    def memory_mb(self) -> float:
        """Return the resident memory of the server's processes."""
        return float(sum(process.memory_info().rss for process in self._processes()) / 1e6)

    def times_of(self, runs: list[int]) -> list[tuple[float, float]]:
        """Return when each run was accepted and when it was terminal, by the wall clock."""
        printed = self.does(
            "from chains.models import Run\n"
            f"rows = Run.objects.filter(pk__in={runs!r}).order_by('pk')\n"
            "print([(r.created_at.timestamp(), r.finished_at.timestamp(), r.status) for r in rows])"
        )
        rows: list[tuple[float, float, str]] = eval(printed)
        assert all(status == "completed" for _, _, status in rows), rows
        return [(accepted, ended) for accepted, ended, _ in rows]

    def _processes(self) -> list[psutil.Process]:
        started = [one.process.pid for one in (self.server.web, self.server.worker) if one]
        roots = [psutil.Process(pid) for pid in started]
        return roots + [child for root in roots for child in root.children(recursive=True)]


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def provider() -> Iterator[Provider]:
    """Run the bench's provider."""
    port = free_port()
    command = [sys.executable, "-m", "bench.provider", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "Bench provider" in process.stdout.readline()
            yield Provider(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


@contextlib.contextmanager
def site(**variables: str) -> Iterator[Site]:
    """Serve an installation whose models are the bench's."""
    with provider() as running, tempfile.TemporaryDirectory(prefix="chain-chat-bench-") as folder:
        known: dict[str, Any] = {"OPENAI_API_KEY": "bench", "OPENAI_BASE_URL": f"{running.url}/v1"}
        with installation(Path(folder), {**known, **variables}) as server:
            yield Site(server, running)
