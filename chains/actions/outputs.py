"""What a run that did not complete had come to."""

from __future__ import annotations

from django.db.models import F

from chains.engine.prompts import MemberResult, group_output
from chains.models import Run, StepAttempt
from chains.models.chain import ConnectionType
from chains.models.run import StepStatus


def partial_output(run: Run) -> str:
    """Return the texts of the last stage that has any, complete or not; empty if no stage has."""
    answers = (
        StepAttempt.objects.filter(step__run=run, number=F("step__current_attempt"))
        .exclude(text="")
        .select_related("step__model__provider")
        .defer("messages", "reasoning")
        .order_by("step__index")
    )
    stages: dict[int, list[StepAttempt]] = {}
    for answer in answers:
        stages.setdefault(answer.step.execution_group, []).append(answer)
    return _joined(stages[max(stages)]) if stages else ""


def _joined(answers: list[StepAttempt]) -> str:
    if answers[0].step.connection_type != ConnectionType.PARALLEL:
        return answers[0].text
    # Kept text counts as an answer, so that what was cut short is handed on too.
    return group_output(
        [
            MemberResult(answer.step.name, answer.step.model.label, StepStatus.COMPLETED, answer.text, "")
            for answer in answers
        ]
    )
