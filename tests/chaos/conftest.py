"""The stage of the chaos suite: a provider that counts, an installation that dies, and dice that are told."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from contextlib import closing

import pytest

from tests import environment
from tests.browser.conftest import chromium, new_context  # noqa: F401
from tests.chaos import form
from tests.chaos.cast import play_five, write_chains
from tests.chaos.hosts import Site, site
from tests.chaos.ordeal import Ordeal
from tests.chaos.records import Records, Witness
from tests.integration.visitors import Visitor
from tests.loopback import LoopbackProvider

# What needs several hosts, or a service that can be stopped, is not part of the set-up without any.
if not environment.has_services():
    collect_ignore = ["test_outages.py", "test_sleepers.py", "test_stops.py", "test_workers.py"]


def pytest_report_header() -> str:
    """Say by which seed everything is chosen."""
    return f"chaos: {form.told()}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say with each failure how to make the same choices again."""
    report = yield
    if report.failed:
        report.sections.append(("chaos", f"{form.told()} makes the same choices again."))
    return report


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """What this test chooses by chance."""
    return form.dice_for(request.node.nodeid)


@pytest.fixture(scope="module")
def loopback() -> Iterator[LoopbackProvider]:
    """Have a provider that counts calls and knows when somebody hung up."""
    with LoopbackProvider() as running:
        yield running


@pytest.fixture(scope="module")
def hosts(
    request: pytest.FixtureRequest, loopback: LoopbackProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Serve an installation for the tests of a module, with two workers if it names no other ``WORKERS``."""
    folder = tmp_path_factory.mktemp("chaos")
    with site(folder, workers=getattr(request.module, "WORKERS", 2), **loopback.environment()) as running:
        yield running


@pytest.fixture(scope="module")
def alice(request: pytest.FixtureRequest, hosts: Site, loopback: LoopbackProvider) -> Iterator[Visitor]:
    """Log the person in who has the module's ``CHAINS``."""
    visitor = Visitor(hosts.web)
    with closing(visitor.http):
        write_chains(hosts, loopback, request.module.CHAINS)
        yield visitor


@pytest.fixture
def ordeal(hosts: Site, alice: Visitor, loopback: LoopbackProvider, dice: random.Random) -> Iterator[Ordeal]:
    """Have six agents that answer at their pace, and a witness of what becomes of their runs."""
    play_five(loopback)
    with Witness(Records(hosts.web)) as witness:
        yield Ordeal(hosts, alice, loopback, witness, dice)
