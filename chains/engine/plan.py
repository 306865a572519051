"""Which agents run together, and what is wrong with a chain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from chains.engine import conditions, prompts


class ConnectionType(StrEnum):
    """How an agent is tied to what stands before it."""

    DIRECT = "direct"
    CONDITIONAL = "conditional"
    PARALLEL = "parallel"


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """What a chain says about one agent, as far as planning and checking need it."""

    name: str
    slug: str
    connection: ConnectionType
    prompt: str = ""
    system_prompt: str = ""
    condition: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """The agents that run together. ``number`` counts from 1; ``members`` are indices from 0."""

    number: int
    members: tuple[int, ...]
    parallel: bool


class Severity(StrEnum):
    """Whether a chain can run in spite of it."""

    FAULT = "fault"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, at which agent (an index from 0, None for the chain) and in which of its fields.

    ``message`` says which agent it is; ``here`` is the same sentence where that is seen.
    """

    agent: int | None
    field: str
    message: str
    severity: Severity = Severity.FAULT
    here: str = ""


def agent_fault(index: int, name: str, field: str, words: str, severity: Severity = Severity.FAULT) -> Fault:
    """Make a fault of an agent. ``words`` go on after its name: `` has no model.`` or ``: the rule is …``."""
    place = f"Agent {index + 1}"
    called = f" (“{name}”)" if name.strip() not in ("", place) else ""
    here = f"It{words}" if words.startswith(" ") else words.removeprefix(": ")
    if here.startswith(("the ", "an ")):
        here = here[0].upper() + here[1:]
    return Fault(index, field, f"{place}{called}{words}", severity, here)


def plan_stages(connections: Sequence[ConnectionType | str]) -> tuple[Stage, ...]:
    """Group consecutive parallel agents; any other agent is a stage of its own."""
    stages: list[Stage] = []
    for parallel, run in groupby(
        range(len(connections)), key=lambda index: connections[index] == ConnectionType.PARALLEL
    ):
        for members in [tuple(run)] if parallel else [(index,) for index in run]:
            stages.append(Stage(len(stages) + 1, members, parallel))
    return tuple(stages)


def check_chain(agents: Sequence[AgentSpec]) -> list[Fault]:
    """List everything that is wrong with a chain, in the order of its agents. Only warnings: it can run."""
    if not agents:
        return [Fault(None, "agents", "The chain has no agents: add one.")]
    plan = plan_stages([agent.connection for agent in agents])
    stages = [stage for stage in plan for _ in stage.members]
    return [fault for index in range(len(agents)) for fault in _Check(agents, stages, index).faults()]


_SLUG = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class _Check:
    """The check of one agent in its place."""

    agents: Sequence[AgentSpec]
    stages: Sequence[Stage]
    index: int

    def faults(self) -> Iterator[Fault]:
        yield from self._names()
        yield from self._slugs()
        yield from self._connections()
        yield from self._conditions()
        yield from self._prompts()

    @property
    def agent(self) -> AgentSpec:
        return self.agents[self.index]

    @property
    def stage(self) -> Stage:
        return self.stages[self.index]

    def _fault(self, field: str, message: str, severity: Severity = Severity.FAULT) -> Fault:
        return agent_fault(self.index, self.agent.name, field, message, severity)

    def _warning(self, field: str, message: str) -> Fault:
        return self._fault(field, message, Severity.WARNING)

    def _names(self) -> Iterator[Fault]:
        if not self.agent.name.strip():
            yield self._fault("name", " has no name: give it one.")

    def _slugs(self) -> Iterator[Fault]:
        slug = self.agent.slug
        if not _SLUG.fullmatch(slug):
            yield self._fault("slug", f": the slug “{slug}” is not one: use letters, digits, - and _.")
        first = next(index for index, agent in enumerate(self.agents) if agent.slug == slug)
        if first != self.index:
            yield self._fault("slug", f" has the slug “{slug}” of agent {first + 1}: rename one of them.")

    def _connections(self) -> Iterator[Fault]:
        if self.stage.parallel and len(self.stage.members) == 1:
            yield self._warning(
                "connection_type", " is parallel to no other agent: a group of one is the same as direct."
            )

    def _conditions(self) -> Iterator[Fault]:
        has_rule = bool(self.agent.condition.strip())
        if self.agent.connection == ConnectionType.DIRECT and has_rule:
            yield self._fault(
                "condition", " is direct and has a rule: make it conditional, or remove the rule."
            )
        elif self.agent.connection == ConnectionType.CONDITIONAL and not has_rule:
            words = " is conditional and has no rule. Fill in the rule, or make the agent direct."
            yield self._fault("condition", words)
        elif has_rule:
            yield from self._rule()

    def _rule(self) -> Iterator[Fault]:
        try:
            condition = conditions.parse(self.agent.condition)
        except conditions.ConditionError as error:
            place = f"at character {error.position + 1}"
            yield self._fault("condition", f": the rule is wrong {place}: {error.message}.")
            return
        if condition.is_otherwise:
            yield from self._otherwise()
        for slug in sorted(condition.references):
            yield from self._reference("condition", slug)

    def _otherwise(self) -> Iterator[Fault]:
        if not self.stage.parallel:
            yield self._fault("condition", " says otherwise outside a parallel group: write a rule.")
            return
        others = [index for index in self.stage.members if index != self.index]
        if any(_is_otherwise(self.agents[index]) for index in others if index < self.index):
            yield self._fault("condition", " says otherwise, as another agent of its group does: keep one.")
        if not any(self.agents[index].condition.strip() for index in others):
            yield self._warning("condition", " says otherwise to no other rule: it always runs.")

    def _prompts(self) -> Iterator[Fault]:
        for name, reference in _distinct(prompts.references(self.agent.prompt)).items():
            if not reference.is_known:
                yield self._fault("prompt", f": {prompts.unknown_name(name)}.")
            elif reference.slug:
                yield from self._reference("prompt", reference.slug)

    def _reference(self, field: str, slug: str) -> Iterator[Fault]:
        named = next((index for index, agent in enumerate(self.agents) if agent.slug == slug), None)
        problem = self._unreachable(named)
        written = f"{{{{agents.{slug}}}}}" if field == "prompt" else f"agents.{slug}"
        if problem:
            yield self._fault(field, f": {written} names {problem}.")
        elif named is not None and self._may_not_complete(named):
            yield self._warning(
                field, f": {written} is empty if {self.agents[named].name} does not complete."
            )

    def _unreachable(self, named: int | None) -> str:
        if named is None:
            return "no agent of this chain: check the name"
        if named == self.index:
            return "this agent itself: only earlier agents have an output by then"
        if named in self.stage.members:
            return "an agent of the same group: members never see each other"
        if named > self.index:
            return "an agent that stands later: only earlier ones have an output by then"
        return ""

    def _may_not_complete(self, named: int) -> bool:
        """Say whether the run can get here without that agent: it has a rule, or companions to go on with."""
        return bool(self.agents[named].condition.strip()) or len(self.stages[named].members) > 1


def _is_otherwise(agent: AgentSpec) -> bool:
    return agent.condition.strip() == "otherwise"


def _distinct(references: Sequence[prompts.Reference]) -> Mapping[str, prompts.Reference]:
    return {reference.name: reference for reference in references}
