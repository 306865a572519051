"""A process that carries out runs: what it takes, keeps, stops, gives back and loses."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import orjson
import pytest
import pytest_asyncio
from channels.layers import get_channel_layer
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.backends.signals import connection_created
from django.db.models import F
from django.utils import timezone

from chains.engine import lease
from chains.engine.events import Event, RunEnded
from chains.engine.journal import TICK_S
from chains.engine.lease import LeaseLost
from chains.engine.takeover import DIED
from chains.live import session_group
from chains.models import AgentStep, ChatSession, Provider, Run, StepAttempt, User
from chains.providers.base import ChatRequest, Completion, Sink, TextChunk
from chains.runtime import INTERNAL_ERROR, SWEEP_S, Runtime
from tests.integration.run_cast import (
    Agent,
    ScriptedProvider,
    in_db,
    make_run,
    make_session,
    model_of,
    scripted,
    statuses,
    texts,
    until,
)
from tests.unit.engine_cast import hangs, says

pytestmark = pytest.mark.django_db(transaction=True)

Host = Callable[..., Any]


@pytest_asyncio.fixture
async def host() -> AsyncIterator[Host]:
    """Start processes' runtimes; each is drained at the end."""
    hosted: list[Runtime] = []

    async def start(provider: ScriptedProvider) -> Runtime:
        runtime = Runtime(open_provider=lambda endpoint: provider)
        hosted.append(runtime)
        await runtime.start()
        return runtime

    yield start
    for runtime in hosted:
        await runtime.drain()
    # The PubSub layer keeps a connection for each loop.
    if hasattr(get_channel_layer(), "flush"):
        await get_channel_layer().flush()


@pytest.fixture
def session(alice: User) -> ChatSession:
    return make_session(alice)


async def is_in(run: Run, status: str) -> bool:
    return bool(await in_db(lambda: Run.objects.filter(pk=run.pk, status=status).exists()))


async def ended(run: Run) -> Run:
    """Wait until a run has ended and return it anew."""
    await until(lambda: in_db(lambda: not Run.objects.live().filter(pk=run.pk).exists()), seconds=20)
    return await in_db(lambda: Run.objects.get(pk=run.pk))


def attempt_of(run: Run, slug: str) -> StepAttempt:
    return StepAttempt.objects.get(step__run=run, step__slug=slug)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


GROUP = (
    Agent("seed", says("one ", "two")),
    Agent("b", says("from ", "b", each=0.01), "parallel", prompt="{{previous}}"),
    Agent("c", says("from ", "c", each=0.01), "parallel"),
    Agent("last", says("the end"), prompt="{{previous}}"),
)


class TestARun:
    async def test_every_text_status_and_time_is_in_the_database(self, session: ChatSession, host: Host):
        run = await in_db(make_run, session, *GROUP)
        provider = scripted(*GROUP)
        (await host(provider)).execute(run.pk)
        run = await ended(run)
        assert (run.status, run.output, run.lease_owner) == ("completed", "the end", "")
        times: list[Any] = [run.created_at, run.started_at, run.finished_at]
        assert times == sorted(times)
        assert await in_db(texts, run) == {"seed": "one two", "b": "from b", "c": "from c", "last": "the end"}
        assert set((await in_db(statuses, run)).values()) == {"completed"}
        b, c = await in_db(attempt_of, run, "b"), await in_db(attempt_of, run, "c")
        assert b.started_at == c.started_at <= b.first_token_at <= b.finished_at
        assert (b.text_length, b.text_sha256) == (6, digest("from b"))
        assert "from b" in provider.prompts("last")[0]

    async def test_the_shipped_simulated_provider_carries_one_out(self, session: ChatSession):
        agents = [Agent("fast", says(), "parallel"), Agent("also", says(), "parallel")]
        run = await in_db(make_run, session, *agents)
        await in_db(lambda: Provider.objects.update(slug="simulated"))
        fast = await in_db(model_of_simulated)
        await in_db(lambda: AgentStep.objects.filter(run=run).update(model=fast, max_output_tokens=30))
        runtime = Runtime()
        await runtime.start()
        try:
            assert (await ended(run)).status == "completed"
        finally:
            await runtime.drain()
        assert all(len(text) > 20 for text in (await in_db(texts, run)).values())

    async def test_a_follow_up_knows_the_turn_before(self, session: ChatSession, host: Host):
        agent = Agent("a", says("an answer"))
        provider = scripted(agent)
        runtime = await host(provider)
        for message in ("first", "second"):
            run = await in_db(lambda message=message: make_run(session, agent, message=message))
            runtime.execute(run.pk)
            await ended(run)
        sent = [(message.role, message.content) for message in provider.requests[1].messages]
        assert sent[:2] == [("user", "first"), ("assistant", "an answer")]
        assert "second" in sent[2][1]

    async def test_the_sessions_group_hears_it_from_start_to_end(self, session: ChatSession, host: Host):
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(session_group(session.pk), channel)
        run = await in_db(make_run, session, Agent("a", says("words")))
        (await host(scripted(Agent("a", says("words"))))).execute(run.pk)
        heard: list[list[Any]] = []
        async with asyncio.timeout(10):
            while ["run", run.pk, "completed"] not in heard:
                heard += orjson.loads((await layer.receive(channel))["data"])
        assert heard[0] == ["run", run.pk, "running"]
        assert "words" in [notice[-1] for notice in heard if notice[0] == "text"]
        await layer.group_discard(session_group(session.pk), channel)

    async def test_a_session_has_one_live_run(self, session: ChatSession):
        await in_db(make_run, session, Agent("a", says()))
        with pytest.raises(IntegrityError):
            await in_db(make_run, session, Agent("a", says()))

    async def test_a_fault_of_our_own_ends_the_run_as_failed_and_frees_the_session(
        self, session: ChatSession, host: Host
    ):
        broken = Agent("b", says("never"), "conditional", condition="no rule at all")
        run = await in_db(make_run, session, Agent("a", says("first")), broken)
        (await host(scripted(Agent("a", says("first")), broken))).execute(run.pk)
        run = await ended(run)
        assert (run.status, run.error) == ("failed", INTERNAL_ERROR)
        assert await in_db(statuses, run) == {"a": "completed", "b": "skipped"}
        await in_db(make_run, session, Agent("a", says()))


