"""One call to a provider and its cancellation: what comes in becomes an attempt's text and events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime

from chains.engine import killpoints
from chains.engine.attempt import Attempt, storable
from chains.engine.events import Emit, ReasoningDelta, StepStreaming, TextDelta
from chains.engine.spec import StepSpec
from chains.providers.base import ChatProvider, ChatRequest, Endpoint, ReasoningChunk, TextChunk
from chains.providers.errors import ProviderError

logger = logging.getLogger("chains.engine")

OpenProvider = Callable[[Endpoint], ChatProvider]
Chunk = TextChunk | ReasoningChunk


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
        completion = await self._open_provider(step.model.endpoint).chat(request, self._sink(attempt))
        attempt.complete(completion, self._clock())

    def _sink(self, attempt: Attempt) -> Callable[[Chunk], None]:
        run, step, number = self._run, attempt.step.id, attempt.number

        def take(chunk: Chunk) -> None:
            killpoints.reach("token")
            if attempt.first_token_at is None:
                attempt.first_token_at = self._clock()
                attempt.status = "streaming"
                self._emit(StepStreaming(run, step, number, attempt.first_token_at))
            text = storable(chunk.text)
            if isinstance(chunk, TextChunk):
                self._emit(TextDelta(run, step, number, attempt.text.append(text), text))
            else:
                self._emit(ReasoningDelta(run, step, number, attempt.reasoning.append(text), text))

        return take

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
