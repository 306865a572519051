"""The loopback provider as pytest fixtures: ``pytest_plugins = ["tests.loopback.fixtures"]``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from chains.providers import http
from tests.loopback.server import LoopbackProvider


@pytest.fixture(scope="session")
def loopback_server() -> Iterator[LoopbackProvider]:
    """One server for all tests; use ``loopback``, which forgets what other tests did."""
    with LoopbackProvider() as server:
        yield server


@pytest.fixture
def loopback(loopback_server: LoopbackProvider) -> LoopbackProvider:
    """Give the loopback provider without scripts and calls."""
    loopback_server.reset()
    return loopback_server


@pytest.fixture
async def http_client() -> AsyncIterator[None]:
    """Close the shared client with the test's event loop."""
    yield
    await http.aclose()
