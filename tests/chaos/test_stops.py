"""A stop from another device, through another web process, reaches the worker that carries the run out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.chaos.cast import TPS
from tests.chaos.hosts import Site, site
from tests.chaos.proxy import Proxy
from tests.integration.authors import LAST, group
from tests.integration.visitors import RunShown, Visitor
from tests.loopback import LoopbackProvider, Script
from tests.servers import Server

NAMES = [agent.name for agent in group(4)]
CHAINS = {"four": [*group(4), LAST]}
# Promised in seconds, from the click to the hang-up as the provider sees it.
WITHIN = 1.0

pytestmark = [pytest.mark.timeout(120), pytest.mark.alone]


@pytest.fixture(scope="module")
def line() -> Iterator[Proxy]:
    """The line between the worker and Redis."""
    with Proxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def hosts(
    loopback: LoopbackProvider, tmp_path_factory: pytest.TempPathFactory, line: Proxy
) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("stops"), workers=0, **loopback.environment()) as running:
        worker = running.add_worker("worker")
        worker.environment["REDIS_URL"] = line.in_front_of(worker.environment["REDIS_URL"])
        running.begin(worker)
        yield running


@pytest.fixture(scope="module")
def elsewhere(hosts: Site) -> Iterator[Server]:
    """Another web process of the same installation."""
    other = hosts.another_host("other-web")
    try:
        other.start_web()
        yield other
    finally:
        other.stop()


@pytest.fixture(scope="module")
def alice_elsewhere(alice: Visitor, elsewhere: Server) -> Iterator[Visitor]:
    visitor = Visitor(elsewhere)
    with closing(visitor.http):
        yield visitor


@pytest.fixture
def streaming(alice: Visitor, loopback: LoopbackProvider) -> RunShown:
    """Have a run whose four columns stream for longer than anybody waits."""
    loopback.reset()
    for name in NAMES:
        loopback.script(name, Script(tps=TPS, tokens=60 * TPS))
    run = alice.starts("four")
    for name in NAMES:
        loopback.wait_for_first_token(name)
    return run


def hang_up_of(loopback: LoopbackProvider, name: str) -> float:
    moment = loopback.wait_for_hang_up(name).hung_up_at
    assert moment is not None
    return moment


def test_a_column_and_then_the_run_are_stopped_upstream_within_a_second(
    alice_elsewhere: Visitor, loopback: LoopbackProvider, streaming: RunShown
) -> None:
    asked = time.monotonic()
    alice_elsewhere.posts(f"/steps/{streaming.columns[0].step}/stop")
    assert hang_up_of(loopback, NAMES[0]) - asked <= WITHIN
    assert [loopback.calls_of(name)[0].hung_up_at for name in NAMES[1:]] == [None] * 3
    asked = time.monotonic()
    alice_elsewhere.posts(f"/runs/{streaming.id}/stop")
    for name in NAMES[1:]:
        assert hang_up_of(loopback, name) - asked <= WITHIN


def test_so_is_a_run_whose_worker_hears_nothing_by_redis(
    alice_elsewhere: Visitor, loopback: LoopbackProvider, streaming: RunShown, line: Proxy
) -> None:
    line.hold()
    try:
        with ThreadPoolExecutor(1) as thread:
            asked = time.monotonic()
            thread.submit(alice_elsewhere.posts, f"/runs/{streaming.id}/stop")
            for name in NAMES:
                assert hang_up_of(loopback, name) - asked <= WITHIN
    finally:
        line.mend()
