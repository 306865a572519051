"""How a stage ends: in the commit of what follows, told before it, and never passed over when it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from chains.engine.attempt import Attempt
from chains.engine.context import Skip
from chains.engine.events import AttemptEnded, RunEnded, StepStarted
from tests.unit.engine_cast import Agent, MemoryJournal, Stage, says, stage, until


class Unwritable(Exception):
    pass


class OneBadEnd(MemoryJournal):
    """Cannot write one agent's end; a test says when that shows, and when the next stage is recorded."""

    def __init__(self, slug: str) -> None:
        super().__init__()
        self.slug = slug
        self.may_fail = self.may_start = True

    async def end(self, attempt: Attempt, *, step_status: str) -> None:
        if attempt.step.slug == self.slug:
            await until(lambda: self.may_fail)
            raise Unwritable
        await super().end(attempt, step_status=step_status)

    async def start(self, attempts: Sequence[Attempt], skips: Sequence[Skip]) -> None:
        await super().start(attempts, skips)
        await until(lambda: self.may_start or len(self.starts) == 1)


def keep_with(chain: Stage, journal: OneBadEnd) -> OneBadEnd:
    chain.journal = journal
    chain.__post_init__()
    return journal


async def test_an_end_is_told_before_what_follows_it():
    chain = stage(Agent("a", says("x")), Agent("b", says("y")))
    await chain.run()
    told = [type(event) for event in chain.events if isinstance(event, StepStarted | AttemptEnded | RunEnded)]
    assert told == [StepStarted, AttemptEnded, StepStarted, AttemptEnded, RunEnded]


async def test_after_an_end_that_could_not_be_written_nothing_is_begun():
    chain = stage(
        Agent("b", says("x"), "parallel"),
        Agent("c", says("y", each=0.02), "parallel"),
        Agent("last", says("z")),
    )
    journal = keep_with(chain, OneBadEnd("b"))
    with pytest.raises(Unwritable):
        await chain.run()
    assert len(journal.starts) == 1
    assert chain.provider.prompts("last") == []


async def test_a_stage_is_not_called_before_the_ends_before_it_are_written():
    chain = stage(Agent("a", says("x")), Agent("b", says("y")))
    journal = keep_with(chain, OneBadEnd("a"))
    journal.may_fail = journal.may_start = False
    task = asyncio.create_task(chain.run())
    await until(lambda: len(journal.starts) == 2)
    journal.may_start = True
    await asyncio.sleep(0.02)
    assert chain.provider.prompts("b") == []
    journal.may_fail = True
    with pytest.raises(Unwritable):
        await task
    assert chain.provider.prompts("b") == []


async def test_a_run_does_not_end_over_an_end_that_could_not_be_written():
    chain = stage(Agent("a", says("x")))
    keep_with(chain, OneBadEnd("a"))
    with pytest.raises(Unwritable):
        await chain.run()
    assert not [event for event in chain.events if isinstance(event, RunEnded)]
