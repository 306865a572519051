"""The cast and the stage of every test. alice owns what a test is about, bob must see nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import hypothesis
import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone

from chains.models import (
    Agent,
    AgentStep,
    Chain,
    ChainVersion,
    DraftEdit,
    Run,
    RunAttachment,
    RunShare,
    StepAttempt,
    User,
)
from tests.environment import has_services
from tests.servers import Server, installation

# A machine that is busy with something else is no fault of the code.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_report_header() -> str:
    """Say which of the two set-ups this run is for."""
    services = "PostgreSQL, Redis and a separate chain_worker"
    return f"set-up: {services if has_services() else 'SQLite and memory, in one process'}"


@pytest.fixture
def alice(db: None) -> User:
    """A person with a password, who owns what the test is about."""
    return User.objects.create_user("alice", "alice@example.org", "correct horse battery")


@pytest.fixture
def bob(db: None) -> User:
    """Another person, to whom alice's things must not exist."""
    return User.objects.create_user("bob", "bob@example.org", "staple correct horse")


@pytest.fixture
def client_for() -> Callable[[User], Client]:
    """Give a test client that is logged in as somebody."""

    def log_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    """Let no throttle count what another test did."""
    cache.clear()


@pytest.fixture(autouse=True)
def removable_versions(request: pytest.FixtureRequest, _django_db_marker: None) -> Iterator[None]:
    """Remove published versions as their trigger permits, before a test's real transactions are flushed."""
    if "_django_db_helper" not in request.fixturenames:
        yield
        return
    # Set up before this fixture, so that it flushes after it.
    request.getfixturevalue("_django_db_helper")
    yield
    if not connection.in_atomic_block and Chain.objects.update(discarded_at=timezone.now()):
        for model in (
            RunAttachment,
            StepAttempt,
            AgentStep,
            RunShare,
            Run,
            Agent,
            DraftEdit,
            ChainVersion,
        ):
            model._base_manager.all()._raw_delete(connection.alias)


@pytest.fixture
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Start an installation of one's own, with additions to its environment; it ends with the test."""
    with ExitStack() as stack:

        def start(*, is_fresh: bool = False, **variables: str) -> Server:
            folder = tmp_path_factory.mktemp("installation")
            return stack.enter_context(installation(folder, variables, is_fresh=is_fresh))

        yield start


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One running installation that tests may share when each uses people of its own."""
    with installation(tmp_path_factory.mktemp("shared-installation"), {}) as running:
        yield running
