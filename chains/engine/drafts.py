"""A draft as a document, and all that keeps it from being published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from chains.engine.plan import AgentSpec, ConnectionType, Fault, Severity, agent_fault, check_chain
from chains.models import Agent, ChainVersion

MAX_TEMPERATURE = 2
MAX_OUTPUT_TOKENS = 1_000_000
TEXT_FIELDS = ("name", "slug", "system_prompt", "prompt", "connection_type", "condition")
FIELDS = (*TEXT_FIELDS, "model_id", "temperature", "max_output_tokens")
VERSION_FIELDS = ("on_failure", "on_interruption")
CHAIN_FIELDS = ("name", "description")

Document = dict[str, Any]


def document_of(draft: ChainVersion, agents: Sequence[Agent]) -> Document:
    """Write a draft as JSON; agents keep their ids, so that a page knows them again after undo."""
    return {
        **{name: getattr(draft.chain, name) for name in CHAIN_FIELDS},
        **{name: getattr(draft, name) for name in VERSION_FIELDS},
        "agents": [agent_document(agent) for agent in agents],
    }


def agent_document(agent: Agent) -> Document:
    """Write an agent as JSON."""
    return {"id": agent.pk, **{name: getattr(agent, name) for name in FIELDS}}


def agents_of(document: Document) -> list[Agent]:
    """Read the agents of a document, not yet saved."""
    return [Agent(**said) for said in document["agents"]]


def draft_faults(agents: Sequence[Agent]) -> list[Fault]:
    """List what is wrong with a draft, agent by agent. Reads the agents' models and providers."""
    faults = check_chain([_spec(agent) for agent in agents])
    for index, agent in enumerate(agents):
        faults += [
            agent_fault(index, agent.name, field, words, severity)
            for field, words, severity in _own_faults(agent)
        ]
    return sorted(faults, key=lambda fault: -1 if fault.agent is None else fault.agent)


def _spec(agent: Agent) -> AgentSpec:
    return AgentSpec(
        name=agent.name,
        slug=agent.slug,
        connection=ConnectionType(agent.connection_type),
        prompt=agent.prompt,
        system_prompt=agent.system_prompt,
        condition=agent.condition,
    )


def _own_faults(agent: Agent) -> Iterator[tuple[str, str, Severity]]:
    yield from _model_faults(agent)
    if agent.temperature is not None:
        if not 0 <= agent.temperature <= MAX_TEMPERATURE:
            message = f": the temperature must lie between 0 and {MAX_TEMPERATURE}."
            yield "temperature", message, Severity.FAULT
        elif agent.model and not agent.model.temperature_allowed:
            message = f": {agent.model.name} takes no temperature, so none is sent."
            yield "temperature", message, Severity.WARNING
    if agent.max_output_tokens == 0:
        yield "max_output_tokens", ": an answer needs at least one token.", Severity.FAULT
    elif agent.max_output_tokens and agent.max_output_tokens > MAX_OUTPUT_TOKENS:
        message = f": an answer may have at most {MAX_OUTPUT_TOKENS:,} tokens."
        yield "max_output_tokens", message, Severity.FAULT


def _model_faults(agent: Agent) -> Iterator[tuple[str, str, Severity]]:
    model = agent.model
    if model is None:
        yield "model", " has no model: choose one.", Severity.FAULT
    elif not model.is_usable:
        is_off = not (model.enabled and model.provider.enabled)
        why = "is switched off" if is_off else f"cannot be called: {model.provider}'s key is not set here"
        yield "model", f": {model.name} {why}; choose another model.", Severity.FAULT
