"""A run as the executor needs it: loaded once, never changed, free of the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from chains.engine.history import Turn
from chains.engine.plan import ConnectionType
from chains.providers.base import Endpoint, Image, ModelFlags


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model and where it is reached. Prices are USD per million tokens, None when unknown.

    ``row`` is the LanguageModel's, None where there is no database.
    """

    label: str
    model_id: str
    endpoint: Endpoint
    flags: ModelFlags = ModelFlags()
    context_window: int | None = None
    input_price: Decimal | None = None
    output_price: Decimal | None = None
    row: int | None = None


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One agent's part of a run. ``id`` is the AgentStep's row, ``stage`` counts from 1.

    A run that is taken up again knows how far each step had come: its ``status``, how many ``attempts`` it
    had, and whether a person has still to decide how it goes on.
    """

    id: int
    index: int
    stage: int
    name: str
    slug: str
    connection: ConnectionType
    model: ModelSpec
    prompt: str = ""
    system_prompt: str = ""
    condition: str = ""
    temperature: float | None = None
    max_output_tokens: int | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    status: str = "pending"
    attempts: int = 0
    is_undecided: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is still to be run."""
        return self.status == "pending"


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One message on its way through one chain version. ``images`` came with it: they go where it goes."""

    id: int
    session: int
    input: str
    steps: tuple[StepSpec, ...]
    continue_on_failure: bool = False
    history: tuple[Turn, ...] = ()
    images: tuple[Image, ...] = ()

    def stages(self) -> list[tuple[StepSpec, ...]]:
        """Return the steps stage by stage, in chain order."""
        numbers = sorted({step.stage for step in self.steps})
        return [tuple(step for step in self.steps if step.stage == number) for number in numbers]
