"""How a run looks in a terminal while it goes on."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from chains.engine.events import AttemptEnded, StepsSkipped, StepStarted, StepStreaming, TextDelta
from chains.management.terminal import LivePanels
from chains.models import AgentStep, LanguageModel, Provider

NOW = datetime(2026, 11, 24, tzinfo=UTC)
HEIGHT = 24
PURPLE, BLUE, AMBER = "38;5;141", "38;5;33", "38;5;214"


def steps_of(*connections: str) -> list[AgentStep]:
    """Make steps as a run has them: consecutive parallel ones share a stage."""
    model = LanguageModel(provider=Provider(slug="test", name="Test"), model_id="one", name="One")
    steps: list[AgentStep] = []
    for index, connection in enumerate(connections):
        joins = steps and connection == steps[-1].connection_type == "parallel"
        stage = steps[-1].execution_group + (not joins) if steps else 1
        steps.append(
            AgentStep(
                pk=index,
                index=index,
                name=f"Agent {index}",
                model=model,
                connection_type=connection,
                execution_group=stage,
            )
        )
    return steps


class Screen:
    """A terminal of 100 × 24 that shows a run."""

    def __init__(self, *connections: str) -> None:
        self._console = Console(
            file=io.StringIO(), record=True, force_terminal=True, width=100, height=HEIGHT, color_system="256"
        )
        self.view = LivePanels(self._console, steps_of(*connections))

    def start(self, *steps: int, attempt: int = 1) -> None:
        for step in steps:
            self.view.emit(StepStarted(1, step, attempt, NOW))

    def stream(self, step: int, text: str) -> None:
        self.view.emit(StepStreaming(1, step, 1, NOW))
        self.view.emit(TextDelta(1, step, 1, 0, text))

    def end(self, step: int, status: str = "completed", **facts: bool) -> None:
        self.view.emit(AttemptEnded(1, step, 1, status, 0, "", NOW + timedelta(seconds=2), **facts))

    def shown(self, *, styles: bool = False) -> str:
        self._console.print(self.view.draw())
        return self._console.export_text(styles=styles)


def test_the_members_of_a_group_stand_side_by_side_with_their_own_text():
    screen = Screen("parallel", "parallel", "direct")
    screen.start(0, 1)
    screen.stream(0, "apples")
    screen.stream(1, "pears")
    [line] = [line for line in screen.shown().splitlines() if "apples" in line]
    assert line.index("apples") < line.index("pears")


def test_connections_keep_their_colours():
    screen = Screen("parallel", "parallel", "direct", "conditional")
    shown = screen.shown(styles=True)
    assert PURPLE in shown
    assert BLUE in shown
    assert AMBER in shown


def test_those_who_wait_say_for_whom_and_those_who_ended_say_how_long():
    screen = Screen("direct", "direct", "direct")
    screen.start(0)
    screen.end(0)
    screen.start(1)
    shown = screen.shown()
    assert "✓ Agent 0  Completed 2.0 s" in shown
    assert "· Agent 2  Waiting for Agent 1…" in shown


def test_a_step_that_tries_again_is_still_at_work():
    screen = Screen("direct", "direct")
    screen.start(0)
    screen.stream(0, "lost")
    screen.end(0, "failed", will_retry=True)
    screen.start(0, attempt=2)
    shown = screen.shown()
    assert "✗" not in shown
    assert "lost" not in shown


def test_a_skipped_step_is_marked():
    screen = Screen("direct", "conditional")
    screen.view.emit(StepsSkipped(1, (1,)))
    assert "– Agent 1  Skipped" in screen.shown()


@pytest.mark.parametrize("members", [1, 2, 5, 12])
def test_the_picture_is_never_higher_than_the_terminal(members: int):
    screen = Screen(*["parallel"] * members, "direct")
    screen.start(*range(members))
    for step in range(members):
        screen.stream(step, "many words " * 2_000 + "the end")
    shown = screen.shown()
    assert len(shown.splitlines()) < HEIGHT
    assert shown.count("the end") == members


def test_codes_in_a_models_text_are_not_obeyed():
    screen = Screen("direct")
    screen.start(0)
    screen.stream(0, "red\x1b[31m bell\x07 return\r gone\x9b2J")
    shown = screen.shown(styles=True)
    assert "\x1b[31m" not in shown
    assert not {"\x07", "\r", "\x9b"} & set(shown)
