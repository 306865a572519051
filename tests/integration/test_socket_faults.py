"""What becomes of windows and hints while the database or the channel layer is away."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from channels.worker import Worker
from django.db import OperationalError
from django.db.backends.signals import connection_created
from pytest_django.fixtures import Settings

from chains import frames
from chains.consumers import SessionConsumer, sockets
from chains.live import RUN_CHANNEL
from chains.models import User
from chains.routing import channel
from chains.viewer import Change
from tests.integration.answer_cast import Answering
from tests.integration.run_cast import finished_run, in_db, until
from tests.integration.test_consumers import OpenWindow, Window, answer, routed, watching, window_of
from tests.services import free_port

__all__ = ["answer", "window_of"]

pytestmark = pytest.mark.django_db(transaction=True)

SESSION = 'FROM "chains_chatsession"'


class Persistent(SessionConsumer):
    """Waits only a moment before it draws again what it could not."""

    paint_again_s = 0.05


class Patient(SessionConsumer):
    """Waits for long before it draws again what it could not."""

    paint_again_s = 60.0


class Outage:
    """Lets statements with certain words fail on every connection, as an absent database does."""

    def __init__(self) -> None:
        self.words, self.left, self.failed_at = "", 0, list[float]()
        self.fault: type[Exception] = OperationalError

    def connected(self, sender: object, connection: Any, **others: object) -> None:
        if self not in connection.execute_wrappers:
            connection.execute_wrappers.append(self)

    def __call__(self, execute: Callable[..., Any], sql: str, *how: Any) -> Any:
        if self.left and self.words in sql:
            self.left -= 1
            self.failed_at.append(time.monotonic())
            raise self.fault("the database went away")
        return execute(sql, *how)

    def begin(self, words: str, times: int, fault: type[Exception] = OperationalError) -> None:
        self.words, self.left, self.fault = words, times, fault

    @property
    def failures(self) -> int:
        return len(self.failed_at)


@pytest.fixture
def outage() -> Iterator[Outage]:
    outage = Outage()
    connection_created.connect(outage.connected)
    yield outage
    connection_created.disconnect(outage.connected)
    outage.left = 0


def is_painting() -> bool:
    return any(task.get_name() == "socket-paint" for task in asyncio.all_tasks())


async def settled(window_of: OpenWindow, alice: User, answer: Answering, app: Any) -> Window:
    """Have alice watch an answer on a page for which nothing is left to draw."""
    window = await watching(window_of, alice, answer, app=app)
    await until(lambda: not is_painting())
    return window


async def ends(answer: Answering, text: str) -> None:
    """Let an answer end, and its run with it."""
    await answer.store_end(text)
    await answer.end_run()
    await answer.send(answer.text(0, text), answer.end(text), ["run", answer.run.pk, "completed"])


class TestAWindow:
    async def test_is_shown_in_the_end_what_could_not_be_drawn_at_first(
        self, alice: User, answer: Answering, window_of: OpenWindow, outage: Outage
    ):
        window = await settled(window_of, alice, answer, routed(Persistent))
        outage.begin(SESSION, 3)
        await ends(answer, "Hello")
        drawn: dict[str, str] = {}
        while len(drawn) < 3:
            drawn |= (await window.hear("html"))["html"]
        step = answer.step.pk
        assert set(drawn) == {f"step-{step}-head", f"step-{step}-foot", f"run-{answer.run.pk}-summary"}
        assert "Completed" in drawn[f"step-{step}-head"]
        assert outage.failures == 3
        pauses = [
            later - earlier for earlier, later in zip(outage.failed_at, outage.failed_at[1:], strict=False)
        ]
        assert min(pauses) >= Persistent.paint_again_s

    async def test_is_not_kept_from_the_rest_by_a_part_that_is_at_fault_itself(
        self,
        alice: User,
        answer: Answering,
        window_of: OpenWindow,
        outage: Outage,
        caplog: pytest.LogCaptureFixture,
    ):
        window = await settled(window_of, alice, answer, routed(Persistent))
        outage.begin(SESSION, 1, fault=ValueError)
        await answer.send(["decided", answer.run.pk])
        await until(lambda: "could not be rendered" in caplog.text)
        await asyncio.sleep(Persistent.paint_again_s * 3)
        assert outage.failures == 1
        await ends(answer, "Hello")
        assert (await window.hear("html"))["html"]

    async def test_that_goes_while_something_cannot_be_drawn_goes_at_once(
        self, alice: User, answer: Answering, window_of: OpenWindow, outage: Outage
    ):
        window = await settled(window_of, alice, answer, routed(Patient))
        outage.begin(SESSION, 1)
        await ends(answer, "Hello")
        await until(lambda: outage.failures)
        async with asyncio.timeout(5):
            await window.socket.disconnect()
        await until(lambda: not is_painting())
        assert not sockets


class TestAPage:
    async def test_does_not_count_as_shown_what_was_never_sent(self, answer: Answering, outage: Outage):
        lacking = await in_db(finished_run, answer.session, "later", "later")
        page = frames.Page(runs={answer.run.pk: "queued"}, steps={answer.step.pk: "running"})
        # The rows say that one run began and another is new; what the new one looks like cannot be read.
        outage.begin('FROM "chains_runattachment"', 1)
        with pytest.raises(OperationalError):
            await in_db(frames.render, answer.session.pk, frames.Todo(look=True), page)
        assert page.runs == {answer.run.pk: "queued"}
        shown = await in_db(frames.render, answer.session.pk, frames.Todo(look=True), page)
        assert shown["runs"] == [{"run": answer.run.pk, "status": "running"}]
        assert [band["run"] for band in shown["bands"]] == [lacking.pk]
        assert page.runs == {answer.run.pk: "running", lacking.pk: "completed"}

    async def test_is_drawn_while_more_comes(self, answer: Answering):
        many = dict.fromkeys(range(-20_000, 0), "completed")
        page = frames.Page(runs={answer.run.pk: "running"}, steps=many)

        def draw() -> None:
            for _ in range(80):
                frames.render(answer.session.pk, frames.Todo(look=True), page)

        drawing = asyncio.ensure_future(in_db(draw))
        step = answer.step.pk
        while not drawing.done():
            step += 1
            frames.from_change(Change(steps=[(answer.run.pk, step, 1, "completed")]), page)
            await asyncio.sleep(0)
        await drawing


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
