"""A stage for tests of what people see: answers that go on, and what is heard and kept of them."""

from __future__ import annotations

import hashlib
from typing import Any

from channels.layers import get_channel_layer
from django.utils import timezone

from chains.live import Notice, encode, session_group
from chains.models import AgentStep, ChatSession, Run, StepAttempt, User
from tests.integration.run_cast import Agent, add_attempt, in_db, make_run, make_session, step_of
from tests.unit.engine_cast import says


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Answering:
    """The engine's side of one live answer: frames on the group, and the row that the journal keeps."""

    def __init__(self, session: ChatSession, run: Run, step: AgentStep, number: int = 1) -> None:
        self.session, self.run, self.step, self.number = session, run, step, number
        self.key = (step.pk, number)

    async def send(self, *notices: Notice) -> None:
        await get_channel_layer().group_send(session_group(self.session.pk), encode(list(notices)))

    def text(self, offset: int, text: str) -> Notice:
        return ["text", self.run.pk, *self.key, offset, text]

    def reasons(self, offset: int, text: str) -> Notice:
        return ["reasoning", self.run.pk, *self.key, offset, text]

    def streams(self) -> Notice:
        return ["step", self.run.pk, *self.key, "streaming"]

    def end(self, text: str, status: str = "completed") -> Notice:
        return ["end", self.run.pk, *self.key, status, len(text), digest(text)]

    async def checkpoint(self, text: str, status: str = "streaming", reasoning: str = "") -> None:
        columns = {"text": text, "text_length": len(text), "status": status, "reasoning": reasoning}
        await in_db(self._store, columns)

    async def store_end(self, text: str, status: str = "completed") -> None:
        columns = {"text": text, "text_length": len(text), "text_sha256": digest(text), "status": status}
        await in_db(self._store, columns | {"finished_at": timezone.now()})

    def _store(self, columns: dict[str, Any]) -> None:
        StepAttempt.objects.filter(step=self.step, number=self.number).update(**columns)
        AgentStep.objects.filter(pk=self.step.pk).update(status=columns["status"])

    async def end_run(self, status: str = "completed") -> None:
        ended = {"status": status, "finished_at": timezone.now()}
        await in_db(lambda: Run.objects.filter(pk=self.run.pk).update(**ended))


def make_answering(owner: User, slugs: str = "a") -> list[Answering]:
    session = make_session(owner)
    run = make_run(session, *[Agent(slug, says(), "parallel") for slug in slugs], status="running")
    steps = [step_of(run, slug) for slug in slugs]
    for step in steps:
        add_attempt(step, status="running")
    return [Answering(session, run, step) for step in steps]
