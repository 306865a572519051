"""What one message through a chain will cost, roughly: from short answers to long ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chains.engine import prompts
from chains.engine.plan import plan_stages
from chains.models import Agent, AgentStep
from chains.queries.figures import cost_text

MESSAGE_TOKENS = 200
SHORT_ANSWER, LONG_ANSWER = 150, 1_000  # tokens
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class _Case:
    """How long answers are, and whether agents with a condition run."""

    answer: int
    with_conditional: bool

    def runs(self, agent: Agent | AgentStep) -> bool:
        return self.with_conditional or not agent.condition.strip()

    def answer_of(self, agent: Agent | AgentStep) -> int:
        """Return an answer's tokens: without a limit of its own a long one has ``LONG_ANSWER``."""
        if self.with_conditional and agent.max_output_tokens:
            return agent.max_output_tokens
        return min(self.answer, agent.max_output_tokens or self.answer)


LEAST, MOST = _Case(SHORT_ANSWER, with_conditional=False), _Case(LONG_ANSWER, with_conditional=True)


def cost_range(agents: Sequence[Agent] | Sequence[AgentStep]) -> str:
    """Estimate what one message costs: ``$0.0012 to $0.0150 + 1 unknown``. Reads models and providers."""
    low, high = (cost_text(_costs(agents, case)) for case in (LEAST, MOST))
    return high if low == high else f"{low.partition(' + ')[0]} to {high}"


def _costs(agents: Sequence[Agent] | Sequence[AgentStep], case: _Case) -> list[Decimal | None]:
    """Return the cost of each agent's call in chain order; None where a price is unknown."""
    answers: dict[str, int] = {}
    handed_on = MESSAGE_TOKENS
    costs = []
    for stage in plan_stages([agent.connection_type for agent in agents]):
        members = [agents[index] for index in stage.members]
        costs += [_cost(agent, _given(agent, answers, handed_on), case) for agent in members]
        written = {agent.slug: case.answer_of(agent) for agent in members if case.runs(agent)}
        answers |= written
        # A stage that is skipped hands on what it received.
        handed_on = sum(written.values()) or handed_on
    return costs


def _given(agent: Agent | AgentStep, answers: Mapping[str, int], handed_on: int) -> int:
    """Return the tokens that an agent reads."""
    references = prompts.references(agent.prompt)
    read = sum(_named(reference, answers, handed_on) for reference in references) if references else handed_on
    return read + (len(agent.prompt) + len(agent.system_prompt)) // CHARACTERS_PER_TOKEN


def _named(reference: prompts.Reference, answers: Mapping[str, int], handed_on: int) -> int:
    if reference.slug:
        return answers.get(reference.slug, 0)
    return MESSAGE_TOKENS if reference.name == "input" else handed_on


def _cost(agent: Agent | AgentStep, given: int, case: _Case) -> Decimal | None:
    model = agent.model
    if model is not None and model.is_simulated:
        return Decimal(0)
    if model is None or model.input_price is None or model.output_price is None:
        return None
    if not case.runs(agent):
        return Decimal(0)
    return (model.input_price * given + model.output_price * case.answer_of(agent)) / 1_000_000
