"""Agents of a draft: change one, add, copy, move, remove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.text import slugify

from chains.actions.agent_fields import as_typed, read_connection, read_field
from chains.actions.drafts import copies, edit_draft
from chains.actions.errors import ActionError, StaleDraft
from chains.actions.names import MAX_NAME
from chains.chainfile import MAX_AGENTS, agent_slugs
from chains.engine import conditions, prompts
from chains.models import Agent, ChainVersion, LanguageModel
from chains.models.chain import ConnectionType

WHAT = {
    "name": "name",
    "model": "model",
    "system_prompt": "system prompt",
    "prompt": "prompt",
    "connection_type": "connection",
    "condition": "rule",
    "temperature": "temperature",
    "max_output_tokens": "longest answer",
}


def save_agent(
    *, draft: ChainVersion, agent_id: int, fields: Mapping[str, object], revision: int
) -> ChainVersion:
    """Save some fields of an agent as they were typed; a new name is rewritten wherever the old one is used.

    ``model`` is a model's id, empty for none. What is merely wrong is saved, and ``check_draft`` tells; what
    no column can hold raises ``ActionError`` for its field, and nothing is saved. Raises ``StaleDraft`` with
    both texts.
    """
    mine = {name: "" if value is None else str(value) for name, value in fields.items()}
    values = {name: read_field(name, text) for name, text in mine.items()}
    theirs: dict[str, str] = {}

    def change(agents: list[Agent]) -> str:
        agent = _find(agents, agent_id)
        theirs.update({name: _text_of(agent, name) for name in mine})
        for name, value in values.items():
            setattr(agent, _column(name), value)
        if "name" in values:
            _rename(agents, agent)
        return f"Changed {' and '.join(WHAT[name] for name in mine)} of {agent.name}"

    try:
        return edit_draft(draft=draft, revision=revision, change=change)
    except StaleDraft as error:
        raise StaleDraft(revision=error.revision, theirs=theirs, mine=mine) from error


def add_agent(
    *,
    draft: ChainVersion,
    revision: int,
    index: int,
    connection_type: str,
    source: Agent | None = None,
    beside: int | None = None,
) -> ChainVersion:
    """Add an agent at a place: a fresh one, or a copy of one of the owner's.

    ``beside`` is the agent that it runs at the same time as. Raises ``StaleDraft`` or another
    ``ActionError``.
    """
    if source and source.version.chain.owner_id != draft.chain.owner_id:
        raise ActionError("That agent is not there any more: pick another one.")

    def change(agents: list[Agent]) -> str:
        agent = copies([source], draft)[0] if source else _fresh(agents, draft)
        _insert(agents, agent, index)
        _connect(agents, agent, connection_type, beside)
        return f"Added {agent.name}"

    return edit_draft(draft=draft, revision=revision, change=change)


def duplicate_agent(*, draft: ChainVersion, agent_id: int, revision: int) -> ChainVersion:
    """Put a copy of an agent behind it. Raises ``StaleDraft`` or another ``ActionError``."""

    def change(agents: list[Agent]) -> str:
        agent = _find(agents, agent_id)
        copy = copies([agent], draft)[0]
        copy.name = _free_name(agents, agent.name, start=2)
        _insert(agents, copy, agents.index(agent) + 1)
        return f"Duplicated {agent.name}"

    return edit_draft(draft=draft, revision=revision, change=change)


def remove_agent(*, draft: ChainVersion, agent_id: int, revision: int) -> ChainVersion:
    """Take an agent out; undo brings it back. Raises ``StaleDraft`` or another ``ActionError``."""

    def change(agents: list[Agent]) -> str:
        agent = _find(agents, agent_id)
        agents.remove(agent)
        return f"Removed {agent.name}"

    return edit_draft(draft=draft, revision=revision, change=change)


def move_agent(
    *,
    draft: ChainVersion,
    agent_id: int,
    index: int,
    connection_type: str | None,
    revision: int,
    beside: int | None = None,
) -> ChainVersion:
    """Move an agent to a place, counted without it; ``beside`` is the agent whose group it joins.

    One that leaves a group and has a condition becomes conditional, so that no rule is lost. Raises
    ``StaleDraft`` or another ``ActionError``.
    """

    def change(agents: list[Agent]) -> str:
        agent = _find(agents, agent_id)
        agents.remove(agent)
        agents.insert(index, agent)
        _connect(agents, agent, connection_type, beside)
        return f"Moved {agent.name}"

    return edit_draft(draft=draft, revision=revision, change=change)


def _find(agents: Sequence[Agent], pk: int) -> Agent:
    agent = next((agent for agent in agents if agent.pk == pk), None)
    if agent is None:
        raise ActionError("That agent is not in the chain any more: this is how it stands now.")
    return agent


def _insert(agents: list[Agent], agent: Agent, index: int) -> None:
    if len(agents) >= MAX_AGENTS:
        raise ActionError(f"A chain may have {MAX_AGENTS} agents, and this one has: remove one first.")
    agent.slug = _free_slug(agents, agent.name)
    agents.insert(index, agent)


def _free_slug(others: Sequence[Agent], name: str) -> str:
    names = [*(agent.name for agent in others), name]
    return agent_slugs(names, given=[agent.slug for agent in others])[-1]


def _free_name(agents: Sequence[Agent], base: str, *, start: int) -> str:
    taken = {agent.name for agent in agents}
    names = (f"{base[: MAX_NAME - 4]} {number}".strip() for number in range(start, start + len(taken) + 1))
    return next(name for name in names if name not in taken)


def _fresh(agents: Sequence[Agent], draft: ChainVersion) -> Agent:
    """Make an agent that asks the same model as the last one."""
    name = _free_name(agents, "Agent", start=len(agents) + 1)
    if agents and agents[-1].model_id:
        return Agent(version=draft, name=name, model_id=agents[-1].model_id)
    return Agent(version=draft, name=name, model=LanguageModel.objects.default())


def _connect(agents: Sequence[Agent], agent: Agent, connection: str | None, beside: int | None) -> None:
    if beside is not None:
        # Two agents run at the same time only if both say so.
        _find(agents, beside).connection_type = ConnectionType.PARALLEL
        connection = ConnectionType.PARALLEL
    if connection is None:
        return
    if connection == ConnectionType.DIRECT and agent.condition.strip():
        connection = ConnectionType.CONDITIONAL
    agent.connection_type = read_connection(connection)


def _rename(agents: Sequence[Agent], agent: Agent) -> None:
    """Give a renamed agent its slug, and rewrite what names it; without Latin letters it keeps the old."""
    old, base = agent.slug, slugify(agent.name)
    if not base or base == old:
        return
    agent.slug = _free_slug([one for one in agents if one is not agent], agent.name)
    for one in agents:
        one.prompt = prompts.rename_agent(one.prompt, old, agent.slug)
        one.condition = conditions.rename_agent(one.condition, old, agent.slug)


def _column(field: str) -> str:
    return "model_id" if field == "model" else field


def _text_of(agent: Agent, field: str) -> str:
    return as_typed(getattr(agent, _column(field)))
