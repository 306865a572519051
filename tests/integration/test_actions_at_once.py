"""Requests that meet: two threads, two windows, a worker that listens while somebody sends."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.db import connection, transaction

from chains import actions
from chains.engine import lease
from chains.live import RUN_CHANNEL
from chains.models import Chain, ChatSession, LanguageModel, Run, StepAttempt, User
from tests.integration.pages_cast import model, session_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def session(alice: User) -> ChatSession:
    return session_of(alice)


def send(session: ChatSession, text: str = "Is it so?", request_id: str = "r1", **options: Any) -> Run:
    assert session.chain is not None
    return actions.start_run(
        session=session, chain=session.chain, text=text, request_id=request_id, **options
    )


def compare(owner: User, models: Sequence[LanguageModel], text: str = "Which is best?") -> Run:
    return actions.quick_compare(owner=owner, models=models, text=text, request_id="compare")


def at_once(*work: Callable[[], Any]) -> list[Any]:
    """Do these in threads of their own; an ``ActionError`` is a result too."""

    def guarded(one: Callable[[], Any]) -> Any:
        try:
            return one()
        except actions.ActionError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(guarded, work))


class TestAtTheSameMoment:
    def test_two_messages_make_one_run(self, session: ChatSession):
        results = at_once(*(lambda n=n: send(session, request_id=f"r{n}") for n in range(4)))
        assert Run.objects.count() == 1
        assert sum(isinstance(result, actions.RunInProgress) for result in results) == 3

    def test_one_message_sent_twice_makes_one_run_that_both_get(self, session: ChatSession):
        results = at_once(*[lambda: send(session, request_id="once")] * 4)
        assert results == [Run.objects.get()] * 4

    def test_one_comparison_sent_twice_makes_one_session(self, alice: User):
        models = [model("fast"), model("slow")]
        results = at_once(*[lambda: compare(alice, models)] * 3)
        assert results == [Run.objects.get()] * 3
        assert ChatSession.objects.count() == Chain.objects.count() == 1

    def test_one_demo_opened_twice_is_copied_once(self, alice: User):
        model("fast")
        results = at_once(*[lambda: actions.open_demo(owner=alice, slug="three-critics")] * 3)
        assert results == [Chain.objects.get()] * 3

    def test_a_session_can_be_deleted_while_its_run_is_being_written(self, session: ChatSession):
        run = send(session)
        held = lease.claim(run.pk, "worker")
        assert held is not None
        is_writing = threading.Event()

        def write() -> None:
            with transaction.atomic():
                lease.renew({held.run: held.epoch}, "worker")
                is_writing.set()
                # Long enough for the other thread to have read what it is going to delete.
                time.sleep(0.3)
                StepAttempt.objects.create(
                    step=run.steps.get(slug="ada"), number=1, started_at=run.created_at
                )

        def delete() -> None:
            is_writing.wait(10)
            actions.delete_session(session=session)

        at_once(write, delete)
        assert not StepAttempt.objects.exists()
        assert not Run.objects.exists()

    def test_a_deleted_session_and_a_new_message_leave_no_half_of_either(self, session: ChatSession):
        delete = lambda: actions.delete_session(session=ChatSession.objects.get(pk=session.pk))  # noqa: E731
        at_once(lambda: send(session), delete)
        assert not ChatSession.objects.exists()
        assert not Run.objects.exists()


class TestHints:
    async def test_workers_hear_of_a_run_once_it_is_committed(self, alice: User):
        session = await in_thread(session_of, alice)
        hints = await Hints.listen()
        run = await in_thread(send, session)
        assert await hints.next() == {"type": "run.execute", "run": run.pk}

    async def test_no_worker_hears_of_a_detached_run(self, alice: User):
        first, second = await in_thread(session_of, alice), await in_thread(session_of, alice)
        hints = await Hints.listen()
        await in_thread(send, first, detached=True)
        run = await in_thread(send, second)
        assert await hints.next() == {"type": "run.execute", "run": run.pk}

    async def test_workers_hear_of_a_stop(self, alice: User):
        session = await in_thread(session_of, alice)
        run = await in_thread(send, session)
        await in_thread(lease.claim, run.pk, "worker")
        hints = await Hints.listen()
        await in_thread(actions.stop_run, run=run)
        assert await hints.next() == {"type": "run.stop", "run": run.pk}


def in_thread(work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    return database_sync_to_async(work, thread_sensitive=False)(*arguments, **options)


class Hints:
    """Hears what workers hear."""

    @classmethod
    async def listen(cls) -> Hints:
        """Return when hints surely arrive: on Redis a subscription takes a moment."""
        layer, probe = get_channel_layer(), {"type": "probe", "id": uuid.uuid4().hex}
        async with asyncio.timeout(10):
            heard = None
            while heard != probe:
                receiving = asyncio.create_task(layer.receive(RUN_CHANNEL))
                while not receiving.done():
                    await layer.send(RUN_CHANNEL, probe)
                    await asyncio.wait([receiving], timeout=0.05)
                heard = receiving.result()
        return cls()

    async def next(self) -> Any:
        async with asyncio.timeout(10):
            while True:
                hint = await get_channel_layer().receive(RUN_CHANNEL)
                if hint["type"] != "probe":
                    return hint
