"""Agents of a person's other chains, to copy into the one that is edited."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from django.db.models import OuterRef, Q, Subquery

from chains.models import Agent, Chain, ChainVersion, User

MAX_REUSABLE = 200  # agents in one list


@dataclass(frozen=True, slots=True)
class ReusableChain:
    """A chain, and the agents of its newest version that have the words one looks for."""

    name: str
    agents: tuple[Agent, ...]


def reusable_agents(user: User, *, leave_out: Chain, words: str = "") -> list[ReusableChain]:
    """Return agents that can be copied, by chain: every word stands in a name, a prompt or a model."""
    newest = ChainVersion.objects.published().filter(chain=OuterRef("version__chain")).values("id")[:1]
    chains = Chain.objects.visible_to(user).active().named().exclude(pk=leave_out.pk)
    agents = Agent.objects.filter(version__chain__in=chains, version=Subquery(newest))
    for word in words.split():
        agents = agents.filter(_has(word))
    rows = agents.select_related("version__chain", "model__provider")
    ordered = rows.order_by("version__chain__name", "version__chain_id", "index")[:MAX_REUSABLE]
    by_chain = groupby(ordered, key=lambda agent: agent.version.chain)
    return [ReusableChain(chain.name, tuple(group)) for chain, group in by_chain]


def reusable_agent(user: User, pk: int) -> Agent | None:
    """Return an agent of one of the user's chains, its version and chain loaded."""
    agents = Agent.objects.filter(version__chain__owner=user, pk=pk)
    return agents.select_related("version__chain").first()


def _has(word: str) -> Q:
    columns = ("name", "prompt", "system_prompt", "model__name", "model__model_id", "version__chain__name")
    condition = Q()
    for column in columns:
        condition |= Q(**{f"{column}__icontains": word})
    return condition
