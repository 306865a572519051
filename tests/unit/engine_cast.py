"""A stage for executor tests: a journal in memory, and a provider that does what each agent's script says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chains.engine.attempt import Attempt
from chains.engine.context import Skip
from chains.engine.events import Event, TextDelta
from chains.engine.executor import RunExecution
from chains.engine.plan import ConnectionType, plan_stages
from chains.engine.prompts import MemberResult
from chains.engine.spec import ModelSpec, RunSpec, StepSpec
from chains.providers.base import (
    ChatRequest,
    Completion,
    Endpoint,
    FinishReason,
    ListedModel,
    Sink,
    TextChunk,
    Usage,
)

Script = Callable[[ChatRequest, Sink], Awaitable[Completion]]


class MemoryJournal:
    """Keeps a run in dictionaries."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.statuses: dict[int, str] = {}
        self.skips: dict[int, Skip] = {}
        self.starts: list[list[int]] = []
        self.finished: tuple[str, str, str] | None = None
        self.is_waiting = False

    def remember(self, spec: RunSpec, said: Mapping[str, str]) -> None:
        """Hold what the steps had become before."""
        self.statuses = {step.id: step.status for step in spec.steps}
        for step in spec.steps:
            if step.attempts:
                attempt = Attempt(step, step.attempts, (), datetime.now(UTC))
                attempt.text.append(said[step.slug])
                attempt.error = "" if step.status == "completed" else "it was cut"
                self.attempts.append(attempt)

    async def start(self, attempts: Sequence[Attempt], skips: Sequence[Skip]) -> None:
        self.starts.append([attempt.step.id for attempt in attempts])
        self.attempts += attempts
        self.statuses.update({attempt.step.id: "running" for attempt in attempts})
        await self.skip(skips)

    async def end(self, attempt: Attempt, *, step_status: str) -> None:
        self.statuses[attempt.step.id] = step_status

    async def skip(self, skips: Sequence[Skip]) -> None:
        for skip in skips:
            self.statuses[skip.step.id] = "skipped"
            self.skips[skip.step.id] = skip

    async def results(self, steps: Sequence[StepSpec]) -> list[MemberResult]:
        latest = {attempt.step.id: attempt for attempt in self.attempts}
        return [
            MemberResult(
                step.name,
                step.model.label,
                self.statuses[step.id],
                str(latest[step.id].text) if step.id in latest else "",
                latest[step.id].error if step.id in latest else "",
            )
            for step in steps
        ]

    async def finish(
        self, status: str, *, output: str, error: str, not_reached: Sequence[Skip], is_waiting: bool = False
    ) -> None:
        await self.skip(not_reached)
        self.finished = (status, output, error)
        self.is_waiting = is_waiting


class ScriptedProvider:
    """Calls the script of the model that is asked for, and counts."""

    def __init__(self, scripts: dict[str, Script]) -> None:
        self.scripts = scripts
        self.requests: list[ChatRequest] = []
        self.live = self.most_live = 0

    async def chat(self, request: ChatRequest, sink: Sink) -> Completion:
        self.requests.append(request)
        self.live += 1
        self.most_live = max(self.most_live, self.live)
        try:
            return await self.scripts[request.model](request, sink)
        finally:
            self.live -= 1

    def wire(self, request: ChatRequest) -> None: ...

    async def list_models(self) -> list[ListedModel]:
        return []

    def prompts(self, model: str) -> list[str]:
        return [request.messages[-1].content for request in self.requests if request.model == model]


@dataclass
class Stage:
    """One run, its journal, its provider, and what it emitted."""

    spec: RunSpec
    provider: ScriptedProvider
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.execution = RunExecution(
            self.spec,
            journal=self.journal,
            emit=self.events.append,
            open_provider=lambda endpoint: self.provider,
            jitter=lambda low, high: 0.0,
        )

    async def run(self) -> str:
        return await self.execution.execute()

    def status(self, slug: str) -> str:
        return self.journal.statuses[self.step(slug).id]

    def step(self, slug: str) -> StepSpec:
        return next(step for step in self.spec.steps if step.slug == slug)

    def attempts(self, slug: str) -> list[Attempt]:
        return [attempt for attempt in self.journal.attempts if attempt.step.slug == slug]

    def text(self, slug: str) -> str:
        step = self.step(slug).id
        return "".join(e.text for e in self.events if isinstance(e, TextDelta) and e.step == step)


@dataclass(frozen=True)
class Agent:
    slug: str
    script: Script
    connection: str = "direct"
    prompt: str = ""
    condition: str = ""
    system_prompt: str = ""
    # How far it had come when another process took the run up.
    status: str = "pending"
    attempts: int = 0
    said: str = ""
    is_undecided: bool = False


def stage(*agents: Agent, message: str = "the message", continue_on_failure: bool = False) -> Stage:
    """Set a run up: ``stage(Agent("a", says("hi")), …)``."""
    planned = plan_stages([ConnectionType(agent.connection) for agent in agents])
    numbers = {member: part.number for part in planned for member in part.members}
    steps = tuple(
        StepSpec(
            id=100 + index,
            index=index,
            stage=numbers[index],
            name=agent.slug.title(),
            slug=agent.slug,
            connection=ConnectionType(agent.connection),
            model=ModelSpec(f"test/{agent.slug}", agent.slug, Endpoint("test", "Test provider", "test")),
            prompt=agent.prompt,
            condition=agent.condition,
            system_prompt=agent.system_prompt,
            status=agent.status,
            attempts=agent.attempts,
            is_undecided=agent.is_undecided,
        )
        for index, agent in enumerate(agents)
    )
    spec = RunSpec(1, 1, message, steps, continue_on_failure=continue_on_failure)
    made = Stage(spec, ScriptedProvider({agent.slug: agent.script for agent in agents}))
    made.journal.remember(made.spec, {agent.slug: agent.said for agent in agents})
    return made


def says(*pieces: str, reason: FinishReason = FinishReason.STOP, each: float = 0.0) -> Script:
    """Answer with these pieces, ``each`` seconds before every one of them."""

    async def script(request: ChatRequest, sink: Sink) -> Completion:
        for piece in pieces:
            await asyncio.sleep(each)
            sink(TextChunk(piece))
        return Completion(reason, Usage(10, len(pieces)))

    return script


def hangs(*pieces: str) -> Script:
    """Say the pieces, then nothing any more."""

    async def script(request: ChatRequest, sink: Sink) -> Completion:
        for piece in pieces:
            sink(TextChunk(piece))
        await asyncio.Event().wait()
        raise AssertionError("never reached")

    return script


def raises(error: Exception, *pieces: str, times: int = 1000, then: Script | None = None) -> Script:
    """Say the pieces and fail, ``times`` times; after that do as ``then`` says."""
    left = [times]

    async def script(request: ChatRequest, sink: Sink) -> Completion:
        if left[0] <= 0 and then:
            return await then(request, sink)
        left[0] -= 1
        for piece in pieces:
            sink(TextChunk(piece))
        raise error

    return script


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop turn until something holds."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - nothing tells when it does
            await asyncio.sleep(0)
