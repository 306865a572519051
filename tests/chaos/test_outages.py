"""The database or Redis goes away in the middle of eight streams, and comes back."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.window import columns, until, wait_for_end
from tests.chaos.browsers import check_window, open_window
from tests.chaos.cast import TPS, all_of, calls_for, message
from tests.chaos.form import form
from tests.chaos.hosts import Site, site
from tests.chaos.records import Records, Snapshot
from tests.integration.authors import Agent, group
from tests.integration.visitors import RunShown, Visitor, Window
from tests.loopback import LoopbackProvider, Script
from tests.services import DurablePostgreSQL

NAMES = [agent.name for agent in group(8)]
# It hears the message, too: another run's last call is told from it.
LAST = Agent("last", "direct", {"prompt": "{{input}} after {{previous}}"})
CHAINS = {"eight": [*group(8), LAST]}
# Seconds without a database: in the long form longer than a lease.
WITHOUT_DATABASE = form(short=(0.5, 3.0), long=(12.0, 16.0))
WITHOUT_REDIS = form(short=7.0, long=30.0)
PATIENCE = 60.0
# Seconds between two readings of the rows, for windows that are told nothing.
READ_EVERY = 2.0
# The lengths of the newest run's eight answers.
LENGTHS = """() => {
  const run = [...document.querySelectorAll("section[data-run]")].at(-1);
  const answers = [...(run?.querySelectorAll("[data-answer]") ?? [])];
  return answers.slice(0, 8).map((answer) => answer.textContent.length);
}"""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def database() -> Iterator[DurablePostgreSQL]:
    with DurablePostgreSQL() as running:
        yield running


@pytest.fixture(scope="module")
def hosts(
    loopback: LoopbackProvider, database: DurablePostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("outages")
    calling: dict[str, Any] = {**loopback.environment()}
    with site(folder, database=database.url, **calling) as running:
        yield running


def plays(loopback: LoopbackProvider, seconds: float) -> int:
    """Let all eight stream for so long; return how many words each says."""
    tokens = int(seconds * TPS)
    loopback.reset()
    for name in NAMES:
        loopback.script(name, Script(tps=TPS, tokens=tokens))
    loopback.script("last", Script(tokens=3))
    return tokens


def begins(alice: Visitor, loopback: LoopbackProvider, session: int, text: str) -> RunShown:
    run = alice.sent(session, text)
    for name in NAMES:
        loopback.wait_for_first_token(name)
    return run


def ended(records: Records, run: int) -> Snapshot:
    """Wait until a run has ended."""
    deadline = time.monotonic() + PATIENCE
    while (found := records.snapshot()).runs[run].is_live:
        assert time.monotonic() < deadline, f"It never ended: {found.runs[run]}"
        time.sleep(0.2)
    return found


def check_whole(found: Snapshot, run: int, tokens: int, loopback: LoopbackProvider, text: str) -> None:
    """Each of the eight was called once, was heard to its end by the same process, and was passed on."""
    assert (found.runs[run].status, found.runs[run].epoch) == ("completed", 1)
    steps = found.steps_of(run)
    for name, step in zip(NAMES, steps, strict=False):
        [attempt] = found.attempts_of(step.id)
        assert (attempt.status, attempt.text) == ("completed", all_of(name, tokens))
    assert [len(calls_for(loopback, name, text)) for name in NAMES] == [1] * 8
    assert len(calls_for(loopback, LAST.name, text)) == 1
    assert {step.status for step in steps} == {"completed"}


def test_a_database_that_is_stopped_at_once_and_started_again_costs_no_step_and_no_call(
    hosts: Site,
    alice: Visitor,
    loopback: LoopbackProvider,
    database: DurablePostgreSQL,
    dice: random.Random,
) -> None:
    away = dice.uniform(*WITHOUT_DATABASE)
    tokens = plays(loopback, 3.0 + away)
    session = alice.opens("eight")
    processes = [process for host in hosts.all_hosts for process in (host.web, host.worker) if process]
    with Window(alice, session) as window:
        run = begins(alice, loopback, session, message(1))
        time.sleep(dice.uniform(0.0, 1.5))
        # At once, as PostgreSQL's "immediate" is: like a power cut.
        database.stop(signal.SIGQUIT)
        time.sleep(away)
        database.start()
        found = ended(Records(hosts.web), run.id)
        check_whole(found, run.id, tokens, loopback, message(1))
        window.end_of(run.id)
    shown = alice.waits(session)
    assert [alice.text_of(column) for column in shown.columns[:8]] == [all_of(name, tokens) for name in NAMES]
    # Nobody had to help: no process ended, and the next message is carried out like any other.
    assert [process.process.poll() for process in processes] == [None] * len(processes)
    assert "database" in hosts.logs()
    plays(loopback, 0.2)
    alice.sent(session, message(2))
    assert alice.waits(session).status == "completed"


def test_without_redis_streams_go_on_and_every_window_ends_with_the_stored_text(
    hosts: Site, alice: Visitor, loopback: LoopbackProvider, new_context: Callable[..., BrowserContext]
) -> None:
    redis = hosts.redis
    assert redis
    tokens = plays(loopback, 4.0 + WITHOUT_REDIS)
    session, other = alice.opens("eight"), alice.opens("eight")
    page = open_window(new_context, alice, session)
    with ExitStack() as stack:
        windows = [stack.enter_context(Window(alice, session)) for _ in range(2)]
        run = begins(alice, loopback, session, message(3))
        until(page, lambda: lengths(page) and all(lengths(page)))
        # It keeps nothing: when it comes back, nobody is subscribed and everything it knew is gone.
        redis.stop()
        growths = watch(page, WITHOUT_REDIS)
        # Slower than live, by reading the rows every two seconds.
        assert growths >= WITHOUT_REDIS / 2 - 2, f"The window stood still: it grew {growths} times"
        late = alice.sent(other, message(4))
        check_doors(hosts.web.url)
        redis.start()
        found = ended(Records(hosts.web), run.id)
        check_whole(found, run.id, tokens, loopback, message(3))
        for one in windows:
            one.end_of(run.id)
        wait_for_end(page)
        check_window(page)
    # What was sent while nobody could be told was found all the same.
    assert ended(Records(hosts.web), late.id).runs[late.id].status == "completed"
    check_live_again(alice, loopback, page, session)


def check_doors(url: str) -> None:
    """Who logs in and what programs ask is counted and judged as ever."""
    with httpx.Client(base_url=url, trust_env=False, timeout=20) as stranger:
        stranger.get("/accounts/login/")
        wrong = {"login": "alice", "password": "wrong"}
        token = {"X-CSRFToken": stranger.cookies["csrftoken"], "Referer": url}
        answers = [stranger.post("/accounts/login/", data=wrong, headers=token).text for _ in range(7)]
        assert "not correct" in answers[0]
        assert "Too many failed login attempts" in answers[-1]
        bad = {"Authorization": "Bearer wrong"}
        assert stranger.get("/v1/models", headers=bad).status_code == 401


def lengths(page: Page) -> list[int]:
    return page.evaluate(LENGTHS)


def watch(page: Page, seconds: float) -> int:
    """Look at a page for so long; return how often all of its eight answers had grown."""
    until_then = time.monotonic() + seconds
    seen, count = lengths(page), 0
    while time.monotonic() < until_then:
        page.wait_for_timeout(100)
        now = lengths(page)
        if all(new > old for new, old in zip(now, seen, strict=True)):
            seen, count = now, count + 1
    return count


def check_live_again(alice: Visitor, loopback: LoopbackProvider, page: Page, session: int) -> None:
    """Once Redis is back, text comes as it did before: more often than the rows are read."""
    plays(loopback, 8.0)
    run = begins(alice, loopback, session, message(5))
    until(page, lambda: len(columns(page)) == 18 and all(lengths(page)))
    growths, began = 0, time.monotonic()
    while growths <= 2 + (time.monotonic() - began) / READ_EVERY:
        growths += watch(page, 1.0)
        assert time.monotonic() - began < PATIENCE, f"The window only grew {growths} times"
    assert alice.waits(session, lambda shown: shown.id == run.id and shown.has_ended).status == "completed"
    wait_for_end(page)
    check_window(page)
