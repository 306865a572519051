"""Live updates, second hop: what a socket sends to its page, as rendered text and the page's partials."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import Q
from django.template.loader import render_to_string

from chains import queries
from chains.models import AgentStep, ChatSession, Run
from chains.models.run import LIVE_RUN, LIVE_STEP, RunStatus, StepStatus
from chains.viewer import Change

# No row has such a status: whatever became of the run, it counts as changed. Pages greet with it, too.
INCOMPLETE = "incomplete"
MOST_KNOWN = 50_000  # runs and steps
# The order in which a step goes through its live statuses; every final one comes after them.
_PLACES: dict[str, int] = {
    **dict.fromkeys(StepStatus.values, len(LIVE_STEP)),
    **{status: place for place, status in enumerate(LIVE_STEP)},
}


@dataclass(slots=True)
class Page:
    """What a page shows as far as its socket knows: statuses of its runs and of the steps in live ones."""

    runs: dict[int, str] = field(default_factory=dict)
    steps: dict[int, str] = field(default_factory=dict)
    labels: dict[int, tuple[bool, str]] = field(default_factory=dict)
    # The runs that a page of older ones leaves out: it leads to them, and does not show them.
    gap: range = range(0)

    @classmethod
    def read(cls, told: dict[str, Any]) -> Page:
        """Read what a page says. Raises ``ValueError`` or ``TypeError`` if it is malformed."""
        runs = {int(key): str(value) for key, value in told.get("runs", {}).items()}
        steps = {int(key): str(value) for key, value in told.get("steps", {}).items()}
        first, last = map(int, told.get("gap", (0, -1)))
        return cls(runs=runs, steps=steps, gap=range(first, last + 1))

    def copy(self) -> Page:
        """Return what is known at this moment, to a thread: the socket learns more meanwhile."""
        return replace(self, runs=self.runs.copy(), steps=self.steps.copy(), labels=self.labels.copy())

    def update(self, told: Page, known: Page) -> None:
        """Take note of what goes out, where frames have told no more than was ``known`` when it was read."""
        self.runs.update({k: v for k, v in told.runs.items() if self.runs.get(k) == known.runs.get(k)})
        self.steps.update({k: v for k, v in told.steps.items() if self.steps.get(k) == known.steps.get(k)})
        self.labels.update(told.labels)

    def learn(self, shown: Page) -> None:
        """Add what came onto the page by another way; what the socket has told since is newer.

        Up to what no page of ours comes to: whatever is more is drawn anew, and takes no memory.
        """
        if len(self.runs) + len(self.steps) + len(shown.runs) + len(shown.steps) <= MOST_KNOWN:
            self.runs = shown.runs | self.runs
            self.steps = shown.steps | self.steps

    def forget(self) -> None:
        """Know nothing about live runs any more, so that they are shown anew, however they end meanwhile."""
        live = [run for run, status in self.runs.copy().items() if status in LIVE_RUN]
        self.runs.update(dict.fromkeys(live, INCOMPLETE))
        self.steps.clear()


@dataclass(slots=True)
class Todo:
    """What has to be rendered from the database."""

    steps: set[int] = field(default_factory=set)
    runs: set[int] = field(default_factory=set)
    look: bool = False

    def __bool__(self) -> bool:
        return bool(self.steps or self.runs or self.look)

    def merge(self, other: Todo) -> None:
        """Take over what others could not do."""
        self.steps |= other.steps
        self.runs |= other.runs
        self.look = self.look or other.look

    def add(self, change: Change) -> None:
        """Note the parts of the page that a change makes stale."""
        self.steps.update(step for step, *_ in change.ended)
        self.steps.update(change.skipped)
        self.runs.update(run for run, status in change.runs if status not in LIVE_RUN)
        self.runs.update(change.decided)
        self.look = self.look or change.look


def from_change(change: Change, page: Page) -> dict[str, Any]:
    """Return the part of a change that needs no database: text, states, digests."""
    page.steps.update({step: status for _, step, _, status in change.steps})
    page.steps.update(dict.fromkeys(change.skipped, "skipped"))
    # Not those that it said it lacks a part of: the whole run has to come before they count as shown.
    page.runs.update({run: status for run, status in change.runs if page.runs.get(run) in LIVE_RUN})
    message: dict[str, Any] = {
        "columns": change.columns,
        "status": [
            {"step": step, "attempt": attempt, "status": status, **_label(page, step, status)}
            for _, step, attempt, status in change.steps
        ],
        "final": [
            {"step": step, "attempt": attempt, "length": length, "sha256": sha256}
            for step, attempt, length, sha256 in change.ended
        ],
        "runs": [{"run": run, "status": status} for run, status in change.runs if run in page.runs],
    }
    return {key: value for key, value in message.items() if value}


def render(session_id: int, todo: Todo, page: Page) -> dict[str, Any]:
    """Render what is stale. Blocking; the page is brought up to date with what goes out.

    Raises ``ChatSession.DoesNotExist`` when the session was deleted.
    """
    session = ChatSession.objects.get(pk=session_id)
    known, told = page.copy(), Page()
    new, begun = _stale_runs(session, known, told) if todo.look else ([], [])
    html, runs = _parts(session, todo, known, told, leave_out=set(new))
    runs += begun
    message: dict[str, Any] = {"html": html, "runs": runs}
    if new:
        message["bands"] = [_band(band, told) for band in queries.bands(session=session, run_ids=new)]
    # Not before: what breaks on its way has told nothing, and is done again.
    page.update(told, known)
    return {key: value for key, value in message.items() if value}


def _stale_runs(session: ChatSession, page: Page, told: Page) -> tuple[list[int], list[dict[str, Any]]]:
    """Return the runs to show anew, unknown to the page or further than it, and those that only began."""
    oldest = min(page.runs, default=0)
    found = Run.objects.filter(session=session, pk__gte=oldest).values_list("id", "status")
    # What is left out is over: a run that goes on can be stopped here, and its end is told.
    rows = {
        run: status for run, status in found if run in page.runs or run not in page.gap or status in LIVE_RUN
    }
    shown = page.runs.keys() & rows.keys()
    live = {run for run in shown if page.runs[run] in LIVE_RUN and rows[run] in LIVE_RUN}
    changed = {run for run in shown - live if page.runs[run] != rows[run]}
    # A frame may tell the end of a run whose columns ended before the page was there to hear of it.
    waiting = [step for step, status in page.steps.items() if status in LIVE_STEP]
    in_question = Q(run_id__in=live) | Q(run_id__in=shown, pk__in=waiting)
    steps = AgentStep.objects.filter(in_question).values_list("run_id", "id", "status")
    behind = {run for run, step, status in steps if _is_behind(page.steps.get(step, ""), status)}
    stale = (rows.keys() - shown) | changed | behind
    # Only forwards: frames may have told more since the rows were read.
    begun = [
        run for run in live - stale if (page.runs[run], rows[run]) == (RunStatus.QUEUED, RunStatus.RUNNING)
    ]
    told.runs.update(dict.fromkeys(begun, RunStatus.RUNNING))
    return sorted(stale), [{"run": run, "status": RunStatus.RUNNING} for run in sorted(begun)]


def _is_behind(shown: str, status: str) -> bool:
    """Whether a page shows an earlier status than the row has; frames are often ahead of the row."""
    return shown != status and _PLACES.get(shown, -1) <= _PLACES[status]


def _parts(
    session: ChatSession, todo: Todo, page: Page, told: Page, *, leave_out: set[int]
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    html: dict[str, str] = {}
    ended = todo.runs & page.runs.keys() - leave_out
    bands = queries.bands(session=session, run_ids=sorted(ended)) if ended else []
    for band in bands:
        told.runs[band.run.pk] = band.run.status
        html[f"run-{band.run.pk}-summary"] = render_to_string("runs/summary.html", {"band": band})
    columns = [column for band in bands for column in band.columns]
    seen = {column.step.pk for column in columns}
    columns += queries.columns(step_ids=sorted(todo.steps - seen)) if todo.steps - seen else []
    for column in columns:
        if column.step.run_id not in leave_out:
            html |= _column_parts(column, told)
    return html, [{"run": band.run.pk, "status": band.run.status} for band in bands]


def _column_parts(column: queries.Column, told: Page) -> dict[str, str]:
    step = column.step
    _remember(column, told)
    return {
        f"step-{step.pk}-head": render_to_string("runs/column_head.html", {"column": column}),
        f"step-{step.pk}-foot": render_to_string("runs/column_foot.html", {"column": column}),
    }


def _band(band: queries.Band, told: Page) -> dict[str, Any]:
    told.runs[band.run.pk] = band.run.status
    for column in band.columns:
        _remember(column, told)
    return {"run": band.run.pk, "html": render_to_string("runs/band.html", {"band": band})}


def _remember(column: queries.Column, told: Page) -> None:
    told.steps[column.step.pk] = column.step.status
    told.labels[column.step.pk] = (column.parallel, column.waiting_for)


def _label(page: Page, step: int, status: str) -> dict[str, str]:
    if step not in page.labels and status in LIVE_STEP:
        # The page has these words with the column.
        return {}
    parallel, waiting_for = page.labels.get(step, (False, ""))
    return {"label": queries.status_label(parallel=parallel, status=status, waiting_for=waiting_for)}
