"""A worker that sleeps beyond its lease and wakes up: what it writes too late changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event

import pytest

from tests.chaos.cast import TPS, all_of, message
from tests.chaos.hosts import Site, asleep
from tests.chaos.records import Records, Snapshot
from tests.integration.authors import LAST, group
from tests.integration.visitors import RunShown, Visitor, Window
from tests.loopback import LoopbackProvider, Script

NAMES = [agent.name for agent in group(4)]
CHAINS = {"again": [*group(4), LAST]}
WORKERS = 1
# The sleeper's own calls: two are over when it wakes up, two are not. Each has words that come too late.
OVER, ENDLESS = Script(tps=TPS, tokens=4 * TPS), Script(tps=TPS, tokens=60 * TPS)
# Those of its successor: the last word waits until the sleeper was seen.
TOKENS = 8 * TPS
PATIENCE = 60.0
TAKEN = "Run {run} was taken over by another process"

pytestmark = pytest.mark.timeout(240)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"In vain: {what}"
        time.sleep(0.05)


def first_attempts(snapshot: Snapshot) -> dict[tuple[int, int], object]:
    return {key: attempt for key, attempt in snapshot.attempts.items() if key[1] == 1}


def test_a_worker_that_slept_beyond_its_lease_changes_nothing_and_calls_nobody(
    hosts: Site, alice: Visitor, loopback: LoopbackProvider
) -> None:
    over, seen = Event(), Event()
    for name, script in zip(NAMES, (*[replace(OVER, ends=over)] * 2, ENDLESS, ENDLESS), strict=True):
        loopback.script(name, script)
    [sleeper] = hosts.workers
    successor = hosts.add_worker("successor")
    records = Records(hosts.web)
    session = alice.opens("again")
    with Window(alice, session):
        run = alice.sent(session, message(1))
        for name in NAMES:
            loopback.wait_for_first_token(name)
        time.sleep(1.0)
        for name in NAMES:
            loopback.script(name, Script(tps=TPS, tokens=TOKENS, ends=seen))
        assert sleeper.worker
        with asleep(sleeper.worker):
            over.set()
            hosts.begin(successor)
            wait_until(lambda: has_gone_on(records.snapshot()), "that another worker goes on")
            before = records.snapshot()
        wait_until(lambda: TAKEN.format(run=run.id) in sleeper.worker_log.read_text(), "that it notices")
        after = records.snapshot()
        check_nothing_changed(run, before, after)
        wait_until(lambda: all(is_over(loopback, name) for name in NAMES), "that the sleeper hangs up")
        seen.set()
        ended = alice.waits(session)

    assert ended.status == "completed"
    final = records.snapshot()
    assert {key: final.attempts[key] for key in first_attempts(before)} == first_attempts(before)
    for name, column in zip(NAMES, ended.columns, strict=False):
        assert (column.attempt, alice.text_of(column)) == (2, all_of(name, TOKENS))
    # One call for each attempt, and none of the sleeper's own after it woke up.
    assert [len(loopback.calls_of(name)) for name in (*NAMES, "last")] == [2, 2, 2, 2, 1]


def has_gone_on(snapshot: Snapshot) -> bool:
    """Whether the second try of all four has text that is stored."""
    seconds = [attempt for (_, number), attempt in snapshot.attempts.items() if number == 2]
    return len([attempt for attempt in seconds if attempt.text]) == len(NAMES)


def is_over(loopback: LoopbackProvider, name: str) -> bool:
    first = loopback.calls_of(name)[0]
    return first.finished or first.hung_up_at is not None


def check_nothing_changed(run: RunShown, before: Snapshot, after: Snapshot) -> None:
    """What the sleeper had begun stays as its successor closed it, and the run stays its successor's."""
    assert first_attempts(after) == first_attempts(before)
    assert (after.runs[run.id].owner, after.runs[run.id].epoch) == (before.runs[run.id].owner, 2)
    assert [step.status for step in after.steps_of(run.id)] == ["streaming"] * 4 + ["pending"]
    for key, attempt in before.attempts.items():
        # Only its successor's answers grow.
        assert after.attempts[key].text.startswith(attempt.text)
