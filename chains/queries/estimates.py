"""What one message through a chain will cost, roughly: from short answers to long ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chains.engine import prompts
from chains.engine.history import UNKNOWN_WINDOW_TOKENS
from chains.engine.plan import plan_stages
from chains.models import Agent, AgentStep
from chains.queries.figures import cost_text

MESSAGE_TOKENS = 200
SHORT_ANSWER, LONG_ANSWER = 150, 1_000  # tokens
SMALL_IMAGE, LARGE_IMAGE = 250, 1_600  # tokens
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class MessageSize:
    """A message, roughly: tokens of its text and of what was said ``before`` it, and its pictures."""

    text: int = MESSAGE_TOKENS
    before: int = 0
    images: int = 0


@dataclass(frozen=True, slots=True)
class _Case:
    """How long answers are, what a picture counts, and whether agents with a condition run."""

    answer: int
    image: int
    with_conditional: bool

    def runs(self, agent: Agent | AgentStep) -> bool:
        return self.with_conditional or not agent.condition.strip()

    def answer_of(self, agent: Agent | AgentStep) -> int:
        """Return an answer's tokens: without a limit of its own a long one has ``LONG_ANSWER``."""
        if self.with_conditional and agent.max_output_tokens:
            return agent.max_output_tokens
        return min(self.answer, agent.max_output_tokens or self.answer)


LEAST = _Case(SHORT_ANSWER, SMALL_IMAGE, with_conditional=False)
MOST = _Case(LONG_ANSWER, LARGE_IMAGE, with_conditional=True)


def cost_range(agents: Sequence[Agent] | Sequence[AgentStep], message: MessageSize = MessageSize()) -> str:
    """Estimate what one message costs: ``$0.0012 to $0.0150 + unknown for 1 call``.

    Reads models and providers.
    """
    low, high = (cost_text(_costs(agents, case, message)) for case in (LEAST, MOST))
    return high if low == high else f"{low.partition(' + ')[0]} to {high}"


def reads_input(agent: Agent | AgentStep, *, is_first: bool) -> bool:
    """Say whether the user's message, and with it its pictures, is part of what an agent is sent."""
    names = {reference.name for reference in prompts.references(agent.prompt)}
    return "input" in names or (is_first and (not names or "previous" in names))


def _costs(
    agents: Sequence[Agent] | Sequence[AgentStep], case: _Case, message: MessageSize
) -> list[Decimal | None]:
    """Return the cost of each agent's call in chain order; None where a price is unknown."""
    answers: dict[str, int] = {}
    handed_on = message.text
    costs = []
    for stage in plan_stages([agent.connection_type for agent in agents]):
        members = [agents[index] for index in stage.members]
        for agent in members:
            given = _given(agent, answers, handed_on, message)
            given += _around(agent, case, message, is_first=not answers)
            costs.append(_cost(agent, given, case))
        written = {agent.slug: case.answer_of(agent) for agent in members if case.runs(agent)}
        answers |= written
        # A stage that is skipped hands on what it received.
        handed_on = sum(written.values()) or handed_on
    return costs


def _given(agent: Agent | AgentStep, answers: Mapping[str, int], handed_on: int, message: MessageSize) -> int:
    """Return the tokens of an agent's prompt."""
    references = prompts.references(agent.prompt)
    named = (_named(reference, answers, handed_on, message) for reference in references)
    read = sum(named) if references else handed_on
    return read + (len(agent.prompt) + len(agent.system_prompt)) // CHARACTERS_PER_TOKEN


def _named(
    reference: prompts.Reference, answers: Mapping[str, int], handed_on: int, message: MessageSize
) -> int:
    if reference.slug:
        return answers.get(reference.slug, 0)
    return message.text if reference.name == "input" else handed_on


def _around(agent: Agent | AgentStep, case: _Case, message: MessageSize, *, is_first: bool) -> int:
    """Return the tokens that come with a prompt: earlier turns, as far as they fit, and pictures."""
    model = agent.model
    window = model.context_window if model else None
    before = min(message.before, UNKNOWN_WINDOW_TOKENS if window is None else window)
    is_shown = model is not None and model.vision and reads_input(agent, is_first=is_first)
    return before + (message.images * case.image if is_shown else 0)


def _cost(agent: Agent | AgentStep, given: int, case: _Case) -> Decimal | None:
    model = agent.model
    if model is not None and model.is_simulated:
        return Decimal(0)
    if model is None or model.input_price is None or model.output_price is None:
        return None
    if not case.runs(agent):
        return Decimal(0)
    return (model.input_price * given + model.output_price * case.answer_of(agent)) / 1_000_000
