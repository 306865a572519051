"""What a session can start from: own chains, demo chains, models to compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from django.db.models import Case, F, OuterRef, Subquery, Value, When
from django.db.models.functions import Coalesce, Greatest

from chains.chainfile import DEMO_THEMES, ChainFile, DemoChain, demo_chain_files
from chains.engine.plan import plan_stages
from chains.models import Agent, Chain, ChainVersion, LanguageModel, User
from chains.providers.registry import SIMULATED_KINDS

MAX_CARDS = 24  # of one's own chains on the start page


@dataclass(frozen=True, slots=True)
class PlanAgent:
    """An agent as a drawing of its chain shows it."""

    name: str
    connection_type: str
    condition: str
    model: str = ""


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
    """Return the chains that the user worked with last and can run, and the demo chains by theme."""
    mine = Chain.objects.visible_to(user).active().named().filter(versions__published_at__isnull=False)
    chains = list(mine.distinct().order_by(Greatest("updated_at", last_use()).desc(), "-id")[:MAX_CARDS])
    agents = newest_agents(chains)
    cards = [
        ChainCard(chain.slug, chain.name, chain.description, plan(agents.get(chain.pk, [])))
        for chain in chains
    ]
    return cards, _themes()


def chain_plan(chain: Chain) -> tuple[PlanStage, ...]:
    """Return the stages of a chain's newest version; of its draft if it was never published."""
    return plan(newest_agents([chain]).get(chain.pk, []))


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


def last_use() -> Coalesce:
    """Order chains by their last use; one that was never used counts from the day it was made."""
    return Coalesce("used_at", "created_at")


def newest_agents(chains: Sequence[Chain]) -> dict[int, list[PlanAgent]]:
    """Return the agents of each chain's newest version, else of its draft, with one query for all."""
    versions = ChainVersion.objects.filter(chain=OuterRef("version__chain"))
    newest = versions.order_by(F("number").desc(nulls_last=True)).values("id")[:1]
    rows = (
        Agent.objects.filter(version__chain__in=chains, version=Subquery(newest))
        .order_by("index")
        .values_list(
            "version__chain_id", "name", "connection_type", "condition", Coalesce("model__name", Value(""))
        )
    )
    agents: dict[int, list[PlanAgent]] = {}
    for chain_id, *facts in rows:
        agents.setdefault(chain_id, []).append(PlanAgent(*facts))
    return agents


def file_plan(file: ChainFile) -> tuple[PlanStage, ...]:
    """Return the stages of a chain file."""
    return plan(
        [
            PlanAgent(agent.name, agent.connection_type.value, agent.condition, agent.model)
            for agent in file.agents
        ]
    )


def matching_demos(words: Sequence[str]) -> list[ChainCard]:
    """Return the demo chains in which every word stands: in a name, the description, a prompt, the theme."""
    return [_demo_card(demo) for demo in demo_chain_files() if _has_words(demo, words)]


@cache
def _themes() -> tuple[Theme, ...]:
    demos = demo_chain_files()
    return tuple(
        Theme(theme, theme.capitalize(), tuple(_demo_card(demo) for demo in demos if demo.theme == theme))
        for theme in DEMO_THEMES
    )


def _demo_card(demo: DemoChain) -> ChainCard:
    return ChainCard(demo.slug, demo.chain.name, demo.chain.description, file_plan(demo.chain))


def _has_words(demo: DemoChain, words: Sequence[str]) -> bool:
    agents = (text for agent in demo.chain.agents for text in (agent.name, agent.system_prompt, agent.prompt))
    said = "\n".join([demo.chain.name, demo.chain.description, demo.theme, *agents]).casefold()
    return all(word.casefold() in said for word in words)