def model_of_simulated() -> Any:
    return model_of("fast", input_price=0, output_price=0)


class TestWork:
    async def test_what_waits_is_found_at_the_start_and_by_the_sweep(self, alice: User, host: Host):
        agent = Agent("a", says("found"))
        early = await in_db(lambda: make_run(make_session(alice), agent))
        await host(scripted(agent))
        assert (await ended(early)).status == "completed"
        late = await in_db(lambda: make_run(make_session(alice), agent))
        await until(lambda: is_in(late, "completed"), seconds=SWEEP_S * 3)

    async def test_many_hints_are_one_execution(self, session: ChatSession, host: Host):
        agent = Agent("a", says("once", each=0.01))
        provider = scripted(agent)
        runtime = await host(provider)
        run = await in_db(make_run, session, agent)
        for _ in range(5):
            runtime.execute(run.pk)
            await asyncio.sleep(0.005)
        await ended(run)
        assert len(provider.requests) == 1

    async def test_of_two_processes_that_race_exactly_one_executes(self, alice: User, host: Host):
        agent = Agent("a", says("once", each=0.005))
        provider = scripted(agent)
        runtimes = [await host(provider), await host(provider)]
        runs = [await in_db(lambda: make_run(make_session(alice), agent)) for _ in range(10)]
        for run in runs:
            for runtime in runtimes:
                runtime.execute(run.pk)
        for run in runs:
            assert (await ended(run)).status == "completed"
        assert len(provider.requests) == len(runs)
        assert {run.epoch for run in [await ended(run) for run in runs]} == {1}

    async def test_a_commands_run_is_carried_out_by_the_command_alone(self, session: ChatSession, host: Host):
        agent = Agent("a", says("mine"))
        elsewhere = scripted(agent)
        (await host(elsewhere)).execute(0)
        command = Runtime(open_provider=lambda endpoint: scripted(agent))

        def start() -> Run:
            with transaction.atomic():
                run = make_run(session, agent, is_detached=True)
                lease.reserve(run.pk, command.owner)
                return run

        run = await in_db(start)
        await asyncio.sleep(SWEEP_S * 1.2)
        assert elsewhere.requests == []
        events: list[Event] = []
        await command.run_detached(run.pk, events.append)
        assert (await ended(run)).status == "completed"
        assert isinstance(events[-1], RunEnded)
        with pytest.raises(LeaseLost):
            await Runtime().run_detached(run.pk, events.append)

    async def test_a_command_that_is_cut_off_keeps_its_text_and_the_next_start_interrupts_its_run(
        self, session: ChatSession, host: Host
    ):
        agent = Agent("a", hangs("half"))
        provider = scripted(agent)
        run = await in_db(lambda: make_run(session, agent, is_detached=True))
        command = Runtime(open_provider=lambda endpoint: provider)
        working = asyncio.create_task(command.run_detached(run.pk, lambda event: None))
        await until(lambda: provider.live == 1)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await host(scripted())
        assert (await ended(run)).status == "interrupted"
        assert await in_db(texts, run) == {"a": "half"}


