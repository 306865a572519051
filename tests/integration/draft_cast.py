"""A stage for tests of drafts: alice's chain, opened in the editor, and what its draft says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chains import actions
from chains.models import Agent, Chain, ChainVersion, User
from tests.integration.pages_cast import PARALLEL, agent, chain_of


def critics(owner: User) -> Chain:
    """Make a published chain: Ada and Ben at the same time, then an editor who names Ada."""
    editor = replace(agent("Editor"), prompt="Use {{agents.ada}} and {{ previous }}")
    return chain_of(owner, agent("Ada", PARALLEL), agent("Ben", PARALLEL), editor)


def long_chain(owner: User, count: int) -> Chain:
    """Make a published chain of many agents, of whom each names the first."""
    ada, last = agent("Ada"), replace(agent("Last"), prompt="{{agents.ada}}")
    others = [
        replace(ada, name=f"Agent {n}", slug=f"agent-{n}", prompt="{{agents.ada}}") for n in range(2, count)
    ]
    return chain_of(owner, ada, *others, last)


def draft_of(chain: Chain) -> ChainVersion:
    """Open a chain's draft, as another window does too."""
    return actions.open_draft(chain=chain)


def find(draft: ChainVersion, slug: str) -> Agent:
    """Read an agent of a draft."""
    return draft.agents.get(slug=slug)


def save(draft: ChainVersion, slug: str, **fields: object) -> ChainVersion:
    """Save fields of an agent in a window that is up to date."""
    return actions.save_agent(
        draft=draft, agent_id=find(draft, slug).pk, fields=fields, revision=draft.revision
    )


def names(draft: ChainVersion) -> list[str]:
    """Read the names of a draft's agents, in their order."""
    return list(draft.agents.order_by("index").values_list("name", flat=True))


def connections(draft: ChainVersion) -> list[str]:
    """Read how a draft's agents are connected."""
    return list(draft.agents.order_by("index").values_list("connection_type", flat=True))


def said(draft: ChainVersion) -> list[dict[str, Any]]:
    """Read everything that a draft's agents say, ids too."""
    return [dict(row) for row in draft.agents.order_by("index").values()]
