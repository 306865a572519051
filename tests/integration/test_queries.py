"""What pages show: the side bar, a session's runs, columns and their figures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chains import actions, queries
from chains.models import AgentStep, ChatSession, LanguageModel, Run, User
from chains.queries import Band, Column
from chains.rendering.markdown import render_blocks
from tests.integration.pages_cast import (
    CONDITIONAL,
    PARALLEL,
    agent,
    attempt,
    chain_of,
    complete,
    end,
    model,
    run_in,
    session_of,
)

pytestmark = pytest.mark.django_db

BEGAN = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


@pytest.fixture
def session(alice: User) -> ChatSession:
    return session_of(alice)


def column_of(run: Run, slug: str) -> Column:
    return next(column for column in queries.columns(run_ids=[run.pk]) if column.step.slug == slug)


def band_of(run: Run) -> Band:
    [band] = queries.bands(session=run.session, run_ids=[run.pk])
    return band


class TestSideBar:
    def test_sessions_stand_by_day_newest_first(self, alice: User):
        now = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0)
        ages = {"today": 0, "yesterday": 1, "this week": 2, "last day of it": 7, "long ago": 800}
        for title, days in ages.items():
            ChatSession.objects.create(owner=alice, title=title, active_at=now - timedelta(days=days))
        old = now - timedelta(days=800)
        groups = queries.sidebar(alice)
        assert [(group.label, [one.title for one in group.sessions]) for group in groups] == [
            ("Today", ["today"]),
            ("Yesterday", ["yesterday"]),
            ("Previous 7 days", ["this week", "last day of it"]),
            (f"{old:%B} {old.year}", ["long ago"]),
        ]

    def test_other_peoples_sessions_do_not_exist(self, bob: User, session: ChatSession):
        assert queries.sidebar(bob) == []

    @pytest.mark.parametrize("words", ["ROUND", "is it so", "perhaps"])
    def test_search_reads_titles_messages_and_answers(self, alice: User, session: ChatSession, words: str):
        complete(run_in(session), "Perhaps.")
        actions.rename_session(session=session, title="Round or flat")
        session_of(alice)
        [group] = queries.sidebar(alice, words=words)
        assert group.sessions == [session]

    def test_it_is_one_query(self, alice: User, session: ChatSession):
        with CaptureQueriesContext(connection) as captured:
            assert [str(one) for group in queries.sidebar(alice) for one in group.sessions] == ["New session"]
        assert len(captured) == 1

    def test_the_newest_are_shown_when_there_are_too_many(self, alice: User):
        now = timezone.now()
        for number in range(5):
            ChatSession.objects.create(
                owner=alice, title=str(number), active_at=now + timedelta(seconds=number)
            )
        [group] = queries.sidebar(alice, limit=2)
        assert [one.title for one in group.sessions] == ["4", "3"]


class TestSessionPage:
    def test_runs_stand_oldest_first_and_lead_back_page_by_page(self, session: ChatSession):
        runs = [complete(run_in(session)) for _ in range(5)]
        newest = queries.session_page(session=session, limit=2)
        assert [band.run for band in newest.bands] == runs[3:]
        middle = queries.session_page(session=session, limit=2, before=newest.older)
        assert [band.run for band in middle.bands] == runs[1:3]
        oldest = queries.session_page(session=session, limit=2, before=middle.older)
        assert [band.run for band in oldest.bands] == runs[:1]
        assert oldest.older is None

    def test_the_live_run_is_known_on_every_page(self, session: ChatSession):
        first = complete(run_in(session))
        live = run_in(session)
        page = queries.session_page(session=session, before=live.pk)
        assert [band.run for band in page.bands] == [first]
        assert page.live_run == live

    def test_a_page_of_two_hundred_steps_takes_few_queries(self, alice: User):
        session = session_of(alice, *(agent(f"A{number}", PARALLEL) for number in range(10)))
        for _ in range(20):
            complete(run_in(session))
        session.refresh_from_db()
        with CaptureQueriesContext(connection) as captured:
            page = queries.session_page(session=session, limit=20)
            shown = [(one.html, one.model_label, one.metrics) for band in page.bands for one in band.columns]
        assert len(shown) == 200
        assert len(captured) <= 6
        assert not any('"messages"' in query["sql"] for query in captured), "the messages sent are long"

    def test_another_sessions_runs_are_never_shown(self, alice: User, session: ChatSession):
        other = run_in(session_of(alice))
        assert queries.bands(session=session, run_ids=[other.pk]) == []


class TestColumns:
    def test_columns_stand_in_the_order_of_the_chain_stage_by_stage(self, session: ChatSession):
        band = band_of(run_in(session))
        stages = [(one.number, one.parallel, [c.step.name for c in one.columns]) for one in band.stages]
        assert stages == [(1, True, ["Ada", "Ben"]), (2, False, ["Editor"])]

    def test_one_step_knows_whom_it_waits_for(self, session: ChatSession):
        run = run_in(session)
        [column] = queries.columns(step_ids=[run.steps.get(slug="editor").pk])
        assert column.label == "Waiting for Ada and Ben…"

    def test_the_first_agent_waits_for_nobody(self, alice: User):
        run = run_in(session_of(alice, agent("Ada"), agent("Ben")))
        assert [one.label for one in queries.columns(run_ids=[run.pk])] == ["Preparing…", "Waiting for Ada…"]

    def test_an_answer_is_rendered_block_by_block(self, session: ChatSession):
        text = "# Title\n\nA *word*.\n\n- one\n- two\n\n```python\nx = 1\n```"
        run = complete(run_in(session), text)
        blocks = render_blocks(text)
        assert len(blocks) > 3
        expected = "".join(f"<div data-block>{block}</div>" for block in blocks)
        assert column_of(run, "ada").html == expected

    def test_what_a_model_wrote_is_never_markup(self, session: ChatSession):
        run = complete(run_in(session), "<script>alert(1)</script>")
        assert "<script" not in column_of(run, "ada").html

    def test_a_step_shows_its_newest_attempt_and_names_those_before(self, session: ChatSession):
        run = run_in(session)
        step = run.steps.get(slug="ada")
        attempt(step, status="failed", error="Busy.", number=1)
        attempt(step, text="There.", number=2)
        column = column_of(run, "ada")
        assert column.attempt is not None
        assert (column.attempt.text, column.attempt_count, column.error) == ("There.", 2, "")
        assert [one.error for one in column.earlier] == ["Busy."]

    def test_an_error_is_not_shown_while_another_attempt_may_follow(self, session: ChatSession):
        run = run_in(session)
        step = run.steps.get(slug="ada")
        attempt(step, status="failed", error="Busy.", http_status=429)
        AgentStep.objects.filter(pk=step.pk).update(status="running")
        waiting = column_of(run, "ada")
        assert (waiting.error, waiting.http_status, waiting.metrics) == ("", None, None)

    def test_a_failure_says_what_the_server_answered(self, session: ChatSession):
        run = run_in(session)
        attempt(run.steps.get(slug="ada"), status="failed", error="Acme had an error.", http_status=500)
        column = column_of(run, "ada")
        assert (column.label, column.error, column.http_status) == ("Failed", "Acme had an error.", 500)

    def test_a_skipped_step_shows_its_rule_and_what_was_tested(self, alice: User):
        run = run_in(session_of(alice, agent("Ada"), agent("Ben", CONDITIONAL, 'contains("yes")')))
        run.steps.filter(slug="ben").update(
            status="skipped",
            skip_reason="condition",
            tested_subject="previous output",
            tested_excerpt="no",
            decided_by='contains("yes")',
        )
        skip = column_of(run, "ben").skip
        assert skip is not None
        assert (skip.reason, skip.condition) == ("condition", 'contains("yes")')
        assert (skip.subject, skip.excerpt) == ("previous output", "no")

    def test_a_stop_leaves_a_receipt(self, session: ChatSession):
        run = run_in(session)
        attempt(
            run.steps.get(slug="ada"),
            text="x" * 1312,
            status="cancelled",
            started_at=at(0),
            stop_seen_at=at(1.2),
            upstream_closed_at=at(1.24),
        )
        assert column_of(run, "ada").receipt == (
            "Stopped after 1.2 s; the connection to the provider was closed within 40 ms; "
            "1,312 characters (about 328 tokens) kept."
        )

    def test_a_stop_between_two_attempts_says_so(self, session: ChatSession):
        run = run_in(session)
        attempt(run.steps.get(slug="ada"), status="cancelled")
        assert column_of(run, "ada").receipt == "Stopped while it waited to try again."

    def test_simulated_text_is_marked(self, session: ChatSession):
        assert column_of(run_in(session), "ada").simulated


class TestFigures:
    def test_a_calls_figures_come_from_its_recorded_times(self, session: ChatSession):
        run = run_in(session)
        attempt(
            run.steps.get(slug="ada"),
            started_at=at(0),
            first_token_at=at(0.5),
            finished_at=at(2.5),
            output_tokens=100,
            cost_usd=Decimal("0.0123"),
        )
        metrics = column_of(run, "ada").metrics
        assert metrics is not None
        assert (metrics.duration_ms, metrics.first_token_ms) == (2500, 500)
        assert metrics.tokens_per_second == pytest.approx(50)
        assert metrics.cost == "$0.0123"

    def test_what_the_provider_did_not_say_is_unknown(self, session: ChatSession):
        run = run_in(session)
        attempt(
            run.steps.get(slug="ada"),
            status="failed",
            first_token_at=None,
            input_tokens=None,
            output_tokens=None,
            cost_usd=None,
        )
        metrics = column_of(run, "ada").metrics
        assert metrics is not None
        assert (metrics.first_token_ms, metrics.output_tokens, metrics.tokens_per_second) == (
            None,
            None,
            None,
        )
        assert metrics.cost == "unknown"

    @pytest.fixture
    def group_of_two(self, session: ChatSession) -> Run:
        """Ada fails after 1 s and takes 3 s at her second attempt, Ben takes 4 s; then the editor 1 s."""
        run = run_in(session)
        ada, ben, editor = run.steps.all()
        attempt(ada, number=1, status="failed", started_at=at(0), finished_at=at(1), cost_usd=None)
        attempt(ada, number=2, started_at=at(1.5), finished_at=at(4.5), cost_usd=Decimal("0.01"))
        attempt(ben, started_at=at(0), first_token_at=at(0.4), finished_at=at(4), cost_usd=Decimal("0.02"))
        attempt(editor, started_at=at(4.5), finished_at=at(5.5), cost_usd=Decimal("0.03"))
        Run.objects.filter(pk=run.pk).update(status="completed", started_at=at(0), finished_at=at(5.5))
        run.refresh_from_db()
        return run

    def test_a_runs_totals_count_every_attempt(self, group_of_two: Run):
        totals = band_of(group_of_two).totals
        assert totals is not None
        assert (totals.wall_ms, totals.sum_ms, totals.saved_ms) == (5500, 9000, 3500)
        assert totals.cost == "$0.0600 + unknown for 1 call"
        assert totals.tokens == 4 * 42

    def test_what_runs_one_after_the_other_saves_nothing(self, group_of_two: Run):
        Run.objects.update(finished_at=at(20))
        totals = band_of(Run.objects.get()).totals
        assert totals is not None
        assert totals.saved_ms == 0

    def test_the_waterfall_places_every_attempt_on_one_axis(self, group_of_two: Run):
        waterfall = band_of(group_of_two).waterfall
        assert waterfall is not None
        bars = [(bar.name, bar.attempt, bar.start_ms, bar.end_ms) for bar in waterfall.bars]
        assert bars == [
            ("Ada", 1, 0, 1000),
            ("Ben", 1, 0, 4000),
            ("Ada", 2, 1500, 4500),
            ("Editor", 1, 4500, 5500),
        ]
        assert waterfall.bars[1].first_token_ms == 400
        assert all(bar.end_ms <= waterfall.width_ms for bar in waterfall.bars)

    def test_a_live_run_has_no_totals_yet_and_its_bars_grow(self, session: ChatSession):
        run = run_in(session)
        Run.objects.filter(pk=run.pk).update(status="running", started_at=timezone.now())
        attempt(run.steps.get(slug="ada"), status="streaming", finished_at=None)
        band = band_of(run)
        assert band.totals is None
        first, second = band.waterfall, band_of(run).waterfall
        assert first is not None
        assert second is not None
        assert [lane.name for lane in first.lanes] == ["Ada", "Ben", "Editor"]
        assert [bar.is_live for bar in first.bars] == [True]
        assert second.bars[0].end_ms >= first.bars[0].end_ms
        assert second.bars[0].end_ms == second.wall_ms

    def test_a_queued_run_shows_its_agents_without_a_call(self, session: ChatSession):
        waterfall = band_of(run_in(session)).waterfall
        assert waterfall is not None
        assert (waterfall.wall_ms, waterfall.bars, len(waterfall.lanes)) == (0, [], 3)

    def test_a_long_time_without_a_call_is_told_and_takes_nothing_off_what_was_saved(
        self, session: ChatSession
    ):
        run = run_in(session)
        ada, ben, editor = run.steps.all()
        attempt(ada, started_at=at(0), finished_at=at(3))
        attempt(ben, started_at=at(0), finished_at=at(2))
        attempt(editor, started_at=at(7_503), finished_at=at(7_504))
        Run.objects.filter(pk=run.pk).update(status="completed", started_at=at(0), finished_at=at(7_504))
        band = band_of(Run.objects.get())
        assert band.waterfall is not None
        assert band.totals is not None
        assert band.waterfall.idle == [(3_000, 7_503_000)]
        assert (band.totals.wall_ms, band.totals.waited_ms) == (7_504_000, 7_500_000)
        assert (band.totals.sum_ms, band.totals.saved_ms) == (6_000, 2_000)

    def test_a_pause_that_another_call_covers_is_no_wait(self, session: ChatSession):
        run = run_in(session)
        ada, ben, editor = run.steps.all()
        attempt(ada, number=1, status="failed", started_at=at(0), finished_at=at(1))
        attempt(ada, number=2, started_at=at(41), finished_at=at(42))
        attempt(ben, started_at=at(0), finished_at=at(60))
        attempt(editor, started_at=at(85), finished_at=at(86))
        Run.objects.filter(pk=run.pk).update(status="completed", started_at=at(0), finished_at=at(120))
        waterfall = band_of(Run.objects.get()).waterfall
        assert waterfall is not None
        assert waterfall.idle == [(86_000, 120_000)]

    def test_a_run_without_a_call_has_no_totals(self, session: ChatSession):
        run = run_in(session)
        actions.stop_run(run=run)
        band = band_of(run)
        assert (band.totals, band.waterfall, band.error) == (None, None, "Stopped before it began.")

    def test_a_runs_error_stands_at_its_band(self, session: ChatSession):
        assert band_of(end(run_in(session), "failed", "Ada: no.")).error == "Ada: no."


class TestLibrary:
    def test_own_named_chains_show_their_newest_plan(self, alice: User, bob: User):
        chain_of(bob, name="Not mine")
        chain_of(alice, agent("Ada", PARALLEL), agent("Ben", PARALLEL), agent("Editor"), name="Mine")
        actions.quick_compare(
            owner=alice, models=[model("fast"), model("slow")], text="Hello", request_id="r1"
        )
        cards, _ = queries.chain_library(alice)
        [card] = cards
        assert (card.name, card.slug) == ("Mine", "mine")
        plan = [(stage.parallel, [one.name for one in stage.agents]) for stage in card.stages]
        assert plan == [(True, ["Ada", "Ben"]), (False, ["Editor"])]

    def test_many_chains_take_no_more_queries_than_one(self, alice: User):
        def count() -> int:
            with CaptureQueriesContext(connection) as captured:
                queries.chain_library(alice)
            return len(captured)

        chain_of(alice, name="First")
        one = count()
        for number in range(5):
            chain_of(alice, name=f"More {number}")
        assert count() == one

    def test_demos_stand_by_theme(self, alice: User):
        _, themes = queries.chain_library(alice)
        assert [theme.label for theme in themes] == ["Research", "Code", "Writing"]
        assert sum(len(theme.chains) for theme in themes) >= 12
        assert all(card.stages and card.description for theme in themes for card in theme.chains)

    def test_a_chains_plan_is_that_of_its_newest_version(self, alice: User):
        chain = chain_of(alice, agent("Old"))
        file = actions.export_chain(chain=chain)
        actions.import_chain(owner=alice, file=type(file)(name=file.name, agents=(agent("New"),)))
        [stage] = queries.chain_plan(chain)
        assert [one.name for one in stage.agents] == ["New"]

    def test_real_models_stand_before_simulated_ones(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("OPENAI_API_KEY", "secret")
        actions.load_defaults()
        LanguageModel.objects.filter(model_id="gpt-4.1").update(enabled=False)
        models = queries.models_for_compare()
        simulated = [one.is_simulated for one in models]
        assert all(before <= after for before, after in pairwise(simulated))
        assert "openai/gpt-4.1" not in [one.label for one in models]
