"""What a session can start from: own chains, demo chains, models to compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from django.db.models import Case, OuterRef, Subquery, When

from chains.chainfile import DEMO_THEMES, DemoChain, demo_chain_files
from chains.engine.plan import plan_stages
from chains.models import Agent, Chain, ChainVersion, LanguageModel, User
from chains.providers.registry import SIMULATED_KINDS


@dataclass(frozen=True, slots=True)
class PlanAgent:
    """An agent as a drawing of its chain shows it."""

    name: str
    connection_type: str
    condition: str


@dataclass(frozen=True, slots=True)
class PlanStage:
    """Agents that run together."""

    number: int
    parallel: bool
    agents: tuple[PlanAgent, ...]


@dataclass(frozen=True, slots=True)
class ChainCard:
    """A chain to start from."""

    slug: str
    name: str
    description: str
    stages: tuple[PlanStage, ...]


@dataclass(frozen=True, slots=True)
class Theme:
    """Demo chains for one kind of work."""

    slug: str
    label: str
    chains: tuple[ChainCard, ...]


def chain_library(user: User) -> tuple[list[ChainCard], tuple[Theme, ...]]:
    """Return the user's named chains, last changed first, and the demo chains by theme."""
    chains = list(Chain.objects.visible_to(user).active().named().order_by("-updated_at"))
    agents = _newest_agents(chains)
    cards = [
        ChainCard(chain.slug, chain.name, chain.description, plan(agents.get(chain.pk, [])))
        for chain in chains
    ]
    return cards, _themes()


def chain_plan(chain: Chain) -> tuple[PlanStage, ...]:
    """Return the stages of a chain's newest version; none if it was never published."""
    return plan(_newest_agents([chain]).get(chain.pk, []))


def models_for_compare() -> list[LanguageModel]:
    """Return the models that can be called: real ones first, in the order of their rank."""
    simulated = Case(When(provider__kind__in=SIMULATED_KINDS, then=1), default=0)
    return list(LanguageModel.objects.usable().order_by(simulated, "rank", "provider__name", "name"))


def plan(agents: Sequence[PlanAgent]) -> tuple[PlanStage, ...]:
    """Group agents into stages."""
    stages = plan_stages([agent.connection_type for agent in agents])
    return tuple(
        PlanStage(stage.number, stage.parallel, tuple(agents[index] for index in stage.members))
        for stage in stages
    )


def _newest_agents(chains: Sequence[Chain]) -> dict[int, list[PlanAgent]]:
    """Return the agents of each chain's newest version, with one query for all."""
    newest = ChainVersion.objects.published().filter(chain=OuterRef("version__chain")).values("id")[:1]
    rows = (
        Agent.objects.filter(version__chain__in=chains, version=Subquery(newest))
        .order_by("index")
        .values_list("version__chain_id", "name", "connection_type", "condition")
    )
    agents: dict[int, list[PlanAgent]] = {}
    for chain_id, *facts in rows:
        agents.setdefault(chain_id, []).append(PlanAgent(*facts))
    return agents


@cache
def _themes() -> tuple[Theme, ...]:
    demos = demo_chain_files()
    return tuple(
        Theme(theme, theme.capitalize(), tuple(_demo_card(demo) for demo in demos if demo.theme == theme))
        for theme in DEMO_THEMES
    )


def _demo_card(demo: DemoChain) -> ChainCard:
    file = demo.chain
    agents = [PlanAgent(agent.name, agent.connection_type.value, agent.condition) for agent in file.agents]
    return ChainCard(demo.slug, file.name, file.description, plan(agents))
