"""What the editor shows of a draft: its stages, faults, plan and estimated cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Min

from chains.engine import prompts
from chains.engine.drafts import draft_faults
from chains.engine.plan import Fault, Severity, Stage, plan_stages
from chains.models import Agent, AgentStep, Chain, ChainVersion, LanguageModel, SampleInput, User
from chains.queries.figures import cost_text
from chains.queries.labels import spoken_list
from chains.queries.versions import says_the_same

MESSAGE_TOKENS = 200  # what an estimate takes a message for
SHORT_ANSWER, LONG_ANSWER = 150, 1_000  # tokens
CHARACTERS_PER_TOKEN = 4


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
class PlanLine:
    """What one stage will do, in words."""

    stage: int
    parallel: bool
    connection: str
    who: str
    receives: str


@dataclass(frozen=True, slots=True)
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
    samples: tuple[SampleInput, ...]
    tags: tuple[str, ...]

    @property
    def can_publish(self) -> bool:
        """Whether nothing is wrong that keeps it from running."""
        return all(fault.severity is Severity.WARNING for fault in self.faults)


def editor_page(chain: Chain) -> EditorPage:
    """Return a chain's draft for its editor; the draft must have been opened."""
    draft = chain.versions.drafts().get()
    agents = list(draft.agents.select_related("model__provider").order_by("index"))
    usable = set(LanguageModel.objects.usable().values_list("pk", flat=True))
    faults = draft_faults(agents, usable)
    stages = plan_stages([agent.connection_type for agent in agents])
    newest = chain.versions.published().prefetch_related("agents").first()
    can_undo, can_redo = _undo_bounds(draft)
    return EditorPage(
        chain=chain,
        draft=draft,
        stages=tuple(_stage_card(stage, stages, agents, faults) for stage in stages),
        faults=tuple(faults),
        plan=tuple(_plan_line(stage, stages, agents) for stage in stages),
        cost=cost_range(agents),
        revision=draft.revision,
        can_undo=can_undo,
        can_redo=can_redo,
        has_unpublished=newest is None or not says_the_same(draft, agents, newest, list(newest.agents.all())),
        published_number=newest.number if newest else None,
        samples=tuple(chain.samples.all()),
        tags=tuple(chain.tags.values_list("name", flat=True)),
    )


def _undo_bounds(draft: ChainVersion) -> tuple[bool, bool]:
    at = draft.undo_position
    if at is None:
        return False, False
    first = draft.edits.aggregate(first=Min("position"))["first"]
    return first is not None and at > first, draft.edits.filter(position=at + 1).exists()


def _stage_card(
    stage: Stage, stages: Sequence[Stage], agents: Sequence[Agent], faults: Sequence[Fault]
) -> StageCard:
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
    names = [agent.name or "Somebody without a name" for agent in members]
    who = spoken_list(names) + (" at the same time" if len(members) > 1 else "")
    before = stages[stage.number - 2] if stage.number > 1 else None
    context = _context(before, agents)
    sentences = [_receives(agent, context, alone=len(members) == 1) for agent in members]
    if len(set(sentences)) == 1:
        sentences = sentences[:1]
    else:
        sentences = [f"{name}: {sentence}" for name, sentence in zip(names, sentences, strict=True)]
    return PlanLine(stage.number, len(members) > 1, members[0].connection_type, who, " ".join(sentences))


def _context(before: Stage | None, agents: Sequence[Agent]) -> str:
    if before is None:
        return "your message"
    names = spoken_list([agents[index].name or "an agent without a name" for index in before.members])
    return f"the results of {names}" if len(before.members) > 1 else f"what {names} says"


def _receives(agent: Agent, context: str, *, alone: bool) -> str:
    named = [reference for reference in prompts.references(agent.prompt) if reference.is_known]
    sources = []
    for reference in named:
        words = {"input": "your message", "previous": context}.get(
            reference.name, f"the output of {reference.slug}"
        )
        if words not in sources:
            sources.append(words)
    rest = ", with its prompt" if agent.prompt.strip() and not sources else ""
    receives = f"receives {spoken_list(sources) if sources else context}{rest}"
    rule = agent.condition.strip()
    condition = f", only if {rule if len(rule) <= 60 else rule[:59] + '…'}" if rule else ""
    return f"{receives}{condition}."


# Cost


def cost_range(agents: Sequence[Agent]) -> str:
    """Estimate what one message costs, from short answers to long ones: ``$0.0012 to $0.0150``."""
    low = [_cost(agent, SHORT_ANSWER, 0 if agent.condition.strip() else 1) for agent in agents]
    high = [_cost(agent, agent.max_output_tokens or LONG_ANSWER, 1) for agent in agents]
    first, last = cost_text(low), cost_text(high)
    return first if first == last else f"{first.partition(' + ')[0]} to {last}"


def _cost(agent: Agent, answer: int, times: int) -> Decimal | None:
    model = agent.model
    if model is not None and model.is_simulated:
        return Decimal(0)
    if model is None or model.input_price is None or model.output_price is None:
        return None
    given = MESSAGE_TOKENS + answer + (len(agent.prompt) + len(agent.system_prompt)) // CHARACTERS_PER_TOKEN
    written = min(answer, agent.max_output_tokens or answer)
    return times * (model.input_price * given + model.output_price * written) / 1_000_000


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
