"""What is known of a run's steps while it goes on, from its events, and the plain lines that say it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console

from chains.engine.events import AttemptEnded, Event, StepsSkipped, StepStarted, StepStreaming, TextDelta
from chains.models import AgentStep
from chains.models.run import LIVE_STEP, StepStatus
from chains.queries import duration_text, milliseconds_between

# A model's text may hold codes that a terminal obeys.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Take out what a terminal would obey instead of showing it."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n"))


@dataclass(slots=True)
class StepProgress:
    """One step as far as events have told."""

    step: AgentStep
    status: str = StepStatus.PENDING
    attempt: int = 0
    text: str = ""
    started_at: datetime | None = None
    took: str = ""

    @property
    def is_live(self) -> bool:
        """Whether it has no final status yet."""
        return self.status in LIVE_STEP

    def start(self, attempt: int, at: datetime) -> None:
        """Begin an attempt."""
        self.status, self.attempt, self.started_at, self.text = StepStatus.RUNNING, attempt, at, ""

    def end(self, event: AttemptEnded) -> None:
        """End an attempt; the step goes on when another follows."""
        self.status = StepStatus.RUNNING if event.will_retry else event.status
        if self.started_at:
            self.took = duration_text(milliseconds_between(self.started_at, event.at))


class Progress:
    """All steps of a run."""

    def __init__(self, steps: Sequence[AgentStep]) -> None:
        self.steps = {step.pk: StepProgress(step) for step in steps}

    def take(self, event: Event) -> None:
        """Learn from an event; those that concern no step change nothing."""
        if isinstance(event, TextDelta):
            self.steps[event.step].text += event.text
        elif isinstance(event, StepStarted):
            self.steps[event.step].start(event.attempt, event.at)
        elif isinstance(event, StepStreaming):
            self.steps[event.step].status = StepStatus.STREAMING
        elif isinstance(event, AttemptEnded):
            self.steps[event.step].end(event)
        elif isinstance(event, StepsSkipped):
            for step in event.steps:
                self.steps[step].status = StepStatus.SKIPPED


class PlainLines:
    """Says what happens in lines, for a pipe or a log."""

    def __init__(self, console: Console, steps: Sequence[AgentStep]) -> None:
        self._console = console
        self._progress = Progress(steps)

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def emit(self, event: Event) -> None:
        """Take an event of the run."""
        self._progress.take(event)
        if isinstance(event, StepStarted):
            again = f" again (attempt {event.attempt})" if event.attempt > 1 else ""
            self._say(event.step, f"started{again}")
        elif isinstance(event, AttemptEnded):
            what = f"attempt {event.attempt} failed" if event.will_retry else event.status
            self._say(event.step, f"{what} after {self._progress.steps[event.step].took}")
        elif isinstance(event, StepsSkipped):
            for step in event.steps:
                self._say(step, "skipped")

    def _say(self, step_id: int, what: str) -> None:
        step = self._progress.steps[step_id].step
        line = f"{printable(step.name)} ({step.model.label}) {what}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
