"""The waterfall: every call of a run on one time axis. Nothing here asks the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise

from django.utils import timezone

from chains.models import AgentStep, Run, StepAttempt
from chains.models.run import LIVE_ATTEMPT
from chains.queries.figures import duration_text, milliseconds_between

# A longer time in which no call was live is drawn as a break of this share of the rest.
LONGEST_IDLE_MS = 30_000
BREAK_SHARE = 0.07
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Bar:
    """One call on the time axis; times in ms since the run's start. A live one ends now."""

    name: str
    slug: str
    connection: str
    status: str
    stage: int
    start_ms: int
    first_token_ms: int | None
    end_ms: int
    lasted_ms: int
    attempt: int

    @property
    def is_live(self) -> bool:
        """Whether it goes on."""
        return self.status in LIVE_ATTEMPT

    @property
    def wait_end_ms(self) -> int:
        """Until when it had no token."""
        return self.end_ms if self.first_token_ms is None else self.first_token_ms


@dataclass(frozen=True, slots=True)
class Lane:
    """One agent's line: its calls, one after the other. ``begins`` says that it is the first of its stage."""

    step: int
    name: str
    connection: str
    status: str
    stage: int
    begins: bool
    bars: list[Bar]

    @property
    def lasted_ms(self) -> int:
        """How long its calls took together."""
        return sum(bar.lasted_ms for bar in self.bars)

    @property
    def figures(self) -> str:
        """Its times in words."""
        if not self.bars:
            return ""
        parts = [f"began after {duration_text(self.bars[0].start_ms)}"]
        if len(self.bars) > 1:
            parts.append(f"{len(self.bars)} attempts")
        last = self.bars[-1]
        if last.first_token_ms is None:
            parts.append("no token came")
        else:
            parts.append(f"first token {duration_text(last.first_token_ms - last.start_ms)} later")
            parts.append(f"streamed {duration_text(last.end_ms - last.first_token_ms)}")
        return ", ".join([*parts, f"ended at {duration_text(last.end_ms)}"])

    @property
    def calls_json(self) -> str:
        """Its calls for a page that goes on drawing: attempt, start, first token, end; null where open."""
        return json.dumps(
            [
                [bar.attempt, bar.start_ms, bar.first_token_ms, None if bar.is_live else bar.end_ms]
                for bar in self.bars
            ]
        )


@dataclass(frozen=True)
class Waterfall:
    """A run's calls by agent. ``idle`` are the long times in which none was live, drawn as breaks."""

    lanes: list[Lane]
    idle: list[Span]
    width_ms: int
    wall_ms: int
    is_live: bool

    @cached_property
    def bars(self) -> list[Bar]:
        """All calls in the order of their start."""
        return sorted((bar for lane in self.lanes for bar in lane.bars), key=lambda bar: bar.start_ms)

    @property
    def sum_ms(self) -> int:
        """What the calls took, added up."""
        return sum(bar.lasted_ms for bar in self.bars)

    @property
    def idle_ms(self) -> int:
        """How long the run waited."""
        return sum(end - start for start, end in self.idle)

    @property
    def idle_json(self) -> str:
        """The breaks for a page that goes on drawing."""
        return json.dumps(self.idle)

    @property
    def break_ms(self) -> float:
        """How wide a break is drawn, in ms of the axis."""
        return max(1.0, (self.width_ms - self.idle_ms) * BREAK_SHARE)

    @property
    def drawn_ms(self) -> float:
        """The width of the axis with its breaks."""
        return self.width_ms - self.idle_ms + self.break_ms * len(self.idle)

    def drawn_at(self, ms: float) -> float:
        """Return where a moment stands on the drawn axis, in its ms."""
        place = ms
        for start, end in self.idle:
            if ms >= end:
                place -= end - start - self.break_ms
            elif ms > start:
                place -= (ms - start) * (1 - self.break_ms / (end - start))
        return place


def idle_spans(calls: Sequence[Span], end_ms: int | None) -> list[Span]:
    """Return the long times in which no call was live, up to the run's end if it has ended."""
    spans = sorted(calls)
    if not spans:
        return []
    covered, until = [spans[0]], spans[0][1]
    for start, end in spans[1:]:
        covered.append((max(start, until), max(end, until)))
        until = max(end, until)
    edges = [(0, 0), *covered, *([(end_ms, end_ms)] if end_ms is not None else [])]
    return [
        (before[1], after[0]) for before, after in pairwise(edges) if after[0] - before[1] > LONGEST_IDLE_MS
    ]


def waterfall_of(run: Run, steps: Sequence[AgentStep]) -> Waterfall | None:
    """Place a run's calls on one time axis, up to now while it is live; None if it ended without one."""
    began = run.started_at or run.created_at
    now = run.finished_at or (timezone.now() if run.started_at else began)
    lanes = _lanes(steps, began, now)
    spans = [(bar.start_ms, bar.end_ms) for lane in lanes for bar in lane.bars]
    if not (spans or run.is_live):
        return None
    wall = milliseconds_between(began, now)
    return Waterfall(
        lanes=lanes,
        idle=idle_spans(spans, None if run.is_live else wall),
        width_ms=max([wall, *(end for _, end in spans)]),
        wall_ms=wall,
        is_live=run.is_live,
    )


def _lanes(steps: Sequence[AgentStep], began: datetime, now: datetime) -> list[Lane]:
    stages = [0, *(step.execution_group for step in steps)]
    return [
        Lane(
            step=step.pk,
            name=step.name,
            connection=step.connection_type,
            status=step.status,
            stage=step.execution_group,
            begins=step.execution_group != stages[index],
            bars=[_bar(step, attempt, began, now) for attempt in step.attempts.all()],
        )
        for index, step in enumerate(steps)
    ]


def _bar(step: AgentStep, attempt: StepAttempt, began: datetime, now: datetime) -> Bar:
    first = attempt.first_token_at
    return Bar(
        name=step.name,
        slug=step.slug,
        connection=step.connection_type,
        status=attempt.status,
        stage=step.execution_group,
        start_ms=milliseconds_between(began, attempt.started_at),
        first_token_ms=milliseconds_between(began, first) if first else None,
        end_ms=milliseconds_between(began, attempt.finished_at or now),
        # By itself: the difference of two rounded times would not be what the column says.
        lasted_ms=milliseconds_between(attempt.started_at, attempt.finished_at or now),
        attempt=attempt.number,
    )
