"""What the database holds, read past the application: by the shipped database's own client."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import psycopg

from tests.servers import Server

LIVE = ("queued", "running")
LIVE_ATTEMPT = ("running", "streaming")
LOOK_EVERY = 0.1
FAULTS = (sqlite3.Error, psycopg.Error)


@dataclass(frozen=True)
class RunRow:
    """A run; ``owner`` names the process that holds it."""

    id: int
    session: int
    input: str
    status: str
    is_waiting: bool
    epoch: int
    owner: str
    error: str

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def pid(self) -> int:
        """The process that holds it, 0 for none."""
        return int(self.owner.rsplit("-", 2)[1]) if self.owner else 0


@dataclass(frozen=True)
class StepRow:
    """An agent's part of a run."""

    id: int
    run: int
    index: int
    slug: str
    status: str
    attempt: int


@dataclass(frozen=True)
class AttemptRow:
    """A call for a step. ``has_begun`` says that its first token came."""

    step: int
    number: int
    status: str
    text: str
    length: int
    sha256: str
    has_begun: bool
    error_kind: str
    started_at: float  # by ``time.monotonic()``

    @property
    def is_live(self) -> bool:
        return self.status in LIVE_ATTEMPT


_RUNS = (
    "SELECT id, session_id, input, status, is_waiting, epoch, lease_owner, error FROM chains_run ORDER BY id"
)
_STEPS = (
    'SELECT id, run_id, "index", slug, status, current_attempt FROM chains_agentstep ORDER BY run_id, "index"'
)
_ATTEMPTS = (
    "SELECT step_id, number, status, text, text_length, text_sha256, first_token_at IS NOT NULL, error_kind, "
    "started_at FROM chains_stepattempt ORDER BY step_id, number"
)


@dataclass(frozen=True)
class Snapshot:
    """Everything about runs, at one moment."""

    runs: dict[int, RunRow]
    steps: dict[int, StepRow]
    attempts: dict[tuple[int, int], AttemptRow]

    def steps_of(self, run: int) -> list[StepRow]:
        return [step for step in self.steps.values() if step.run == run]

    def attempts_of(self, step: int) -> list[AttemptRow]:
        return [attempt for (owner, _), attempt in self.attempts.items() if owner == step]

    def current(self, step: StepRow) -> AttemptRow | None:
        """The attempt that a step shows."""
        return self.attempts.get((step.id, step.attempt))


# Noted once, so that the same row always reads the same.
_WALL_AHEAD = time.time() - time.monotonic()


def monotonic(at: datetime | str) -> float:
    """Return a stored time by this machine's monotonic clock. SQLite stores a text, in UTC."""
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC) if isinstance(at, str) else at
    return moment.timestamp() - _WALL_AHEAD


class Records:
    """The database of an installation."""

    def __init__(self, server: Server) -> None:
        self._url = server.environment["DATABASE_URL"]
        self._file = server.folder / "chainchat.sqlite3"

    def snapshot(self) -> Snapshot:
        """Read all in one transaction."""
        with self._transaction() as database:
            runs = [RunRow(*row) for row in database.execute(_RUNS).fetchall()]
            steps = [StepRow(*row) for row in database.execute(_STEPS).fetchall()]
            attempts = [
                AttemptRow(*[*row[:-1], monotonic(row[-1])]) for row in database.execute(_ATTEMPTS).fetchall()
            ]
        return Snapshot(
            runs={run.id: run for run in runs},
            steps={step.id: step for step in steps},
            attempts={(attempt.step, attempt.number): attempt for attempt in attempts},
        )

    def runs(self) -> list[RunRow]:
        """Read the runs alone, oldest first."""
        with self._transaction() as database:
            return [RunRow(*row) for row in database.execute(_RUNS).fetchall()]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Any]:
        if self._url:
            with psycopg.connect(self._url, connect_timeout=5) as database:
                database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                yield database
        else:
            with contextlib.closing(sqlite3.connect(self._file, timeout=20)) as database:
                database.execute("BEGIN")
                yield database


@dataclass
class Sight:
    """A run as it was first seen so, by ``time.monotonic()``."""

    at: float
    row: RunRow


class Witness:
    """Looks at the runs ten times a second and notes what becomes of each, and how late this machine is."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.seen: dict[int, list[Sight]] = {}
        self.lag = 0.0  # seconds that a thread here woke up too late, at worst
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._look, name="witness", daemon=True),
            threading.Thread(target=self._measure, name="lag", daemon=True),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def sight_after(self, run: int, moment: float, epoch: int) -> Sight | None:
        """Return when a run was first seen ended or in a later epoch than this one, after a moment."""
        changed = [
            sight
            for sight in self.seen.get(run, [])
            if sight.at >= moment and (sight.row.epoch > epoch or not sight.row.is_live)
        ]
        return changed[0] if changed else None

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_EVERY):
            # A database that is away is seen again later.
            with contextlib.suppress(*FAULTS):
                for row in self.records.runs():
                    self.note(row)

    def note(self, row: RunRow) -> None:
        """Note a run as somebody sees it now."""
        sights = self.seen.setdefault(row.id, [])
        if not sights or sights[-1].row != row:
            sights.append(Sight(time.monotonic(), row))

    def _measure(self) -> None:
        while not self._is_over.is_set():
            before = time.monotonic()
            time.sleep(0.01)
            self.lag = max(self.lag, time.monotonic() - before - 0.01)
