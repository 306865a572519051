"""What the journal keeps, when it is committed, and what it does when the database or the lease is away."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from django.db import DataError, OperationalError
from django.db.models import F

from chains.engine.attempt import Attempt, storable
from chains.engine.conditions import Verdict
from chains.engine.context import Skip
from chains.engine.journal import TICK_S, Journal
from chains.engine.lease import LeaseLost
from chains.models import AgentStep, LanguageModel, Run, StepAttempt, User
from chains.providers.base import ChatMessage, Completion, FinishReason, Usage
from chains.providers.errors import ErrorKind, ProviderError
from tests.integration.run_cast import (
    Agent,
    Statements,
    Watched,
    carry_out,
    in_db,
    make_run,
    make_session,
    now,
    open_journal,
    scripted,
    statuses,
    step_of,
    take,
    texts,
    until,
    wrap_connection,
)
from tests.unit.engine_cast import says

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES = (ChatMessage("system", "Be brief."), ChatMessage("user", "{{literal}} “quotes” 🌍"))


@pytest_asyncio.fixture
async def journal() -> AsyncIterator[Journal]:
    async with open_journal() as journal:
        yield journal


@pytest.fixture
def run(alice: User) -> Run:
    return make_run(make_session(alice), Agent("a", says(), "parallel"), Agent("b", says(), "parallel"))


@pytest.fixture
def other_run(alice: User) -> Run:
    return make_run(make_session(alice), Agent("a", says()))


def attempt(watched: Watched, slug: str, number: int = 1) -> Attempt:
    return Attempt(watched.step(slug), number, MESSAGES, now())


def stream(attempt: Attempt, text: str) -> None:
    """Let text come in, as the executor's sink does."""
    attempt.first_token_at = attempt.first_token_at or now()
    attempt.status = "streaming"
    attempt.text.append(storable(text))


def complete(attempt: Attempt, text: str) -> None:
    stream(attempt, text)
    attempt.complete(Completion(FinishReason.STOP, Usage(10, 5)), now())


def read_attempt(run: Run, slug: str = "a", number: int = 1) -> StepAttempt:
    return StepAttempt.objects.get(step__run=run, step__slug=slug, number=number)


