"""Two workers share the work up to what each may carry; one that is told to stop hands over what it has."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from chains.engine.lease import LEASE
from tests.chaos.cast import TPS, all_of, calls_for, message
from tests.chaos.hosts import Site, process_of
from tests.chaos.records import Records, Witness
from tests.integration.authors import Agent
from tests.integration.visitors import Visitor
from tests.loopback import LoopbackProvider, Script

SOLO = Agent("solo", "direct", {"prompt": "{{input}}"})
OTHER = Agent("other", "direct", {"prompt": "{{input}}"})
CHAINS = {"again": [SOLO], "short": [OTHER]}
PATIENCE = 30.0

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def no_calls_yet(loopback: LoopbackProvider) -> None:
    loopback.reset()


def begin_anew(hosts: Site, **variables: str) -> None:
    """End both workers and start them again, with additions to their environment."""
    for host in hosts.workers:
        process_of(hosts, host).end()
    for host in hosts.workers:
        hosts.begin(host, **variables)


def send_at_once(alice: Visitor, count: int, slug: str = "again") -> list[int]:
    """Send so many messages at the same moment, each in a session of its own; return the runs."""
    sessions = [alice.opens(slug) for _ in range(count)]
    with ThreadPoolExecutor(count) as threads:
        return [run.id for run in threads.map(alice.sent, sessions)]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"In vain: {what}"
        time.sleep(0.02)


def held(records: Records, runs: list[int]) -> Counter[int]:
    """Count the runs that each process carries out."""
    return Counter(run.pid for run in records.runs() if run.id in runs and run.status == "running")


def statuses(records: Records, runs: list[int]) -> Counter[str]:
    return Counter(run.status for run in records.runs() if run.id in runs)


def test_eight_runs_that_start_at_once_are_shared(
    hosts: Site, alice: Visitor, loopback: LoopbackProvider
) -> None:
    begin_anew(hosts)
    records = Records(hosts.web)
    ends = Event()
    loopback.script("solo", Script(tps=TPS, tokens=TPS, gather=8, ends=ends))
    runs = send_at_once(alice, 8)
    wait_until(lambda: statuses(records, runs)["running"] == 8, "that all eight are at work")
    share = held(records, runs)
    assert len(share) == 2, f"one process has them all: {share}"
    ends.set()
    wait_until(lambda: statuses(records, runs)["completed"] == 8, "that all eight end")
    assert len(loopback.calls_of("solo")) == 8


def test_a_worker_that_is_full_takes_no_more_and_what_waits_starts_as_places_get_free(
    hosts: Site, alice: Visitor, loopback: LoopbackProvider
) -> None:
    begin_anew(hosts, RUNS_PER_WORKER="2")
    records = Records(hosts.web)
    loopback.script("solo", Script(tps=TPS, tokens=60 * TPS))
    with Witness(records) as witness:
        runs = send_at_once(alice, 6)
        wait_until(lambda: statuses(records, runs)["running"] == 4, "that both are full")
        loopback.wait_for_calls(4, "solo")
        # Nobody takes a fifth one, however often it looks.
        time.sleep(3.0)
        assert statuses(records, runs) == {"running": 4, "queued": 2}
        assert sorted(held(records, runs).values()) == [2, 2]
        assert len(loopback.calls_of("solo")) == 4
        at_work = [run.id for run in records.runs() if run.id in runs and run.status == "running"]
        for count, run in enumerate(at_work[:2], start=5):
            alice.posts(f"/runs/{run}/stop")
            loopback.wait_for_calls(count, "solo")
        assert statuses(records, runs) == {"running": 4, "cancelled": 2}
        for run in runs:
            alice.posts(f"/runs/{run}/stop")
        wait_until(lambda: statuses(records, runs)["cancelled"] == 6, "that all six end")
    assert most_at_once(witness, runs) == 2
    begin_anew(hosts)


def most_at_once(witness: Witness, runs: list[int]) -> int:
    """Return how many of these runs a process was ever seen to carry out at the same moment."""
    sights = sorted((sight.at, run, sight.row) for run in runs for sight in witness.seen[run])
    now: dict[int, int] = {}
    most = 0
    for _, run, row in sights:
        now[run] = row.pid if row.status == "running" else 0
        most = max(most, *Counter(pid for pid in now.values() if pid).values(), 0)
    return most


def test_a_run_whose_worker_died_goes_on_at_the_other_within_fifteen_seconds(
    hosts: Site, alice: Visitor, loopback: LoopbackProvider
) -> None:
    begin_anew(hosts)
    records = Records(hosts.web)
    loopback.script("solo", Script(tps=TPS, tokens=60 * TPS))
    run = alice.sent(alice.opens("again"), message(3)).id
    loopback.wait_for_first_token("solo")
    [holder] = held(records, [run])
    loopback.script("solo", Script(tps=TPS, tokens=TPS))
    [victim] = [host for host in hosts.workers if process_of(hosts, host).process.pid == holder]
    died = time.monotonic()
    process_of(hosts, victim).end(signal.SIGKILL)
    wait_until(lambda: len(loopback.calls_of("solo")) == 2, "that the other one calls")
    assert loopback.calls_of("solo")[1].arrived - died <= 15.0
    wait_until(lambda: statuses(records, [run])["completed"] == 1, "that it ends")
    hosts.begin(victim)


def test_a_worker_told_to_stop_ends_what_is_short_and_hands_over_what_is_long_at_once(
    hosts: Site, alice: Visitor, loopback: LoopbackProvider
) -> None:
    first, second = hosts.workers
    for host in hosts.workers:
        process_of(hosts, host).end()
    hosts.begin(first, WORKER_GRACE="3")
    records = Records(hosts.web)
    loopback.script("other", Script(tps=TPS, tokens=TPS))
    loopback.script("solo", Script(tps=TPS, tokens=60 * TPS))
    long, short = alice.opens("again"), alice.opens("short")
    long_run = alice.sent(long, message(1))
    short_run = alice.sent(short, message(2))
    for name in ("solo", "other"):
        loopback.wait_for_first_token(name)
    hosts.begin(second)
    leaving = process_of(hosts, first)
    loopback.script("solo", Script(tps=TPS, tokens=TPS))
    assert leaving.end(signal.SIGTERM) == 0
    # The provider notices a moment after the process is gone.
    wait_until(lambda: calls_for(loopback, "solo", message(1))[0].hung_up_at is not None, "that it hangs up")
    hung_up = calls_for(loopback, "solo", message(1))[0].hung_up_at
    assert hung_up
    loopback.wait_for_calls(2, "solo")
    again = calls_for(loopback, "solo", message(1))[1]
    # Told by a hint, not found when a lease lapses.
    assert again.arrived - hung_up < LEASE.total_seconds() / 2
    ended = alice.waits(long)
    assert (ended.id, ended.status) == (long_run.id, "completed")
    assert alice.text_of(ended.columns[0]) == all_of("solo", TPS)
    final = records.snapshot()
    assert [(final.runs[run].status, final.runs[run].epoch) for run in (short_run.id, long_run.id)] == [
        ("completed", 1),
        ("completed", 2),
    ]
    # The short one was heard to its end by the one who was leaving.
    [call] = loopback.calls_of("other")
    assert call.finished
    hosts.begin(first)
