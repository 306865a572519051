"""Measure pages with much on them: a session of 200 steps, 500 chains, 5,000 sessions.

    python -m bench.pages [--rounds 20] [--save FILE]

Each is fetched over HTTP from the shipped server process, beside the page of an empty session. Queries are
counted by a second server, because counting takes time.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from bench import machine, results
from bench.results import Figures
from tests.servers import Server, installation

OWNER = "alice"
STEPS, CHAINS, SESSIONS = 200, 500, 5_000
HEADER = "X-Queries"
WARM_UP = 3
FILL = """
import uuid
from datetime import timedelta
from django.utils import timezone
from chains import actions
from chains.chainfile import parse_chain_file
from chains.models import AgentStep, ChatSession, Run, StepAttempt, User
import json
owner = User.objects.get(username={owner!r})
def chain(number):
    kind = {{"model": "simulated/fast", "connection_type": "parallel"}}
    agents = [{{"name": f"Agent {{n}}", **kind}} for n in range(4)]
    file = {{"format": "chainchat/1", "name": f"Chain {{number}}", "agents": agents}}
    return actions.create_chain(owner=owner, file=parse_chain_file(json.dumps(file)))
chains = [chain(number) for number in range({chains})]
now = timezone.now()
ChatSession.objects.bulk_create(
    ChatSession(owner=owner, chain=chains[0], title=f"Session {{n}}", active_at=now - timedelta(minutes=n))
    for n in range({sessions})
)
full = actions.start_session(owner=owner, chain=chains[0])
empty = actions.start_session(owner=owner, chain=chains[0])
text = ("A paragraph of an answer with **bold** words and `code`. " * 70)[:4000]
for number in range({steps} // 4):
    run = actions.start_run(session=full, chain=chains[0], text="a message", request_id=uuid.uuid4().hex)
    for step in run.steps.all():
        StepAttempt.objects.create(
            step=step, number=1, status="completed", text=text, text_length=len(text), started_at=now,
            first_token_at=now, finished_at=now, text_sha256="0" * 64,
        )
    run.steps.update(status="completed", current_attempt=1)
    Run.objects.filter(pk=run.pk).update(
        status="completed", output=text, started_at=now, finished_at=now + timedelta(seconds=3)
    )
print(full.pk, empty.pk)
"""


@contextlib.contextmanager
def served(folder: Path, **variables: str) -> Iterator[Server]:
    """Serve an installation in a folder, which a second one may serve again."""
    with installation(folder, variables) as server:
        yield server


def fill(server: Server) -> dict[str, str]:
    """Give the owner much of everything; return the pages to fetch."""
    server.session_cookie(OWNER)
    code = FILL.format(owner=OWNER, chains=CHAINS, sessions=SESSIONS, steps=STEPS)
    done = server.manage("shell", "--no-imports", "-c", code)
    assert done.returncode == 0, done.stderr
    full, empty = done.stdout.split()
    return {
        "an empty session": f"/sessions/{empty}/",
        f"a session of {STEPS} steps": f"/sessions/{full}/",
        f"a library of {CHAINS} chains": "/chains/",
        f"a home with {SESSIONS} sessions beside it": "/",
        f"a search among {SESSIONS} sessions": "/sessions/?q=Session+4321",
    }


def fetch(client: httpx.Client, address: str, rounds: int) -> Figures:
    """Fetch a page again and again."""
    figures = Figures(address)
    for number in range(-WARM_UP, rounds):
        begun = time.perf_counter()
        response = client.get(address)
        taken = (time.perf_counter() - begun) * 1e3
        response.raise_for_status()
        if number >= 0:
            figures.add("time, ms", taken)
    figures.add("size, kB", len(response.content) / 1e3)
    if HEADER in response.headers:
        figures.add("queries", float(response.headers[HEADER]))
    return figures


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--save", help="a JSON file that gets the figures too")
    said = parser.parse_args()
    print(machine.facts())
    with tempfile.TemporaryDirectory(prefix="chain-chat-bench-") as name:
        folder = Path(name)
        with served(folder) as server, server.client_for(OWNER) as client:
            pages = fill(server)
            measured = {name: fetch(client, address, said.rounds) for name, address in pages.items()}
        with (
            served(folder, DJANGO_SETTINGS_MODULE="bench.counted") as server,
            server.client_for(OWNER) as client,
        ):
            counted = {name: fetch(client, address, 1).values["queries"] for name, address in pages.items()}
    [empty, *_] = measured.values()
    for name, figures in measured.items():
        shown = Figures(name, figures.values | {"queries": counted[name]})
        for value, least in zip(figures.values["time, ms"], empty.values["time, ms"], strict=True):
            shown.add("time / an empty session's", value / least)
        print(shown)
        results.keep(said.save, shown)


if __name__ == "__main__":
    main()