class TestStart:
    async def test_a_stage_is_in_the_database_when_start_returns(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        await watched.journal.start([attempt(watched, "a"), attempt(watched, "b")], [])
        row = await in_db(read_attempt, run)
        assert row.messages == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "{{literal}} “quotes” 🌍"},
        ]
        assert (row.status, row.text, row.finished_at) == ("running", "", None)
        assert await in_db(statuses, run) == {"a": "running", "b": "running"}

    async def test_the_price_is_copied_to_the_attempt(self, journal: Journal, run: Run):
        prices = {"input_price": Decimal("2.5"), "output_price": Decimal("0.125")}
        await in_db(lambda: LanguageModel.objects.filter(model_id="a").update(**prices))
        watched = await take(journal, run)
        await watched.journal.start([attempt(watched, "a"), attempt(watched, "b")], [])
        priced, unpriced = await in_db(read_attempt, run, "a"), await in_db(read_attempt, run, "b")
        assert (priced.input_price, priced.output_price) == (Decimal("2.5"), Decimal("0.125"))
        assert (unpriced.input_price, unpriced.output_price) == (None, None)

    async def test_who_is_skipped_keeps_the_rule_and_the_tested_text_as_evidence(
        self, journal: Journal, run: Run
    ):
        watched = await take(journal, run)
        verdict = Verdict(held=False, subject="previous", excerpt="the text", decided_by='contains("x")')
        await watched.journal.start([attempt(watched, "a")], [Skip(watched.step("b"), verdict)])
        step = await in_db(step_of, run, "b")
        assert (step.status, step.skip_reason) == ("skipped", "condition")
        assert (step.tested_subject, step.tested_excerpt) == ("previous", "the text")
        assert step.decided_by == 'contains("x")'

    async def test_another_attempt_is_another_row(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        first = attempt(watched, "a")
        await watched.journal.start([first], [])
        first.fail(ProviderError(ErrorKind.OVERLOADED, "Busy.", http_status=503), now())
        await watched.journal.end(first, step_status="running")
        await watched.journal.start([attempt(watched, "a", 2)], [])
        row, again = await in_db(read_attempt, run), await in_db(read_attempt, run, "a", 2)
        assert (row.status, row.error, row.http_status) == ("failed", "Busy.", 503)
        assert again.status == "running"
        step = await in_db(step_of, run, "a")
        assert (step.status, step.current_attempt) == ("running", 2)


SLOW_S = 0.01


def slowly(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """Take a moment for each statement, as a database far away does."""
    time.sleep(SLOW_S)
    return execute(sql, params, many, context)


@pytest.fixture
def unticked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no checkpoint fall due by itself."""
    monkeypatch.setattr("chains.engine.journal.TICK_S", 3600.0)


class TestCheckpoints:
    async def test_text_and_streaming_are_kept_while_the_answer_goes_on(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        live = attempt(watched, "a")
        await watched.journal.start([live], [])
        stream(live, "Grüße 🌍")
        await until(lambda: in_db(lambda: texts(run)["a"] == "Grüße 🌍"))
        row = await in_db(read_attempt, run)
        assert (row.status, row.text_length) == ("streaming", 7)
        assert row.first_token_at is not None
        assert (await in_db(statuses, run))["a"] == "streaming"

    @pytest.mark.usefixtures("unticked")
    async def test_the_texts_of_all_live_attempts_of_all_runs_are_one_statement(
        self, journal: Journal, run: Run, other_run: Run
    ):
        statements = Statements()
        both = [await take(journal, run), await take(journal, other_run)]
        live = [attempt(both[0], "a"), attempt(both[0], "b"), attempt(both[1], "a")]
        await both[0].journal.start(live[:2], [])
        await both[1].journal.start(live[2:], [])
        await wrap_connection(journal, statements)
        for one in live:
            stream(one, "text")
        await asyncio.gather(*(watched.journal.checkpoint() for watched in both))
        assert len(statements.of("UPDATE chains_stepattempt")) == 1
        assert len(statements.of("UPDATE chains_run")) == 1
        assert await in_db(texts, run) == {"a": "text", "b": "text"}
        assert await in_db(texts, other_run) == {"a": "text"}

    async def test_only_texts_that_grew_are_written(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        live = attempt(watched, "a")
        await watched.journal.start([live], [])
        stream(live, "text")
        await watched.journal.checkpoint()
        statements = Statements()
        await wrap_connection(journal, statements)
        await watched.journal.checkpoint()
        assert statements.of("UPDATE chains_run")
        assert not statements.of("chains_stepattempt")

    async def test_of_two_checkpoints_that_share_a_batch_the_later_one_counts(
        self, journal: Journal, run: Run
    ):
        watched = await take(journal, run)
        live = [attempt(watched, "a"), attempt(watched, "b")]
        await watched.journal.start(live, [])
        statements = Statements()
        await wrap_connection(journal, statements)
        for one in live:
            stream(one, "what a tick took")
        # It still waits for its batch when the process is told to go.
        waiting = watched.journal.checkpoint()
        for one in live:
            stream(one, " and what came since")
        await journal.release()
        await waiting
        whole = "what a tick took and what came since"
        assert await in_db(texts, run) == {"a": whole, "b": whole}
        # Of two rows for one attempt a database takes whichever it likes.
        [written] = statements.of("UPDATE chains_stepattempt")
        assert written.count("(%s") == len(live)

    async def test_busy_runs_do_not_keep_another_from_its_checkpoints(
        self, journal: Journal, run: Run, other_run: Run
    ):
        busy, quiet = await take(journal, run), await take(journal, other_run)
        live = attempt(quiet, "a")
        await quiet.journal.start([live], [])
        await wrap_connection(journal, slowly)

        async def write_all_the_time(begin_after: float) -> None:
            await asyncio.sleep(begin_after)
            while True:
                await busy.journal.skip([])

        # Out of step with each other, so that there is never a moment without something to write.
        writers = [asyncio.create_task(write_all_the_time(wait * SLOW_S)) for wait in (0.0, 0.5, 1.0)]
        stream(live, "kept")
        try:
            await until(lambda: in_db(lambda: texts(other_run) == {"a": "kept"}))
        finally:
            for writer in writers:
                writer.cancel()
            await asyncio.gather(*writers, return_exceptions=True)

    async def test_nothing_ticks_when_no_run_is_open(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        await watched.journal.finish("completed", output="", error="", not_reached=[])
        statements = Statements()
        await wrap_connection(journal, statements)
        await asyncio.sleep(TICK_S * 2.5)
        assert statements.seen == []


class TestEnd:
    async def test_length_and_digest_are_those_of_the_stored_text(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        live = attempt(watched, "a")
        await watched.journal.start([live], [])
        complete(live, "a\x00b\ud83d🌍e\u0301\r\n")
        await watched.journal.end(live, step_status="completed")
        row = await in_db(read_attempt, run)
        assert row.text == "a\ufffdb\ufffd🌍e\u0301\r\n"
        assert row.text_length == len(row.text)
        assert row.text_sha256 == hashlib.sha256(row.text.encode()).hexdigest() == live.sha256

    async def test_usage_cost_and_reason_are_kept(self, journal: Journal, run: Run):
        prices = {"input_price": Decimal(1), "output_price": Decimal(2)}
        await in_db(lambda: LanguageModel.objects.filter(model_id="a").update(**prices))
        watched = await take(journal, run)
        live = attempt(watched, "a")
        await watched.journal.start([live], [])
        complete(live, "text")
        await watched.journal.end(live, step_status="completed")
        row = await in_db(read_attempt, run)
        assert (row.status, row.finish_reason, row.is_truncated) == ("completed", "stop", False)
        assert (row.input_tokens, row.output_tokens, row.cost_usd) == (10, 5, Decimal("0.00002"))
        assert (await in_db(step_of, run, "a")).status == "completed"

    async def test_what_is_unknown_stays_null(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        live = attempt(watched, "a")
        await watched.journal.start([live], [])
        live.fail(ProviderError(ErrorKind.CONNECTION, "Not reached."), now())
        await watched.journal.end(live, step_status="failed")
        row = await in_db(read_attempt, run)
        assert (row.input_tokens, row.cost_usd, row.http_status) == (None, None, None)
        assert (row.first_token_at, row.stop_seen_at, row.error) == (None, None, "Not reached.")

    async def test_an_end_is_not_written_over(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        live = attempt(watched, "a")
        await watched.journal.start([live], [])
        complete(live, "whole")
        await watched.journal.end(live, step_status="completed")
        stream(live, " and more")
        await watched.journal.end(live, step_status="failed")
        assert (await in_db(read_attempt, run)).text == "whole"
        assert (await in_db(step_of, run, "a")).status == "completed"

    async def test_results_are_read_back_in_the_order_that_was_asked_for(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        live = attempt(watched, "a")
        await watched.journal.start([live], [Skip(watched.step("b"))])
        complete(live, "the text")
        await watched.journal.end(live, step_status="completed")
        skipped, answered = await watched.journal.results([watched.step("b"), watched.step("a")])
        assert (skipped.name, skipped.status, skipped.text) == ("B", "skipped", "")
        assert (answered.name, answered.model, answered.status, answered.text) == (
            "A",
            "test/a",
            "completed",
            "the text",
        )

    async def test_the_end_of_a_run_gives_every_step_a_status_and_frees_the_lease(
        self, journal: Journal, run: Run
    ):
        watched = await take(journal, run)
        skips = [Skip(watched.step("a")), Skip(watched.step("b"))]
        await watched.journal.finish("failed", output="", error="A: why.", not_reached=skips)
        await in_db(run.refresh_from_db)
        assert (run.status, run.error, run.lease_owner, run.lease_expires_at) == (
            "failed",
            "A: why.",
            "",
            None,
        )
        assert run.finished_at is not None
        assert await in_db(statuses, run) == {"a": "skipped", "b": "skipped"}


class TestStopSignals:
    async def test_a_flag_set_elsewhere_is_seen_by_the_next_tick(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        step = await in_db(step_of, run, "b")

        def set_flags() -> None:
            AgentStep.objects.filter(pk=step.pk).update(stop_requested_at=now())
            Run.objects.filter(pk=run.pk).update(stop_signals=F("stop_signals") + 1)

        await in_db(set_flags)
        await until(lambda: watched.stops)
        assert watched.stops[0].steps == {step.pk}
        assert not watched.stops[0].run

    @pytest.mark.usefixtures("unticked")
    async def test_without_a_new_signal_the_flags_are_not_read(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        statements = Statements()
        await wrap_connection(journal, statements)
        for _ in range(3):
            await watched.journal.checkpoint()
        assert len(statements.of("UPDATE chains_run")) == 3
        assert not [sql for sql in statements.seen if sql.startswith("SELECT")]


class TestLostLease:
    @pytest.mark.usefixtures("unticked")
    async def test_late_writes_raise_change_nothing_and_the_run_is_told(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        live = attempt(watched, "a")
        await watched.journal.start([live], [])
        await in_db(lambda: Run.objects.filter(pk=run.pk).update(epoch=F("epoch") + 1))
        complete(live, "too late")
        with pytest.raises(LeaseLost):
            await watched.journal.end(live, step_status="completed")
        assert watched.losses == 1
        row = await in_db(read_attempt, run)
        assert (row.status, row.text) == ("running", "")
        assert (await in_db(statuses, run))["a"] == "running"

    async def test_the_other_runs_of_a_batch_are_written_all_the_same(
        self, journal: Journal, run: Run, other_run: Run
    ):
        lost, held = await take(journal, run), await take(journal, other_run)
        await in_db(lambda: Run.objects.filter(pk=run.pk).update(epoch=F("epoch") + 1))
        outcomes = await asyncio.gather(
            lost.journal.start([attempt(lost, "a")], []),
            held.journal.start([attempt(held, "a")], []),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [LeaseLost, type(None)]
        assert await in_db(statuses, run) == {"a": "pending", "b": "pending"}
        assert await in_db(statuses, other_run) == {"a": "running"}

    async def test_a_tick_alone_notices_it(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        await in_db(lambda: Run.objects.filter(pk=run.pk).update(epoch=F("epoch") + 1))
        await until(lambda: watched.losses)


class Fails:
    """Makes the next statements of a connection fail, as an absent database does."""

    def __init__(self, times: int, error: Exception, words: str = "") -> None:
        self.left = times
        self.error = error
        self.words = words

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.left and self.words in f"{sql} {params}":
            self.left -= 1
            raise self.error
        return execute(sql, params, many, context)


class TestFaults:
    async def test_a_database_that_is_away_for_a_moment_loses_nothing(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        await wrap_connection(journal, Fails(3, OperationalError("gone")))
        live = attempt(watched, "a")
        await watched.journal.start([live], [])
        complete(live, "whole")
        await wrap_connection(journal, Fails(2, OperationalError("gone")))
        await watched.journal.end(live, step_status="completed")
        row = await in_db(read_attempt, run)
        assert (row.status, row.text) == ("completed", "whole")
        assert watched.losses == 0

    async def test_a_batch_that_breaks_in_the_middle_leaves_no_half_of_it(self, journal: Journal, run: Run):
        watched = await take(journal, run)
        fault = Fails(1, OperationalError("gone"), words="UPDATE chains_agentstep")
        await wrap_connection(journal, fault)
        await watched.journal.start([attempt(watched, "a")], [])
        assert fault.left == 0
        assert await in_db(lambda: StepAttempt.objects.filter(step__run=run).count()) == 1

    async def test_what_one_run_cannot_write_does_not_take_another_with_it(
        self, journal: Journal, run: Run, other_run: Run
    ):
        broken, sound = await take(journal, run), await take(journal, other_run)
        await wrap_connection(journal, Fails(-1, DataError("no"), words="INSERT INTO chains_stepattempt"))
        outcomes = await asyncio.gather(
            broken.journal.start([attempt(broken, "a")], []),
            sound.journal.skip([Skip(sound.step("a"))]),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [DataError, type(None)]
        assert await in_db(statuses, run) == {"a": "pending", "b": "pending"}
        assert await in_db(statuses, other_run) == {"a": "skipped"}

    async def test_whoever_had_to_wait_for_an_answer_knows_that_the_database_was_away(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ):
        assert await journal.call(lambda: 1) == 1
        assert journal.answers_since(60)
        # As a pool does that finds no database: it waits and says nothing.
        monkeypatch.setattr("chains.engine.journal.SLOW_S", 0.2)
        await journal.call(time.sleep, 0.3)
        assert not journal.answers_since(60)
        assert journal.answers_since(0)

    async def test_stop_does_not_wait_for_a_database_that_stays_away(self, run: Run):
        journal = Journal("test")
        watched = await take(journal, run)
        await wrap_connection(journal, Fails(-1, OperationalError("gone"), words="chains_run"))
        writing = watched.journal.checkpoint()
        await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            await journal.stop()
        assert not writing.done() or writing.cancelled()


async def test_an_executed_run_is_in_the_database_with_what_each_stage_said(journal: Journal, alice: User):
    agents = [
        Agent("seed", says("one ", "two")),
        Agent("b", says("from b", each=0.01), "parallel", prompt="{{previous}}"),
        Agent("c", says("from c", each=0.01), "parallel"),
        Agent("last", says("the ", "end"), prompt="{{previous}}"),
    ]
    run = await in_db(lambda: make_run(make_session(alice), *agents))
    provider = scripted(*agents)
    assert await carry_out(journal, run, provider) == "completed"
    await in_db(run.refresh_from_db)
    assert (run.status, run.output) == ("completed", "the end")
    assert await in_db(texts, run) == {"seed": "one two", "b": "from b", "c": "from c", "last": "the end"}
    assert set((await in_db(statuses, run)).values()) == {"completed"}
    assert "from b" in provider.prompts("last")[0]
