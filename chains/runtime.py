"""The one place that joins engine, journal and live: the runs that this process carries out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Sequence

from chains.engine import killpoints, lease
from chains.engine.events import AttemptEnded, Emit, Event
from chains.engine.executor import RunExecution
from chains.engine.journal import Journal, RunJournal
from chains.engine.lease import Lease, LeaseLost, StopFlags
from chains.engine.loading import load_run
from chains.engine.member import OpenProvider
from chains.engine.spec import RunSpec
from chains.engine.takeover import Takeover, lapsed_runs, take_over
from chains.live import Broadcasts, beginnings, hint_execute_async, hint_session_async
from chains.providers.registry import open_provider

logger = logging.getLogger("chains.runtime")

SWEEP_S = 2.0
# A pool whose database is away tries again after up to four seconds, and the journal after two more.
SETTLE_S = 8.0
# Every process hears of a run: one that is busy waits this long for each run it has, so that idler ones win.
YIELD_S, LONGEST_YIELD_S = 0.001, 0.05
# While the database is away nothing can be given back: the leases lapse by themselves.
RELEASE_LIMIT_S = 5.0
INTERNAL_ERROR = "The run ended because of a fault inside chain-chat: the server's log says which."


class Runtime:
    """Carries out runs as owned, named tasks. One per process; lives in one event loop."""

    def __init__(
        self, *, open_provider: OpenProvider = open_provider, limit: int = 100, shares: bool = False
    ) -> None:
        """Carry out ``limit`` runs at a time. One who ``shares`` the work lets idler processes go first."""
        self.owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"[:80]
        self._open_provider = open_provider
        self._journal = Journal(self.owner)
        self._broadcasts = Broadcasts()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._journals: dict[int, RunJournal] = {}
        self._limit, self._shares = limit, shares
        self._has_room = asyncio.Event()
        self._sweeper: asyncio.Task[None] | None = None
        self._refuses = self._has_drained = False

    async def start(self) -> None:
        """Find what a killed process left, then look for work every 2 s."""
        await self._sweep_once()
        self._sweeper = asyncio.create_task(self._sweep(), name="sweep")

    @property
    def takes_runs(self) -> bool:
        """Whether it was started and not told to stop."""
        return self._sweeper is not None and not self._sweeper.done() and not self._refuses

    @property
    def is_full(self) -> bool:
        """Whether it carries out as many runs as it may."""
        return len(self._tasks) >= self._limit

    def execute(self, run_id: int) -> None:
        """Try to take a run and carry it out. Whoever holds it already keeps it."""
        if run_id in self._tasks or self._refuses or self.is_full:
            return
        task = asyncio.create_task(self._claim_and_run(run_id), name=f"run-{run_id}")
        self._tasks[run_id] = task
        task.add_done_callback(lambda _: self._forget(run_id))

    def _forget(self, run_id: int) -> None:
        if self.is_full:
            # What had to wait for a place need not wait for the next sweep.
            self._has_room.set()
        self._tasks.pop(run_id, None)

    def look_for_stops(self, run_id: int) -> None:
        """Read the stop flags of a run of ours now instead of at the next tick."""
        if journal := self._journals.get(run_id):
            journal.look_for_stops()

    async def run_detached(self, run_id: int, emit: Emit) -> None:
        """Carry out a run of this very process to its end: for commands, without a sweep."""
        try:
            held = await self._journal.call(lambda: lease.claim(run_id, self.owner, detached=True))
            if held is None:
                raise LeaseLost(run_id)
            await self._carry_out(held, extra=emit)
        finally:
            await self._close_journal()

    def refuse(self) -> None:
        """Take no run any more; those that were taken go on."""
        self._refuses = True

    async def finish(self) -> None:
        """Wait until every run that was taken has ended."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def drain(self) -> None:
        """Checkpoint and give back every run, then stop. What goes on elsewhere is not ours to end."""
        if self._has_drained:
            return
        self._has_drained = self._refuses = True
        if self._sweeper:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Only now: no text comes any more, and nobody claims.
        await self._close_journal()

    async def _close_journal(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_LIMIT_S):
                for run in await self._journal.release():
                    await hint_execute_async(run)
        await self._journal.stop()

    async def _claim_and_run(self, run_id: int) -> None:
        if self._shares and len(self._tasks) > 1:
            await asyncio.sleep(min(len(self._tasks) * YIELD_S, LONGEST_YIELD_S))
        held = await self._journal.call(lease.claim, run_id, self.owner)
        if held:
            killpoints.reach("claim")
            await self._carry_out(held)
        elif taken := await self._journal.call(take_over, run_id, self.owner):
            await self._go_on(run_id, taken)

    async def _go_on(self, run_id: int, taken: Takeover) -> None:
        logger.warning("Run %d was left behind by a dead process: taken over", run_id)
        if taken.lease:
            await self._carry_out(taken.lease, closed=taken.closed)
        else:
            await hint_session_async(taken.session)

    async def _carry_out(
        self, held: Lease, extra: Emit | None = None, closed: Sequence[AttemptEnded] = ()
    ) -> None:
        """Run it to its end. A fault of our own ends the run as failed, never this process."""
        try:
            spec = await self._journal.call(load_run, held.run)
            await self._execute(held, spec, extra, closed)
        except LeaseLost:
            logger.warning("Run %d was taken over by another process", held.run)
        except Exception:
            logger.exception("Run %d broke", held.run)
            await self._journal.call(lease.give_up, held, self.owner, INTERNAL_ERROR)

    async def _execute(
        self, held: Lease, spec: RunSpec, extra: Emit | None, closed: Sequence[AttemptEnded]
    ) -> None:
        send = self._broadcasts.open(spec.session)
        emit = both(send, extra) if extra else send
        task = asyncio.current_task()
        assert task is not None
        lost = shut_down = False

        def on_stop(flags: StopFlags) -> None:
            for step in flags.steps:
                execution.stop_step(step)
            if flags.run:
                execution.stop()

        def on_lost() -> None:
            nonlocal lost
            # Once: every write that comes too late says so, and a second cancel means a shutdown.
            if not lost:
                lost = True
                task.cancel()

        journal = self._journal.open(held, on_stop=on_stop, on_lost=on_lost)
        execution = RunExecution(spec, journal=journal, emit=emit, open_provider=self._open_provider)
        self._journals[held.run] = journal
        for end in closed:
            emit(end)
        try:
            if held.epoch > 1:
                # Somebody may have stopped a part of it while nobody carried it out.
                on_stop(await self._journal.call(lease.stop_flags, held.run))
            await execution.execute()
        except asyncio.CancelledError:
            shut_down = not lost or task.uncancel() > 0
            if shut_down:
                raise
            raise LeaseLost(held.run) from None
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            del self._journals[held.run]
            # At a shutdown the text that came is still to be written, by the journal's release.
            if not shut_down:
                self._journal.close(journal)
            await self._broadcasts.close(spec.session)
            await hint_session_async(spec.session)

    async def _sweep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._has_room.wait()
            self._has_room.clear()
            try:
                await self._sweep_once()
            except Exception:
                logger.exception("A sweep failed")

    async def _sweep_once(self) -> None:
        left = await self._journal.call(lapsed_runs, set(self._tasks))
        # While the database was away nobody could renew: whoever is alive gets the time to do so.
        for run in left if self._journal.answers_since(SETTLE_S) else ():
            self.execute(run)
        for run in await self._journal.call(lease.queued_runs):
            self.execute(run)


_current: Runtime | None = None


def install(runtime: Runtime) -> None:
    """Make this the runtime of the process."""
    global _current
    _current = runtime
    beginnings.are_here = True


def current() -> Runtime:
    """Return the runtime of the process. Raises ``RuntimeError`` where none was started."""
    if _current is None:
        raise RuntimeError("No runtime was started in this process.")
    return _current


def takes_runs() -> bool:
    """Whether this process carries out runs and takes more."""
    return _current is not None and _current.takes_runs


def both(first: Emit, second: Emit) -> Emit:
    """Return one place for events that go to two."""

    def emit(event: Event) -> None:
        first(event)
        second(event)

    return emit
