"""What the loopback provider saw, readable from another thread. Times are ``time.monotonic()``."""

from __future__ import annotations

import bisect
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.loopback.pictures import SeenPicture

WAIT_LIMIT = 10.0
# Who calls may be a process that has yet to start.
START_LIMIT = 60.0


@dataclass(slots=True, eq=False)
class Call:
    """One request. ``hung_up_at`` is when the client closed before the answer was complete."""

    model: str
    wire: str
    path: str
    arrived: float
    body: Any
    headers: dict[str, str]
    port: int  # the client's: equal ports mean one connection
    pictures: list[SeenPicture] = field(default_factory=list)
    number: int = 0  # among the calls of its model, from 1
    first_byte_at: float | None = None
    first_token_at: float | None = None
    last_byte_at: float | None = None
    hung_up_at: float | None = None
    finished: bool = False
    sent_at: list[float] = field(default_factory=list)  # of each token, reasoning too

    def sent_by(self, moment: float) -> int:
        """Return how many tokens it had sent by a moment."""
        return bisect.bisect_right(self.sent_at, moment)

    def facts(self) -> dict[str, Any]:
        """Return what another process may want to know of it."""
        names = (
            "model",
            "wire",
            "arrived",
            "first_byte_at",
            "first_token_at",
            "last_byte_at",
            "hung_up_at",
            "finished",
        )
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class Recording:
    """All calls, oldest first."""

    _calls: list[Call] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, call: Call) -> None:
        """Note a request that has arrived, and give it its number."""
        with self._changed:
            self._calls.append(call)
            self._counts[call.model] += 1
            call.number = self._counts[call.model]
            self._changed.notify_all()

    def note(self, call: Call, **facts: object) -> None:
        """Change what is known of a call."""
        with self._changed:
            for name, value in facts.items():
                setattr(call, name, value)
            self._changed.notify_all()

    def of(self, model: str | None = None) -> list[Call]:
        """Return the calls so far, of one model or all."""
        with self._changed:
            return [call for call in self._calls if model in (None, call.model)]

    def clear(self) -> None:
        """Forget them."""
        with self._changed:
            self._calls.clear()
            self._counts.clear()

    def wait_for(self, condition: Callable[[], bool], what: str, within: float = WAIT_LIMIT) -> None:
        """Wait until the condition holds. Raises ``AssertionError`` if it takes too long."""
        deadline = time.monotonic() + within
        with self._changed:
            while not condition():
                left = deadline - time.monotonic()
                assert left > 0, f"The loopback provider did not see {what}."
                self._changed.wait(left)
