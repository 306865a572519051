"""Messages are sent while processes die; at the end every run is held to the promises."""

from __future__ import annotations

import contextlib
import itertools
import random
import signal
import subprocess
import time
import uuid

import httpx

from tests.chaos.cast import message
from tests.chaos.deaths import FOUND_WITHIN, Death, Inquest, check_end, check_page
from tests.chaos.hosts import Site, process_of
from tests.chaos.records import Snapshot, Witness
from tests.integration.visitors import Visitor
from tests.loopback import LoopbackProvider
from tests.servers import CommandProcess, Server, ServerError

DEATH_LIMIT = 20.0
# Runs that are tried again three times and taken over late each time.
SETTLE_LIMIT = 4 * FOUND_WITHIN


class Ordeal:
    """Sends messages while processes die, and holds every run to the promises at the end."""

    numbers = itertools.count(1)

    def __init__(
        self, hosts: Site, alice: Visitor, provider: LoopbackProvider, witness: Witness, dice: random.Random
    ) -> None:
        self.hosts, self.alice, self.provider, self.witness, self.dice = hosts, alice, provider, witness, dice
        self.deaths: list[Death] = []
        self._first = next(self.numbers)
        self._slugs: dict[int, str] = {}
        self._unanswered: list[tuple[int, str, str]] = []

    def opens(self) -> int:
        """Open a session with one of the two chains."""
        slug = self.dice.choice(("waits", "again"))
        session = self.alice.opens(slug)
        self._slugs[session] = slug
        return session

    def sends(self, session: int) -> None:
        """Send a message to a server that may die of it."""
        self._send(session, message(next(self.numbers)), uuid.uuid4().hex)

    def _send(self, session: int, text: str, request_id: str) -> None:
        try:
            assert self.alice.sends(session, text, request_id).status_code == 200
        except httpx.TransportError:
            self._unanswered.append((session, text, request_id))

    def sends_again(self) -> None:
        """Send what got no answer again, as the page does: the same request is the same run."""
        unanswered, self._unanswered = self._unanswered, []
        for session, text, request_id in unanswered:
            self._send(session, text, request_id)

    def arms(self, host: Server, point: str) -> None:
        """Start a host that dies at a named point, perhaps at once, of a run that it takes over."""
        try:
            self.hosts.begin(host, KILL_AT=point)
        except ServerError:
            if process_of(self.hosts, host).process.poll() != -signal.SIGKILL:
                raise

    def tries_to_send(self) -> None:
        """Send a message in a new session to a server that may be dead already."""
        with contextlib.suppress(httpx.TransportError):
            self.sends(self.opens())

    def die(self, how: str, victims: list[Server]) -> None:
        """Kill at once, and note what is left."""
        processes = [process_of(self.hosts, host) for host in victims]
        for process in processes:
            process.process.send_signal(signal.SIGKILL)
        self.note(how, processes)

    def note(self, how: str, processes: list[CommandProcess]) -> None:
        """Wait for processes that die and note what they leave."""
        try:
            codes = [process.process.wait(DEATH_LIMIT) for process in processes]
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{how}: it lives") from None
        at = time.monotonic()
        assert codes == [-signal.SIGKILL] * len(processes), how
        pids = {process.process.pid for process in processes}
        left = self.witness.records.snapshot()
        self.deaths.append(Death(at, pids, how, self.witness.lag, left))

    def settle(self) -> Snapshot:
        """Wait until no run is live any more."""
        deadline = time.monotonic() + SETTLE_LIMIT
        while live := [run for run in self.witness.records.runs() if run.is_live]:
            assert time.monotonic() < deadline, f"They never ended: {live}"
            time.sleep(0.2)
        final = self.witness.records.snapshot()
        for run in final.runs.values():
            # The last to end may have ended between two looks.
            self.witness.note(run)
        return final

    def check(self) -> None:
        """Hold everything that was begun here to the promises."""
        final = self.settle()
        inquest = Inquest(self.provider, self.witness, final)
        for death in self.deaths:
            inquest.check(death)
        mine = [run for run in final.runs.values() if run.input >= message(self._first)]
        assert mine
        assert len({run.input for run in mine}) == len(mine), "a message was sent twice"
        for run in mine:
            check_end(final, self.provider, run, again=self._slugs[run.session] == "again")
            check_page(self.alice, final, run)
