"""A stage for tests of runs in the database: rows to run, and the journal's side without a runtime."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from channels.db import database_sync_to_async
from django.db import connection
from django.utils import timezone

from chains.engine import lease
from chains.engine.events import Event
from chains.engine.executor import RunExecution
from chains.engine.journal import Journal, RunJournal
from chains.engine.lease import Lease, StopFlags
from chains.engine.loading import load_run
from chains.engine.plan import ConnectionType, plan_stages
from chains.engine.spec import RunSpec
from chains.models import (
    AgentStep,
    Chain,
    ChainVersion,
    ChatSession,
    LanguageModel,
    Provider,
    Run,
    StepAttempt,
    User,
)
from chains.providers.base import ChatProvider
from tests.unit.engine_cast import Agent, ScriptedProvider

__all__ = ["Agent", "ScriptedProvider"]


def in_db(work: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Do blocking database work from a test's loop, on a connection that is closed again."""
    return database_sync_to_async(work, thread_sensitive=False)(*arguments, **keywords)


def make_session(owner: User, name: str = "chain") -> ChatSession:
    """Make a session on a chain with one published version."""
    chain = Chain.objects.create(owner=owner, name=name, slug=f"{name}-{uuid.uuid4().hex[:8]}")
    ChainVersion.objects.create(chain=chain, number=1, published_at=timezone.now())
    return ChatSession.objects.create(owner=owner, chain=chain, active_at=timezone.now())


def make_run(session: ChatSession, *agents: Agent, message: str = "the message", **columns: Any) -> Run:
    """Make a queued run with a step for each agent; each step's model is named like its agent."""
    assert session.chain is not None
    version = columns.pop("chain_version", None) or session.chain.versions.get(number=1)
    run = Run.objects.create(
        session=session, chain_version=version, request_id=uuid.uuid4().hex, input=message, **columns
    )
    planned = plan_stages([ConnectionType(agent.connection) for agent in agents])
    numbers = {member: part.number for part in planned for member in part.members}
    AgentStep.objects.bulk_create(
        AgentStep(
            run=run,
            index=index,
            execution_group=numbers[index],
            name=agent.slug.title(),
            slug=agent.slug,
            model=model_of(agent.slug),
            system_prompt=agent.system_prompt,
            prompt=agent.prompt,
            connection_type=agent.connection,
            condition=agent.condition,
        )
        for index, agent in enumerate(agents)
    )
    return run


def model_of(name: str, **columns: Any) -> LanguageModel:
    """Return the model with this name, made on first use."""
    provider, _ = Provider.objects.get_or_create(
        slug="test", defaults={"name": "Test provider", "kind": "simulated"}
    )
    return LanguageModel.objects.get_or_create(
        provider=provider, model_id=name, defaults={"name": name, **columns}
    )[0]


def finished_run(session: ChatSession, message: str, output: str, *, status: str = "completed") -> Run:
    """Make a run that has ended."""
    assert session.chain is not None
    return Run.objects.create(
        session=session,
        chain_version=session.chain.versions.get(number=1),
        request_id=uuid.uuid4().hex,
        input=message,
        output=output,
        status=status,
        finished_at=timezone.now(),
    )


def add_attempt(
    step: AgentStep, *, text: str = "", status: str = "completed", number: int = 1
) -> StepAttempt:
    """Give a step an attempt, and its status with it."""
    AgentStep.objects.filter(pk=step.pk).update(status=status, current_attempt=number)
    return StepAttempt.objects.create(
        step=step, number=number, status=status, text=text, text_length=len(text), started_at=timezone.now()
    )


def step_of(run: Run, slug: str) -> AgentStep:
    """Read a run's step."""
    return AgentStep.objects.get(run=run, slug=slug)


def statuses(run: Run) -> dict[str, str]:
    """Read the statuses of a run's steps, by slug."""
    return dict(AgentStep.objects.filter(run=run).values_list("slug", "status"))


def texts(run: Run) -> dict[str, str]:
    """Read the texts of a run's newest attempts, by slug."""
    attempts = StepAttempt.objects.filter(step__run=run).order_by("number")
    return dict(attempts.values_list("step__slug", "text"))


def scripted(*agents: Agent) -> ScriptedProvider:
    """Return a provider that does what each agent's script says."""
    return ScriptedProvider({agent.slug: agent.script for agent in agents})


def now() -> datetime:
    """Return the time as the engine records it."""
    return datetime.now(UTC)


@dataclass
class Watched:
    """A run that a test keeps through a journal: what the journal told it, and what it told others."""

    spec: RunSpec
    held: Lease
    stops: list[StopFlags] = field(default_factory=list)
    losses: int = 0
    events: list[Event] = field(default_factory=list)
    journal: RunJournal = field(init=False)

    def lost(self) -> None:
        self.losses += 1

    def step(self, slug: str) -> Any:
        return next(step for step in self.spec.steps if step.slug == slug)


async def take(journal: Journal, run: Run) -> Watched:
    """Claim a run and open it in the journal, all on the journal's own thread."""
    held = await journal.call(lease.claim, run.pk, journal.owner)
    assert held is not None
    watched = Watched(await journal.call(load_run, run.pk), held)
    watched.journal = journal.open(held, on_stop=watched.stops.append, on_lost=watched.lost)
    return watched


async def carry_out(journal: Journal, run: Run, provider: ChatProvider) -> str:
    """Execute a run on a journal from claim to end."""
    watched = await take(journal, run)
    execution = RunExecution(
        watched.spec,
        journal=watched.journal,
        emit=watched.events.append,
        open_provider=lambda endpoint: provider,
        jitter=lambda low, high: 0.0,
    )
    return await execution.execute()


@asynccontextmanager
async def open_journal(owner: str = "test") -> AsyncIterator[Journal]:
    """Have a journal for the length of a test."""
    journal = Journal(owner)
    try:
        yield journal
    finally:
        await journal.stop()


Wrapper = Callable[..., Any]


async def wrap_connection(journal: Journal, wrapper: Wrapper) -> None:
    """Let every statement of the journal's own connection go through ``wrapper``, as Django permits."""
    await journal.call(lambda: connection.execute_wrappers.append(wrapper))


class Statements:
    """Keeps what a connection executes."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.seen.append(sql)
        return execute(sql, params, many, context)

    def of(self, words: str) -> list[str]:
        return [sql for sql in self.seen if words in sql]


async def until(holds: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait until something holds; ``holds`` may be blocking database work when it is wrapped by ``in_db``."""
    async with asyncio.timeout(seconds):
        while True:
            answer = holds()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return
            await asyncio.sleep(0.01)
