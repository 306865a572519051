"""``kill -9`` at random moments: nothing that was finished is lost or paid for twice."""

from __future__ import annotations

import time

import pytest

from tests.chaos.cast import FIVE, LASTS
from tests.chaos.form import ROUNDS
from tests.chaos.ordeal import Ordeal

CHAINS = {"waits": FIVE, "again": FIVE}
RUNS_A_ROUND = 3

pytestmark = pytest.mark.timeout(180 + 30 * ROUNDS)


def test_whatever_is_killed_at_random_moments_no_finished_step_is_lost_or_called_twice(
    ordeal: Ordeal,
) -> None:
    hosts, dice = ordeal.hosts, ordeal.dice
    for number in range(ROUNDS):
        sessions = [ordeal.opens() for _ in range(RUNS_A_ROUND)]
        until = time.monotonic() + dice.uniform(0.1, 1.2 * LASTS)
        pauses = [dice.uniform(0.0, LASTS / RUNS_A_ROUND) for _ in sessions]
        for session, pause in zip(sessions, pauses, strict=True):
            ordeal.sends(session)
            time.sleep(max(0.0, min(pause, until - time.monotonic())))
        time.sleep(max(0.0, until - time.monotonic()))
        victims = dice.sample(hosts.all_hosts, dice.randint(1, len(hosts.all_hosts)))
        names = ", ".join(host.folder.name for host in victims)
        ordeal.die(f"round {number + 1}, {names} killed", victims)
        for host in victims:
            hosts.begin(host)
        ordeal.sends_again()
    ordeal.check()
