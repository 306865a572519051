"""One call to a provider and its cancellation: what comes in becomes an attempt's text and events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime

from chains.engine import killpoints
from chains.engine.attempt import Attempt, storable, with_pairs_joined
from chains.engine.events import Emit, ReasoningDelta, StepStreaming, TextDelta
from chains.engine.spec import StepSpec
from chains.providers.base import ChatProvider, ChatRequest, Endpoint, ReasoningChunk, TextChunk
from chains.providers.errors import ProviderError

logger = logging.getLogger("chains.engine")

OpenProvider = Callable[[Endpoint], ChatProvider]
Chunk = TextChunk | ReasoningChunk


class Intake:
    """Takes the pieces of one answer: into its attempt, and out as events."""

    def __init__(self, run: int, attempt: Attempt, emit: Emit, clock: Callable[[], datetime]) -> None:
        self._run, self._step, self._number = run, attempt.step.id, attempt.number
        self._attempt = attempt
        self._emit = emit
        self._clock = clock
        # Where providers cut a character in two, the first half waits here for the second.
        self._halves: dict[type[Chunk], str] = {}

    def take(self, chunk: Chunk) -> None:
        """Take the next piece."""
        killpoints.reach("token")
        if self._attempt.first_token_at is None:
            self._begin()
        kind, text = type(chunk), chunk.text
        if self._halves:
            text = with_pairs_joined(self._halves.pop(kind, "") + text)
        if "\ud800" <= text[-1:] <= "\udbff":
            self._halves[kind], text = text[-1], text[:-1]
        if text:
            self._tell(kind, storable(text))

    def end(self) -> None:
        """Take the halves whose other halves never came."""
        for kind, half in self._halves.items():
            self._tell(kind, storable(half))

    def _begin(self) -> None:
        now = self._clock()
        self._attempt.first_token_at, self._attempt.status = now, "streaming"
        self._emit(StepStreaming(self._run, self._step, self._number, now))

    def _tell(self, kind: type[Chunk], text: str) -> None:
        if kind is TextChunk:
            offset = self._attempt.text.append(text)
            self._emit(TextDelta(self._run, self._step, self._number, offset, text))
        else:
            offset = self._attempt.reasoning.append(text)
            self._emit(ReasoningDelta(self._run, self._step, self._number, offset, text))


class Caller:
    """Makes the calls of one run, and cancels exactly those that somebody stops."""

    def __init__(
        self, *, run: int, emit: Emit, open_provider: OpenProvider, clock: Callable[[], datetime]
    ) -> None:
        self._run = run
        self._emit = emit
        self._open_provider = open_provider
        self._clock = clock
        self._waiting: dict[int, asyncio.Task[None]] = {}
        self._stops: dict[int, datetime] = {}
        self._stop_all_at: datetime | None = None

    @property
    def stopping(self) -> bool:
        """Whether the whole run was stopped."""
        return self._stop_all_at is not None

    def stop_all(self) -> None:
        """Cancel every call that is under way and refuse later ones."""
        if self._stop_all_at is None:
            self._stop_all_at = self._clock()
            for step_id, task in self._waiting.items():
                if step_id not in self._stops:
                    task.cancel()

    def stop(self, step_id: int) -> None:
        """Cancel one step's call, or refuse it when it comes."""
        if step_id in self._stops:
            return
        self._stops[step_id] = self._clock()
        # Cancelled once and once only: the count tells our stop from a shutdown.
        if not self.stopping and (task := self._waiting.get(step_id)):
            task.cancel()

    async def call(self, attempt: Attempt) -> ProviderError | None:
        """Make the call. The attempt's outcome is recorded in it; an error comes back, it is not raised."""
        attempt.stop_seen_at = self._stopped_at(attempt.step)
        if attempt.stop_seen_at:
            attempt.cancel(self._clock())
            return None
        try:
            finished = await self._wait(attempt.step, self._chat(attempt))
        except ProviderError as error:
            attempt.fail(error, self._clock())
            return error
        except Exception:
            # One broken call must not take the others of its group with it.
            logger.exception("Run %d: the call for %s broke", self._run, attempt.step.name)
            attempt.crash(self._clock())
            return None
        if not finished:
            attempt.stop_seen_at = self._stopped_at(attempt.step)
            attempt.cancel(self._clock())
        return None

    async def pause(self, step: StepSpec, seconds: float) -> bool:
        """Wait before another attempt; False when somebody stopped it meanwhile."""
        if self._stopped_at(step):
            return False
        return await self._wait(step, asyncio.sleep(seconds))

    async def _chat(self, attempt: Attempt) -> None:
        step = attempt.step
        request = ChatRequest(
            model=step.model.model_id,
            messages=attempt.messages,
            temperature=step.temperature,
            max_output_tokens=step.max_output_tokens,
            flags=step.model.flags,
            parameters={"attempt": attempt.number, **step.parameters},
        )
        intake = Intake(self._run, attempt, self._emit, self._clock)
        try:
            completion = await self._open_provider(step.model.endpoint).chat(request, intake.take)
        finally:
            intake.end()
        attempt.complete(completion, self._clock())

    async def _wait(self, step: StepSpec, work: Coroutine[object, object, None]) -> bool:
        """Await ``work``; False when our own stop cancelled it. A shutdown's cancellation goes on."""
        task = asyncio.current_task()
        assert task is not None
        self._waiting[step.id] = task
        try:
            await work
        except asyncio.CancelledError:
            if not self._stopped_at(step) or task.uncancel() > 0:
                raise
            return False
        finally:
            del self._waiting[step.id]
        return True

    def _stopped_at(self, step: StepSpec) -> datetime | None:
        return self._stops.get(step.id) or self._stop_all_at
