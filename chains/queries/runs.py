"""Bands: a run with its columns stage by stage, and the page of a session made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from django.db.models import Exists, OuterRef

from chains.actions.choices import choosable
from chains.models import AgentStep, Attachment, Chain, ChatSession, Run, RunAttachment
from chains.models.run import StepStatus
from chains.queries.columns import Choice, Column, columns_of, load_steps
from chains.queries.figures import Totals, totals_of
from chains.queries.offers import OfferKind, run_offers, step_offers
from chains.queries.waterfall import Waterfall, waterfall_of

# A page opens quickly with few runs; further ones come when somebody scrolls up to them.
NEWEST_RUNS, OLDER_RUNS, MOST_RUNS = 5, 10, 100


@dataclass(frozen=True, slots=True)
class StageView:
    """The columns of one stage, side by side."""

    number: int
    parallel: bool
    columns: list[Column]


@dataclass(frozen=True, slots=True)
class Band:
    """One run. ``totals`` are there once it has ended; they and ``waterfall`` are None without a call.

    ``has_prompts``: they belong to the session's owner, who may take them along. ``files`` came with its
    message.
    """

    run: Run
    chain: Chain
    version_number: int | None
    stages: list[StageView]
    columns: list[Column]
    totals: Totals | None
    waterfall: Waterfall | None
    error: str
    offers: tuple[OfferKind, ...] = ()
    has_prompts: bool = False
    files: tuple[Attachment, ...] = ()

    @property
    def is_edited(self) -> bool:
        """Whether it is another try with another text."""
        return self.run.retry_of is not None and self.run.retry_of.input != self.run.input

    @property
    def chosen(self) -> Column | None:
        """The answer that the conversation continues with, if somebody chose one."""
        return next((column for column in self.columns if column.choice is Choice.CHOSEN), None)

    @property
    def failed_count(self) -> int:
        """How many agents failed or were cut off, also where the run went on without them."""
        ends = (StepStatus.FAILED, StepStatus.INTERRUPTED)
        return sum(column.step.status in ends for column in self.columns)

    @property
    def reused_count(self) -> int:
        """How many answers it took over from an earlier run."""
        return sum(column.step.reused_from_id is not None for column in self.columns)


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Runs of a session, oldest first.

    ``older`` is where to go on: ``before`` this run. ``gap`` is the first and the last id that newer runs may
    have which are not among these.
    """

    session: ChatSession
    bands: list[Band]
    older: int | None
    live_run: Run | None
    gap: tuple[int, int] | None


def session_page(
    *, session: ChatSession, before: int | None = None, until: int | None = None, limit: int | None = None
) -> SessionPage:
    """Return the newest runs of a session, or those before one of them; ``until`` one at the latest."""
    rows = session.runs.order_by("-id")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    limit = limit or (NEWEST_RUNS if before is None else OLDER_RUNS)
    if until is not None:
        limit = min(MOST_RUNS, max(limit, rows.filter(pk__gte=until).count()))
    found = list(rows.values_list("id", flat=True)[: limit + 1])
    shown = bands(session=session, run_ids=found[:limit])
    # Only the newest run can be live.
    live_run = next((band.run for band in shown if band.run.is_live), None)
    return SessionPage(
        session=session,
        bands=shown,
        older=found[limit - 1] if len(found) > limit else None,
        live_run=live_run if before is None else session.runs.live().first(),
        gap=None if before is None else _gap(session, before),
    )


def _gap(session: ChatSession, before: int) -> tuple[int, int] | None:
    newest = session.runs.order_by("-id").values_list("id", flat=True).first()
    return (before, newest) if newest is not None and newest >= before else None


def bands(*, session: ChatSession, run_ids: Sequence[int]) -> list[Band]:
    """Return these runs of the session, oldest first."""
    # Runs before steps: a run that is shown as ended has no column that looks live.
    rows = session.runs.filter(pk__in=run_ids).select_related("chain_version__chain", "retry_of")
    # The output repeats what the columns show.
    long = ("output", "earlier", "retry_of__output", "retry_of__earlier")
    carries = Exists(RunAttachment.objects.filter(run=OuterRef("pk")))
    runs = list(rows.defer(*long).annotate(has_files=carries).order_by("id"))
    all_columns = columns_of(load_steps([run.pk for run in runs])) if runs else []
    columns = {run: list(group) for run, group in groupby(all_columns, key=lambda one: one.step.run_id)}
    files = files_of([run for run in runs if getattr(run, "has_files", True)])
    return [_band(run, columns.get(run.pk, []), files.get(run.pk, []), session.owner_id) for run in runs]


def files_of(runs: Sequence[Run]) -> dict[int, list[Attachment]]:
    """Return what the messages of these runs carry, by run; their contents stay in the database."""
    files: dict[int, list[Attachment]] = {}
    if not runs:
        return files
    long = ("attachment__text", "attachment__data", "attachment__thumbnail")
    for use in RunAttachment.objects.filter(run__in=runs).select_related("attachment").defer(*long):
        files.setdefault(use.run_id, []).append(use.attachment)
    return files


def _band(run: Run, columns: list[Column], files: Sequence[Attachment], owner: int) -> Band:
    steps = [column.step for column in columns]
    # What was taken over was neither called nor paid in this run.
    called = [step for step in steps if step.reused_from_id is None]
    attempts = [attempt for step in called for attempt in step.attempts.all()]
    waterfall = waterfall_of(run, called)
    choices = _choices(run, steps)
    columns = [
        replace(
            column,
            offers=_step_offers(run, column),
            choice=choices.get(column.step.pk, Choice.NONE),
        )
        for column in columns
    ]
    return Band(
        run=run,
        chain=run.chain_version.chain,
        version_number=run.chain_version.number,
        stages=_stages(columns),
        columns=columns,
        totals=totals_of(run, attempts, waited_ms=waterfall.idle_ms if waterfall else 0),
        waterfall=waterfall,
        error=run.error,
        offers=run_offers(run, steps),
        has_prompts=run.chain_version.chain.owner_id == owner,
        files=tuple(files),
    )


def _choices(run: Run, steps: Sequence[AgentStep]) -> dict[int, Choice]:
    """Return, by step, how the conversation may continue with an answer of this run."""
    candidates = choosable(run, steps)
    chosen = next((step.pk for step in candidates if step.is_chosen), None)
    rest = Choice.OPEN if chosen is None else Choice.OTHER
    return {step.pk: Choice.CHOSEN if step.pk == chosen else rest for step in candidates}


def _step_offers(run: Run, column: Column) -> tuple[OfferKind, ...]:
    has_text = column.attempt is not None and bool(column.attempt.text)
    return step_offers(run, column.step, has_text=has_text)


def _stages(columns: list[Column]) -> list[StageView]:
    by_stage = [(number, list(members)) for number, members in groupby(columns, key=lambda one: one.stage)]
    return [StageView(number, members[0].parallel, members) for number, members in by_stage]
