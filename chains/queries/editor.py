"""What the editor shows of a draft: its stages, faults, plan and estimated cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from django.db.models import Q, Subquery

from chains.engine import prompts
from chains.engine.drafts import draft_faults
from chains.engine.plan import Fault, Severity, Stage, plan_stages
from chains.models import Agent, AgentStep, Chain, ChainVersion, SampleInput, User
from chains.queries.diffs import says_the_same
from chains.queries.estimates import cost_range
from chains.queries.labels import spoken_list


@dataclass(frozen=True, slots=True)
class AgentCard:
    """One agent to edit. ``names`` are what its prompt may name, ``faults`` what is wrong, by field."""

    agent: Agent
    names: tuple[str, ...]
    faults: dict[str, list[Fault]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageCard:
    """Agents that run together."""

    number: int
    parallel: bool
    cards: tuple[AgentCard, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an agent receives, in words without their full stop, and the rule under which it runs."""

    words: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class PlanLine:
    """What one stage will do, in words. Members that receive the same share one receipt."""

    stage: int
    parallel: bool
    connection: str
    who: str
    receives: tuple[Receipt, ...]


@dataclass(frozen=True)
class EditorPage:
    """A draft, and all that the editor says of it. ``cost`` is the estimated range for one message."""

    chain: Chain
    draft: ChainVersion
    stages: tuple[StageCard, ...]
    faults: tuple[Fault, ...]
    plan: tuple[PlanLine, ...]
    cost: str
    revision: int
    can_undo: bool
    can_redo: bool
    has_unpublished: bool
    published_number: int | None

    @property
    def can_publish(self) -> bool:
        """Whether nothing is wrong that keeps it from running."""
        return all(fault.severity is Severity.WARNING for fault in self.faults)

    @cached_property
    def samples(self) -> tuple[SampleInput, ...]:
        """The messages that the chain is tried on. Asked for when they are shown."""
        return tuple(self.chain.samples.all())

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The chain's tags. Asked for when they are shown."""
        return tuple(self.chain.tags.values_list("name", flat=True))


def editor_page(chain: Chain, draft: ChainVersion | None = None) -> EditorPage:
    """Return a chain's draft for its editor; the draft must have been opened, and may be at hand."""
    draft = draft or chain.versions.drafts().get()
    agents, newest_agents = _agents(chain, draft)
    newest = newest_agents[0].version if newest_agents else None
    stages = plan_stages([agent.connection_type for agent in agents])
    faults = draft_faults(agents)
    can_undo, can_redo = draft.undo_bounds
    return EditorPage(
        chain=chain,
        draft=draft,
        stages=tuple(_stage_card(stage, agents, faults) for stage in stages),
        faults=tuple(faults),
        plan=tuple(_plan_line(stage, stages, agents) for stage in stages),
        cost=cost_range(agents),
        revision=draft.revision,
        can_undo=can_undo,
        can_redo=can_redo,
        has_unpublished=newest is None or not says_the_same(draft, agents, newest, newest_agents),
        published_number=newest.number if newest else None,
    )


def _agents(chain: Chain, draft: ChainVersion) -> tuple[list[Agent], list[Agent]]:
    """Read the agents of the draft and of the newest published version, which has one at least, at once."""
    newest = chain.versions.published().values("pk")[:1]
    rows = Agent.objects.filter(Q(version=draft) | Q(version=Subquery(newest)))
    agents = rows.select_related("version", "model__provider").order_by("index")
    drafted = [agent for agent in agents if agent.version_id == draft.pk]
    return drafted, [agent for agent in agents if agent.version_id != draft.pk]


def _stage_card(stage: Stage, agents: Sequence[Agent], faults: Sequence[Fault]) -> StageCard:
    earlier = [agents[index] for index in range(stage.members[0])]
    names = ("input", *(["previous"] if earlier else []), *(f"agents.{agent.slug}" for agent in earlier))
    return StageCard(
        stage.number,
        len(stage.members) > 1,
        tuple(AgentCard(agents[index], names, _by_field(faults, index)) for index in stage.members),
    )


def _by_field(faults: Sequence[Fault], index: int) -> dict[str, list[Fault]]:
    found: dict[str, list[Fault]] = {}
    for fault in faults:
        if fault.agent == index:
            found.setdefault(fault.field, []).append(fault)
    return found


# The plan in words


def _plan_line(stage: Stage, stages: Sequence[Stage], agents: Sequence[Agent]) -> PlanLine:
    members = [agents[index] for index in stage.members]
    names = [_name(agent) for agent in members]
    who = spoken_list(names) + (" at the same time" if len(members) > 1 else "")
    before = stages[stage.number - 2] if stage.number > 1 else None
    context = _context(before, agents)
    known = {agent.slug: _name(agent) for agent in agents}
    receipts = [_receives(agent, context, known) for agent in members]
    begins = ["receives" if len(members) == 1 else "receive"]
    if len(set(receipts)) == 1:
        receipts = receipts[:1]
    else:
        begins = [f"{name}: receives" for name in names]
    said = tuple(
        replace(one, words=f"{begin} {one.words}") for begin, one in zip(begins, receipts, strict=True)
    )
    return PlanLine(stage.number, len(members) > 1, members[0].connection_type, who, said)


def _name(agent: Agent) -> str:
    return agent.name.strip() or f"Agent {agent.index + 1}"


def _context(before: Stage | None, agents: Sequence[Agent]) -> str:
    if before is None:
        return "your message"
    names = spoken_list([_name(agents[index]) for index in before.members])
    return f"the results of {names}" if len(before.members) > 1 else f"what {names} says"


def _receives(agent: Agent, context: str, known: Mapping[str, str]) -> Receipt:
    named = [reference for reference in prompts.references(agent.prompt) if reference.is_known]
    sources = []
    for reference in named:
        name = known.get(reference.slug) or f"an unknown agent ({reference.name})"
        said_by = f"what {name} says"
        words = {"input": "your message", "previous": context}.get(reference.name, said_by)
        if words not in sources:
            sources.append(words)
    rest = ", with its prompt" if agent.prompt.strip() and not sources else ""
    words, rule = f"{spoken_list(sources) if sources else context}{rest}", agent.condition.strip()
    if rule == "otherwise":
        return Receipt(f"{words}, if no other rule of its group holds")
    return Receipt(words, rule if len(rule) <= 60 else f"{rule[:59]}…")


# Trying a rule


@dataclass(frozen=True, slots=True)
class EarlierAnswer:
    """An answer of an earlier run, to try a rule on."""

    label: str
    text: str


def answers_to_test(user: User, chain: Chain, limit: int) -> list[EarlierAnswer]:
    """Return the newest completed answers of a chain's agents in the user's sessions."""
    steps = AgentStep.objects.visible_to(user).filter(run__chain_version__chain=chain, status="completed")
    rows = steps.order_by("-pk").prefetch_related("attempts")[:limit]
    found = []
    for step in rows:
        attempt = next((one for one in step.attempts.all() if one.number == step.current_attempt), None)
        if attempt and attempt.text:
            words = " ".join(attempt.text[:60].split())
            found.append(EarlierAnswer(f"{step.name}: {words[:40]}", attempt.text[:20_000]))
    return found
