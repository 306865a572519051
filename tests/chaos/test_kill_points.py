"""``kill -9`` at every named point of the engine: nothing that was finished is lost or paid for twice."""

from __future__ import annotations

import contextlib
from threading import Event

import pytest

from chains.engine.killpoints import POINTS
from tests.chaos.cast import FIVE, LAST, TOKENS, TPS
from tests.chaos.form import form
from tests.chaos.hosts import asleep, process_of
from tests.chaos.ordeal import Ordeal
from tests.loopback import Script

CHAINS = {"waits": FIVE, "again": FIVE}
# How often a single run of six agents comes to each point at least.
PASSES = {"claim": 1, "start": 3, "token": 180, "before-commit": 4, "after-commit": 4, "broadcast": 20}
TIMES = form(short=1, long=5)

pytestmark = pytest.mark.timeout(form(short=240, long=900))


def test_a_death_at_every_named_point_loses_nothing(ordeal: Ordeal) -> None:
    hosts, dice = ordeal.hosts, ordeal.dice
    *others, mortal = hosts.runners
    process_of(hosts, mortal).end()
    gone = Event()
    ordeal.provider.script(LAST.name, Script(tps=TPS, tokens=TOKENS[LAST.name], ends=gone))
    for point in dice.sample(POINTS * TIMES, len(POINTS) * TIMES):
        kill_at = f"{point}:{dice.randint(1, PASSES[point])}"
        ordeal.arms(mortal, kill_at)
        # Its run goes on, if only by signs of life, until it has come to its point.
        gone.clear()
        with contextlib.ExitStack() as sleepers:
            # Whoever else could take the run does not hear of it before its process is dead.
            for other in others:
                sleepers.enter_context(asleep(process_of(hosts, other)))
            ordeal.tries_to_send()
            ordeal.note(kill_at, [process_of(hosts, mortal)])
        gone.set()
    hosts.begin(mortal)
    ordeal.sends_again()
    ordeal.check()
