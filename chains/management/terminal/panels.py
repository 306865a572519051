"""Live columns: the agents of the running stage side by side, those before and after it a line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from chains.engine.events import Event
from chains.management.terminal.progress import Progress, StepProgress, printable
from chains.models import AgentStep
from chains.models.chain import ConnectionType
from chains.models.run import StepStatus
from chains.queries import spoken_list, status_label

COLOURS = {
    ConnectionType.DIRECT: "dodger_blue1",
    ConnectionType.CONDITIONAL: "orange1",
    ConnectionType.PARALLEL: "medium_purple1",
}
MARKS = {
    StepStatus.COMPLETED: ("✓", "green"),
    StepStatus.FAILED: ("✗", "red"),
    StepStatus.INTERRUPTED: ("✗", "red"),
    StepStatus.CANCELLED: ("■", "yellow"),
    StepStatus.SKIPPED: ("–", "dim"),
}
REFRESH_PER_SECOND = 10
MIN_COLUMN = 32  # characters
MIN_ROWS, FRAME_ROWS = 4, 2


class LivePanels:
    """Draws a run while it goes on and takes the drawing away at its end."""

    def __init__(self, console: Console, steps: Sequence[AgentStep]) -> None:
        self._console = console
        self._progress = Progress(steps)
        self._live = Live(
            console=console,
            get_renderable=self.draw,
            refresh_per_second=REFRESH_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> LivePanels:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def emit(self, event: Event) -> None:
        """Take an event of the run; the next refresh shows it."""
        self._progress.take(event)

    def draw(self) -> RenderableType:
        """Return the present picture, as high as the terminal at most."""
        return Group(*self._rows())

    def _rows(self) -> Iterator[RenderableType]:
        all_steps = list(self._progress.steps.values())
        stages = [list(steps) for _, steps in groupby(all_steps, key=lambda one: one.step.execution_group)]
        running = next((stage for stage in stages if any(one.attempt and one.is_live for one in stage)), [])
        room = self._console.height - 1 - len(all_steps) + len(running)
        before = ""
        for stage in stages:
            if stage is running:
                yield self._columns(stage, room)
            else:
                yield from (_line(one, before) for one in stage)
            before = spoken_list([one.step.name for one in stage])

    def _columns(self, stage: Sequence[StepProgress], room: int) -> Table:
        in_row = max(1, min(len(stage), self._console.width // MIN_COLUMN))
        rows = -(-len(stage) // in_row)
        height = max(MIN_ROWS, room // rows)
        width = self._console.width // in_row
        table = Table.grid(expand=True)
        for _ in range(in_row):
            table.add_column(ratio=1)
        for start in range(0, len(stage), in_row):
            table.add_row(*(self._panel(one, width, height) for one in stage[start : start + in_row]))
        return table

    def _panel(self, one: StepProgress, width: int, height: int) -> Panel:
        # Only the end of the text can be seen: more is not worth wrapping ten times a second.
        end = Text(printable(one.text[-width * height :]))
        lines = end.wrap(self._console, max(1, width - 4))[-(height - FRAME_ROWS) :]
        return Panel(
            Text("\n").join(lines),
            title=Text(f"{printable(one.step.name)} · {one.step.model.name}"),
            subtitle=Text(_state(one, "")),
            border_style=colour_of(one.step),
            height=height,
        )


def colour_of(step: AgentStep) -> str:
    """Return the colour of a step's connection."""
    return COLOURS[ConnectionType(step.connection_type)]


def _line(one: StepProgress, before: str) -> Text:
    mark, style = MARKS.get(StepStatus(one.status), ("·", "dim"))
    took = f" {one.took}" if one.took else ""
    return Text.assemble(
        (f"{mark} ", style),
        (printable(one.step.name), colour_of(one.step)),
        (f"  {_state(one, before)}{took}", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _state(one: StepProgress, before: str) -> str:
    parallel = one.step.connection_type == ConnectionType.PARALLEL
    return status_label(parallel=parallel, status=one.status, waiting_for=printable(before))
