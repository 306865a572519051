"""A rule tried on a text, before a run has to."""

from __future__ import annotations

from dataclasses import dataclass

from chains.engine import conditions
from chains.engine.conditions import ConditionError, Subjects, Verdict


@dataclass(frozen=True, slots=True)
class RuleTrial:
    """What a rule said of a text, or what is wrong with it; ``position`` counts code points."""

    verdict: Verdict | None = None
    error: str = ""
    position: int | None = None


def condition_try(source: str, text: str, *, input: str = "") -> RuleTrial:
    """Test a rule on a text that stands for the previous output and every agent's."""
    try:
        condition = conditions.parse(source)
    except ConditionError as error:
        return RuleTrial(
            error=f"At character {error.position + 1}: {error.message}.", position=error.position
        )
    if condition.is_otherwise:
        return RuleTrial(
            error="Otherwise has no test of its own: it holds if no other rule of its group does."
        )
    agents = dict.fromkeys(condition.references, text)
    return RuleTrial(condition.evaluate(Subjects(previous=text, input=input or text, agents=agents)))
