"""What becomes of windows and hints while the database or the channel layer is away."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from channels.layers import InMemoryChannelLayer
from channels.worker import Worker
from pytest_django.fixtures import Settings

from chains.live import RUN_CHANNEL
from chains.routing import channel
from tests.integration.run_cast import until
from tests.services import free_port

pytestmark = pytest.mark.django_db(transaction=True)


async def test_redis_that_goes_away_at_the_first_hint_takes_nothing_from_the_next(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    nobody = {"hosts": [f"redis://127.0.0.1:{free_port()}"]}
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": nobody}
    }
    taken: list[int] = []
    monkeypatch.setattr("chains.runtime.current", lambda: SimpleNamespace(execute=taken.append))
    # What the worker hears had come just before: through another layer here.
    heard = InMemoryChannelLayer()
    worker = asyncio.create_task(Worker(channel, [RUN_CHANNEL], heard).handle(), name="worker")
    for run in (1, 2):
        await heard.send(RUN_CHANNEL, {"type": "run.execute", "run": run})
        await asyncio.sleep(0.05)
    with contextlib.suppress(TimeoutError):
        await until(lambda: len(taken) == 2, seconds=5)
    worker.cancel()
    assert taken == [1, 2]