def flag_run(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(stop_requested_at=timezone.now(), stop_signals=F("stop_signals") + 1)


def flag_step(run: Run, slug: str) -> None:
    Run.objects.filter(pk=run.pk).update(stop_signals=F("stop_signals") + 1)
    AgentStep.objects.filter(run=run, slug=slug).update(stop_requested_at=timezone.now())


class TestStop:
    async def test_a_flag_in_the_database_is_obeyed_by_the_next_tick_without_any_hint(
        self, session: ChatSession, host: Host, monkeypatch: pytest.MonkeyPatch
    ):
        agents = [
            Agent("b", hangs("half"), "parallel"),
            Agent("c", hangs(), "parallel"),
            Agent("d", says("never")),
        ]
        renewals: list[int] = []
        read_at: list[int] = []
        renew, stop_flags = lease.renew, lease.stop_flags

        def counted(leases: Mapping[int, int], owner: str) -> dict[int, int]:
            renewals.append(len(leases))
            return renew(leases, owner)

        def noted(run_id: int) -> lease.StopFlags:
            read_at.append(len(renewals))
            return stop_flags(run_id)

        monkeypatch.setattr(lease, "renew", counted)
        monkeypatch.setattr(lease, "stop_flags", noted)
        run = await in_db(make_run, session, *agents)
        provider = scripted(*agents)
        (await host(provider)).execute(run.pk)
        await until(lambda: provider.live == 2)
        await in_db(flag_run, run)
        before = len(renewals)
        await until(lambda: provider.live == 0)
        # One may have been under way already: the next one brings the flag.
        assert read_at[0] - before <= 2
        run = await ended(run)
        assert run.status == "cancelled"
        assert await in_db(statuses, run) == {"b": "cancelled", "c": "cancelled", "d": "skipped"}
        attempt = await in_db(attempt_of, run, "b")
        assert (attempt.text, attempt.text_sha256) == ("half", digest("half"))
        assert run.stop_requested_at <= attempt.stop_seen_at <= attempt.upstream_closed_at

    async def test_a_hint_needs_no_tick(
        self, session: ChatSession, host: Host, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("chains.engine.journal.TICK_S", 3600.0)
        agent = Agent("a", hangs("half"))
        run = await in_db(make_run, session, agent)
        provider = scripted(agent)
        runtime = await host(provider)
        runtime.execute(run.pk)
        await until(lambda: provider.live == 1)
        await in_db(flag_run, run)
        runtime.look_for_stops(run.pk)
        await until(lambda: provider.live == 0)

    async def test_one_column_stops_and_the_others_go_on(self, session: ChatSession, host: Host):
        agents = [
            Agent("b", hangs("half"), "parallel"),
            Agent("c", says(*"slow text", each=0.15), "parallel"),
            Agent("d", says("the end"), prompt="{{previous}}"),
        ]
        run = await in_db(make_run, session, *agents)
        provider = scripted(*agents)
        (await host(provider)).execute(run.pk)
        await until(lambda: provider.live == 2)
        await in_db(flag_step, run, "b")
        assert (await ended(run)).status == "completed"
        assert await in_db(statuses, run) == {"b": "cancelled", "c": "completed", "d": "completed"}
        assert "slow text" in provider.prompts("d")[0]
        assert "STOPPED" in provider.prompts("d")[0]

    async def test_a_run_that_was_stopped_before_it_was_taken_makes_few_calls_and_ends(
        self, session: ChatSession, host: Host
    ):
        agents = [Agent("a", hangs()), Agent("b", says("never"))]
        run = await in_db(make_run, session, *agents)
        await in_db(flag_run, run)
        provider = scripted(*agents)
        (await host(provider)).execute(run.pk)
        assert (await ended(run)).status == "cancelled"
        assert provider.prompts("b") == []
        assert provider.live == 0


class TestShutdown:
    async def test_a_drain_keeps_all_text_gives_the_lease_back_and_the_next_start_interrupts(
        self, session: ChatSession, host: Host
    ):
        letters: list[str] = []

        async def dictates(request: ChatRequest, sink: Sink) -> Completion:
            while True:
                letters.append("x")
                sink(TextChunk("x"))
                await asyncio.sleep(0.001)

        agents = [Agent("a", dictates), Agent("b", says("never"))]
        run = await in_db(make_run, session, *agents)
        provider = scripted(*agents)
        runtime = await host(provider)
        runtime.execute(run.pk)
        await until(lambda: len(letters) > 50)
        await runtime.drain()
        assert provider.live == 0
        row = await in_db(lambda: Run.objects.get(pk=run.pk))
        assert (row.status, row.lease_owner) == ("running", "")
        assert row.lease_expires_at <= timezone.now()
        assert (await in_db(texts, run))["a"] == "".join(letters)
        await host(scripted())
        run = await ended(run)
        assert (run.status, run.error) == ("interrupted", f"A (test/a): {DIED}")
        assert await in_db(statuses, run) == {"a": "interrupted", "b": "skipped"}
        attempt = await in_db(attempt_of, run, "a")
        assert (attempt.text, attempt.text_sha256) == ("".join(letters), digest("".join(letters)))

    async def test_a_run_that_is_just_being_taken_is_given_back_too(
        self, session: ChatSession, host: Host, monkeypatch: pytest.MonkeyPatch
    ):
        begun, goes_on = threading.Event(), threading.Event()

        def claims_slowly(run_id: int, owner: str) -> lease.Lease | None:
            begun.set()
            assert goes_on.wait(10)
            return claim(run_id, owner)

        claim = lease.claim
        monkeypatch.setattr(lease, "claim", claims_slowly)
        agent = Agent("a", hangs("half"))
        run = await in_db(make_run, session, agent)
        provider = scripted(agent)
        runtime = await host(provider)
        runtime.execute(run.pk)
        await until(begun.is_set)
        drained = asyncio.create_task(runtime.drain())
        await asyncio.sleep(0)
        goes_on.set()
        await drained
        row = await in_db(lambda: Run.objects.get(pk=run.pk))
        assert (row.status, row.lease_owner, row.epoch) == ("running", "", 1)
        assert row.lease_expires_at <= timezone.now()
        assert provider.requests == []

    async def test_a_run_whose_turn_to_be_taken_had_not_come_keeps_waiting(
        self, session: ChatSession, host: Host
    ):
        begun, goes_on = threading.Event(), threading.Event()

        def is_busy() -> None:
            begun.set()
            assert goes_on.wait(10)

        agent = Agent("a", hangs("half"))
        runtime = await host(scripted(agent))
        run = await in_db(make_run, session, agent)
        busy = asyncio.create_task(runtime._journal.call(is_busy))
        await until(begun.is_set)
        runtime.execute(run.pk)
        await asyncio.sleep(0)
        drained = asyncio.create_task(runtime.drain())
        await until(lambda: f"run-{run.pk}" not in {task.get_name() for task in asyncio.all_tasks()})
        goes_on.set()
        await asyncio.gather(busy, drained)
        row = await in_db(lambda: Run.objects.get(pk=run.pk))
        assert (row.status, row.lease_owner, row.lease_expires_at, row.epoch) == ("queued", "", None, 0)

    async def test_nothing_of_it_is_left_running_and_nothing_new_is_taken(
        self, session: ChatSession, host: Host
    ):
        before = asyncio.all_tasks()
        agent = Agent("a", hangs("half"))
        run = await in_db(make_run, session, agent)
        provider = scripted(agent)
        runtime = await host(provider)
        runtime.execute(run.pk)
        await until(lambda: provider.live == 1)
        await runtime.drain()
        runtime.execute(run.pk)
        left = {task.get_name() for task in asyncio.all_tasks() - before}
        assert not [name for name in left if name.startswith(("run-", "journal", "sweep", "live-"))]
        assert provider.requests[1:] == []
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("journal")]


class TestLostLease:
    async def test_late_writes_change_nothing_and_the_task_ends_quietly(
        self, session: ChatSession, host: Host, caplog: pytest.LogCaptureFixture
    ):
        agents = [Agent("b", hangs("half"), "parallel"), Agent("c", hangs("half"), "parallel")]
        run = await in_db(make_run, session, *agents)
        provider = scripted(*agents)
        (await host(provider)).execute(run.pk)
        await until(lambda: provider.live == 2)
        await until(lambda: in_db(lambda: texts(run) == {"b": "half", "c": "half"}))
        caplog.set_level(logging.WARNING)
        taken = {"epoch": F("epoch") + 1, "lease_owner": "another"}
        await in_db(lambda: Run.objects.filter(pk=run.pk).update(**taken))
        await until(lambda: provider.live == 0)
        await asyncio.sleep(TICK_S)
        row = await in_db(lambda: Run.objects.get(pk=run.pk))
        assert (row.status, row.epoch, row.lease_owner) == ("running", 2, "another")
        assert await in_db(statuses, run) == {"b": "streaming", "c": "streaming"}
        assert not [task for task in asyncio.all_tasks() if task.get_name() == f"run-{run.pk}"]
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert f"Run {run.pk} was taken over by another process" in caplog.text

    async def test_is_given_up_once_however_long_it_takes_to_hang_up(
        self, session: ChatSession, host: Host, caplog: pytest.LogCaptureFixture
    ):
        async def hangs_up_slowly(request: ChatRequest, sink: Sink) -> Completion:
            sink(TextChunk("half"))
            try:
                await asyncio.Event().wait()
            finally:
                # Meanwhile every tick says again that the lease is lost.
                await asyncio.sleep(TICK_S * 3)
            raise AssertionError("it was not cancelled")

        agent = Agent("a", hangs_up_slowly)
        run = await in_db(make_run, session, agent)
        provider = scripted(agent)
        (await host(provider)).execute(run.pk)
        await until(lambda: provider.live == 1)
        await until(lambda: in_db(lambda: texts(run) == {"a": "half"}))
        taken = {"epoch": F("epoch") + 1, "lease_owner": "another"}
        await in_db(lambda: Run.objects.filter(pk=run.pk).update(**taken))
        await until(lambda: provider.live == 0)
        await until(lambda: not [task for task in asyncio.all_tasks() if task.get_name() == f"run-{run.pk}"])
        assert f"Run {run.pk} was taken over by another process" in caplog.text

    async def test_after_a_sleep_a_process_goes_on_with_a_run_that_nobody_took(
        self, session: ChatSession, host: Host
    ):
        agent = Agent("a", says(*"after the sleep", each=0.2))
        run = await in_db(make_run, session, agent)
        runtime = await host(scripted(agent))
        runtime.execute(run.pk)
        await until(lambda: is_in(run, "running"))
        asleep = {"lease_expires_at": timezone.now() - timedelta(hours=1)}
        loop = asyncio.get_running_loop()
        began = loop.time()
        # Lapsed again after every tick, so that the sweep comes upon it.
        while loop.time() - began < SWEEP_S * 1.2:
            await in_db(lambda: Run.objects.filter(pk=run.pk, status="running").update(**asleep))
            await asyncio.sleep(TICK_S / 20)
        assert (await ended(run)).status == "completed"


class Fault:
    """A database that goes away under the journal; on PostgreSQL its very connection is cut."""

    def __init__(self) -> None:
        self.left = 0
        self.process = 0
        self.connections = self.connections_before = 0

    def connected(self, connection: Any, **_: object) -> None:
        if threading.current_thread().name.startswith("journal"):
            self.connections += 1
            self.process = connection.connection.info.backend_pid if is_postgresql() else 0
            if self not in connection.execute_wrappers:
                connection.execute_wrappers.append(self)

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.left:
            self.left -= 1
            raise OperationalError("the database went away")
        return execute(sql, params, many, context)

    def is_over(self) -> bool:
        return self.connections > self.connections_before and not self.left

    def strike(self) -> None:
        self.connections_before = self.connections
        if not is_postgresql():
            self.left = 3
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [self.process])


def is_postgresql() -> bool:
    return connection.vendor == "postgresql"


@pytest.fixture
def fault() -> Iterator[Fault]:
    fault = Fault()
    connection_created.connect(fault.connected)
    yield fault
    connection_created.disconnect(fault.connected)


def is_serving(provider: ScriptedProvider, calls: int) -> bool:
    return provider.live == calls


async def test_a_database_that_is_away_for_a_moment_loses_nothing(
    session: ChatSession, host: Host, fault: Fault
):
    agents = [
        Agent("seed", says(*"the first answer", each=0.03)),
        Agent("b", says(*"another one", each=0.05), "parallel"),
        Agent("c", says(*"and one more", each=0.05), "parallel"),
    ]
    run = await in_db(make_run, session, *agents)
    provider = scripted(*agents)
    (await host(provider)).execute(run.pk)
    for live in (1, 2):
        await until(partial(is_serving, provider, live))
        await in_db(fault.strike)
        await until(fault.is_over)
    run = await ended(run)
    assert run.status == "completed"
    assert await in_db(texts, run) == {"seed": "the first answer", "b": "another one", "c": "and one more"}
    assert len(provider.requests) == 3
