"""Sixteen runs of four columns at once, with people who look and write meanwhile: the database keeps up."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.chaos.cast import TPS, all_of
from tests.chaos.form import form
from tests.chaos.hosts import Site
from tests.integration.authors import LAST, group
from tests.integration.visitors import Visitor, Window
from tests.loopback import LoopbackProvider, Script

RUNS = 16
NAMES = [agent.name for agent in group(4)]
CHAINS = {"four": [*group(4), LAST]}
TOKENS = TPS * form(short=3, long=20)
LOCKED = "database is locked"

pytestmark = pytest.mark.timeout(240)


class Passer:
    """Somebody who looks at sessions, renames them and opens new ones, as fast as the server answers."""

    def __init__(self, alice: Visitor, sessions: list[int], dice: random.Random) -> None:
        self.alice, self.sessions, self.dice = alice, sessions, dice
        self.answers: list[tuple[int, str]] = []

    def passes(self, is_over: threading.Event) -> None:
        while not is_over.wait(self.dice.uniform(0.0, 0.1)):
            session = self.dice.choice(self.sessions)
            self.note(self.alice.http.get(f"/sessions/{session}/"))
            self.note(self.alice.posts(f"/sessions/{session}/rename", title=f"Renamed {session}"))
            self.note(self.alice.http.get("/"))
            self.alice.opens("four")

    def note(self, response: object) -> None:
        self.answers.append((response.status_code, response.text))  # type: ignore[attr-defined]


def test_sixteen_runs_of_four_columns_meet_no_locked_database(
    hosts: Site, alice: Visitor, loopback: LoopbackProvider, dice: random.Random
) -> None:
    # All of them are at work at the same moment: none gets a word before the last has asked.
    for name in NAMES:
        loopback.script(name, Script(tps=TPS, tokens=TOKENS, gather=RUNS * len(NAMES)))
    sessions = [alice.opens("four") for _ in range(RUNS)]
    passers = [Passer(alice, sessions, random.Random(dice.random())) for _ in range(3)]
    is_over = threading.Event()
    with ExitStack() as stack:
        windows = [stack.enter_context(Window(alice, session)) for session in sessions[:3]]
        threads = stack.enter_context(ThreadPoolExecutor(RUNS + len(passers)))
        stack.callback(is_over.set)
        runs = list(threads.map(alice.sent, sessions))
        passing = [threads.submit(passer.passes, is_over) for passer in passers]
        for window, run in zip(windows, runs, strict=False):
            window.end_of(run.id, within=form(short=20, long=120))
        ended = [alice.waits(session) for session in sessions]
        is_over.set()
        for one in passing:
            one.result()
    for shown in ended:
        assert (shown.status, set(shown.statuses)) == ("completed", {"completed"})
        assert [alice.text_of(column) for column in shown.columns[:4]] == [
            all_of(name, TOKENS) for name in NAMES
        ]
    answers = [answer for passer in passers for answer in passer.answers]
    assert {status for status, _ in answers} == {200}
    assert not [text for _, text in answers if LOCKED in text]
    assert LOCKED not in hosts.logs()
    assert len(loopback.calls) == RUNS * (len(NAMES) + 1)
