"""What happens in a run, as frozen facts. The engine emits them; the journal and the live layer read them.

Offsets and lengths count Unicode code points. Times are aware UTC datetimes. ``step`` is the row id of an
AgentStep, ``attempt`` the number of its StepAttempt (1, 2, …).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run was taken by a process and begins."""

    run: int
    at: datetime


@dataclass(frozen=True, slots=True)
class StepStarted:
    """An attempt is recorded and its request leaves now."""

    run: int
    step: int
    attempt: int
    at: datetime


@dataclass(frozen=True, slots=True)
class StepStreaming:
    """The first token of an attempt came."""

    run: int
    step: int
    attempt: int
    at: datetime


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of an answer that begins at ``offset`` code points of the attempt's text."""

    run: int
    step: int
    attempt: int
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of an attempt's reasoning that begins at ``offset`` code points of it."""

    run: int
    step: int
    attempt: int
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """The closing frame of an attempt: authoritative over every delta before it.

    ``status`` is the attempt's final status; ``sha256`` is of the stored UTF-8. ``will_retry`` says that
    the same step goes on with attempt + 1.
    """

    run: int
    step: int
    attempt: int
    status: str
    length: int
    sha256: str
    at: datetime
    will_retry: bool = False


@dataclass(frozen=True, slots=True)
class StepsSkipped:
    """These steps will not run: a condition was false, or they were not reached."""

    run: int
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run has a final status; every step of it has one too."""

    run: int
    status: str
    at: datetime


Event = (
    RunStarted
    | StepStarted
    | StepStreaming
    | TextDelta
    | ReasoningDelta
    | AttemptEnded
    | StepsSkipped
    | RunEnded
)
Emit = Callable[[Event], None]
