"""What a group costs the database does not grow with its members."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from chains.models import User
from chains.providers.base import ChatRequest, Completion, FinishReason, Sink, TextChunk, Usage
from tests.integration.run_cast import (
    Agent,
    Statements,
    carry_out,
    in_db,
    make_run,
    make_session,
    open_journal,
    scripted,
    texts,
    wrap_connection,
)
from tests.unit.engine_cast import says

pytestmark = pytest.mark.django_db(transaction=True)


class Together:
    """A script whose callers all end in the same turn of the loop: when the last of them has spoken."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.all_spoke = asyncio.Event()

    async def __call__(self, request: ChatRequest, sink: Sink) -> Completion:
        sink(TextChunk(f"by {request.model}"))
        self.left -= 1
        if not self.left:
            self.all_spoke.set()
        await self.all_spoke.wait()
        return Completion(FinishReason.STOP, Usage(1, 1))


@pytest.fixture(autouse=True)
def no_timed_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a run takes, it has none."""
    monkeypatch.setattr("chains.engine.journal.TICK_S", 3600.0)


async def statements_of_a_group(alice: User, size: int) -> Statements:
    """Run a group between two single agents; return all that the journal's connection executed."""
    script = Together(size)
    members = [Agent(f"m{number}", script, "parallel") for number in range(size)]
    agents = [Agent("first", says("one")), *members, Agent("last", says("end"))]
    run = await in_db(lambda: make_run(make_session(alice), *agents))
    statements = Statements()
    async with open_journal() as journal:
        await wrap_connection(journal, statements)
        assert await carry_out(journal, run, scripted(*agents)) == "completed"
    assert (await in_db(texts, run))[f"m{size - 1}"] == f"by m{size - 1}"
    return statements


def kinds(statements: Statements) -> Counter[str]:
    """Count statements by what they do to which table."""
    return Counter(" ".join(sql.split("(")[0].split()[:3]) for sql in statements.seen)


async def test_groups_of_2_and_16_that_end_together_cost_the_same_queries(alice: User):
    small = await statements_of_a_group(alice, 2)
    large = await statements_of_a_group(alice, 16)
    assert len(large.seen) == len(small.seen), (kinds(small), kinds(large))


async def test_the_start_of_all_members_is_one_insert(alice: User):
    statements = await statements_of_a_group(alice, 16)
    inserts = statements.of("INSERT INTO chains_stepattempt")
    # One for each stage.
    assert len(inserts) == 3


async def test_the_ends_of_all_members_are_one_update_and_nothing_is_read_back(alice: User):
    statements = await statements_of_a_group(alice, 16)
    assert len(statements.of("UPDATE chains_stepattempt")) == 3
    assert not [sql for sql in statements.seen if sql.startswith("SELECT") and '"text"' in sql]


async def test_the_end_of_a_stage_shares_the_commit_that_begins_the_next_one_or_ends_the_run(alice: User):
    statements = await statements_of_a_group(alice, 4)
    # The start of the first stage, then one for the end of each of the three.
    assert len(statements.of("UPDATE chains_run SET lease_expires_at")) == 4
