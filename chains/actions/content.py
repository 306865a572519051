"""What a version says, as rows not yet saved: read from a chain file, compared, written to one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, cast

from django.db.models import Q

from chains.actions.errors import ActionError
from chains.chainfile import (
    DEFAULT_MODEL,
    ChainFile,
    ChainFileAgent,
    ChainFileError,
    FileFault,
    parse_chain_file,
    path_of,
)
from chains.engine.plan import ConnectionType
from chains.models import Agent, Chain, ChainVersion, LanguageModel

NO_MODEL = "No model can be used: set the key of a provider, or switch the simulated one on in the admin."

_FIELDS = (
    "name",
    "slug",
    "model_id",
    "system_prompt",
    "prompt",
    "connection_type",
    "condition",
    "temperature",
    "max_output_tokens",
)


@dataclass(frozen=True)
class Content:
    """What a run depends on in a version. Two are equal when every agent says the same, in the same order."""

    on_failure: str
    agents: tuple[Agent, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Content) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash(self._said())

    def _said(self) -> tuple[object, ...]:
        return (self.on_failure, *(tuple(getattr(agent, name) for name in _FIELDS) for agent in self.agents))


def content_of(version: ChainVersion) -> Content:
    """Read what a version says."""
    return Content(on_failure=version.on_failure, agents=tuple(version.agents.all()))


def says_the_same(one: ChainVersion, other: ChainVersion) -> bool:
    """Whether two versions say the same, also of what no chain file says."""
    return one.on_interruption == other.on_interruption and content_of(one) == content_of(other)


def file_content(file: ChainFile) -> Content:
    """Read what a chain file says, with the catalogue's models.

    Raises ``ChainFileError`` with the path of each model that is missing.
    """
    models = _models_of(file)
    return Content(
        on_failure=file.on_failure,
        agents=tuple(_agent(agent, place, models[agent.model]) for place, agent in enumerate(file.agents)),
    )


def read_chain_file(data: bytes | str) -> ChainFile:
    """Read a chain file. Raises ``ChainFileError`` with every fault, models that are missing among them."""
    return parse_chain_file(data, check=missing_models)


def missing_models(file: ChainFile) -> list[FileFault]:
    """Say which of a file's models the catalogue lacks, with their paths."""
    known = _labelled({agent.model for agent in file.agents})
    places = [
        place
        for place, agent in enumerate(file.agents)
        if agent.model != DEFAULT_MODEL and agent.model not in known
    ]
    return _missing(file.agents, places) if places else []


def exported(chain: Chain, version: ChainVersion) -> ChainFile:
    """Write a version as a chain file."""
    agents = version.agents.select_related("model__provider")
    return ChainFile(
        name=chain.name,
        slug=chain.slug,
        description=chain.description,
        on_failure=cast(Literal["stop", "continue"], version.on_failure),
        agents=tuple(_file_agent(agent) for agent in agents),
    )


def _agent(agent: ChainFileAgent, place: int, model: LanguageModel) -> Agent:
    return Agent(
        index=place,
        name=agent.name,
        slug=agent.slug,
        model=model,
        system_prompt=agent.system_prompt,
        prompt=agent.prompt,
        connection_type=agent.connection_type.value,
        condition=agent.condition,
        temperature=agent.temperature,
        max_output_tokens=agent.max_output_tokens,
    )


def _file_agent(agent: Agent) -> ChainFileAgent:
    return ChainFileAgent(
        name=agent.name,
        slug=agent.slug,
        model=agent.model.label if agent.model else DEFAULT_MODEL,
        system_prompt=agent.system_prompt,
        prompt=agent.prompt,
        connection_type=ConnectionType(agent.connection_type),
        condition=agent.condition,
        temperature=agent.temperature,
        max_output_tokens=agent.max_output_tokens,
    )


def _models_of(file: ChainFile) -> dict[str, LanguageModel]:
    labels = {agent.model for agent in file.agents}
    default = {DEFAULT_MODEL: _default_model()} if DEFAULT_MODEL in labels else {}
    if missing := missing_models(file):
        raise ChainFileError(missing)
    return _labelled(labels) | default


def _labelled(labels: Iterable[str]) -> dict[str, LanguageModel]:
    wanted = Q(pk__in=[])
    for label in labels:
        provider, _, model_id = label.partition("/")
        wanted |= Q(provider__slug=provider, model_id=model_id)
    return {model.label: model for model in LanguageModel.objects.filter(wanted).select_related("provider")}


def _default_model() -> LanguageModel:
    model = LanguageModel.objects.default()
    if model is None:
        raise ActionError(NO_MODEL)
    return model


def _missing(agents: Sequence[ChainFileAgent], places: Sequence[int]) -> list[FileFault]:
    known = [model.label for model in LanguageModel.objects.select_related("provider")]
    return [
        FileFault(path_of(("agents", place, "model")), _not_there(agents[place].model, known))
        for place in places
    ]


def _not_there(label: str, known: Sequence[str]) -> str:
    near = get_close_matches(label, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "choose another model, or ask an administrator to add it"
    return f"{label} is not in the catalogue; {hint}"
