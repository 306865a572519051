"""The admin's lists stay quick, its live page says who runs what, and a role sees runs but no texts."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import connection
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone

from chains import actions
from chains.api.errors import ApiError
from chains.api.offers import find_offer, offered_to
from chains.models import (
    AgentStep,
    Chain,
    ChainVersion,
    ChatSession,
    LanguageModel,
    Provider,
    Run,
    StepAttempt,
    User,
)
from chains.queries import duration_text, milliseconds_between
from chains.queries.live_runs import live_runs
from tests.integration.admin_cast import carol, no_query_about, page, queries_of, sam, shown
from tests.integration.pages_cast import attempt, chain_of, complete, model, run_in, session_of

pytestmark = pytest.mark.django_db

HISTORY: list[type[Model]] = [Chain, ChainVersion, ChatSession, Run, AgentStep, StepAttempt]
LIVE = "admin:chains_run_live"
SECRET = "heron"


def many_runs(owner: User, number: int) -> None:
    """Write this many finished runs of one step and one call, each in a session of its own."""
    chain = Chain.objects.filter(owner=owner).first() or chain_of(owner)
    version, now = chain.versions.get(), timezone.now()
    days = [now - timedelta(days=place % 60) for place in range(number)]
    sessions = ChatSession.objects.bulk_create(
        ChatSession(owner=owner, chain=chain, title=f"Chat {place}", active_at=day)
        for place, day in enumerate(days)
    )
    runs = Run.objects.bulk_create(
        Run(
            session=session,
            chain_version=version,
            request_id=uuid.uuid4().hex,
            input="Is it so?",
            status="completed",
            started_at=day,
            finished_at=day,
        )
        for session, day in zip(sessions, days, strict=True)
    )
    steps = AgentStep.objects.bulk_create(
        AgentStep(
            run=run, index=0, execution_group=1, name="Ada", slug="ada", model=model(), status="completed"
        )
        for run in runs
    )
    StepAttempt.objects.bulk_create(
        StepAttempt(step=step, number=1, status="completed", started_at=day, finished_at=day)
        for step, day in zip(steps, days, strict=True)
    )
    with connection.cursor() as cursor:
        # A database counts its rows now and then; without that it plans as if these were not there.
        cursor.execute("ANALYZE")


@pytest.mark.once
@pytest.mark.timeout(300)
def test_lists_take_as_many_queries_with_5000_runs_as_with_50(alice: User):
    addresses = [page(table, "changelist") + more for table in HISTORY for more in ("", "?q=ali")]
    visits = [(client, address) for client in (carol(), sam()) for address in addresses]
    many_runs(alice, 50)
    few = [queries_of(client, address) for client, address in visits]
    many_runs(alice, 4_950)
    assert [queries_of(client, address) for client, address in visits] == few
    assert max(few) <= 10


def test_a_runs_page_takes_no_more_queries_for_more_steps_and_attempts(alice: User):
    client = carol()
    few, many = complete(run_in(session_of(alice))), complete(run_in(session_of(alice)))
    steps = AgentStep.objects.bulk_create(
        AgentStep(run=many, index=place, execution_group=1, name="More", slug="more", model=model())
        for place in range(10, 40)
    )
    for step in steps:
        attempt(step, status="failed")
    queries_of(client, page(Run, "change", few.pk))  # what a process reads only once, it has read
    cost = [queries_of(client, page(Run, "change", run.pk)) for run in (few, many)]
    assert cost[0] == cost[1]


def test_a_runs_page_shows_every_attempt_of_every_step(alice: User):
    run = run_in(session_of(alice))
    ada, ben, _ = run.steps.all()
    failed = attempt(ada, status="failed", error="Acme is overloaded: try again later.", output_tokens=None)
    answered = attempt(ada, number=2, output_tokens=30, cost_usd=Decimal("0.5"))
    html = shown(carol(), page(Run, "change", run.pk))
    assert f"1</a> failed, {duration_of(failed)}: Acme is overloaded: try again later.</span>" in html
    assert f"2</a> completed, {duration_of(answered)}, 30 tokens, $0.5000</span>" in html
    for row in (failed, answered, ada, ben):
        assert page(type(row), "change", row.pk) in html


def duration_of(call: StepAttempt) -> str:
    assert call.finished_at
    return duration_text(milliseconds_between(call.started_at, call.finished_at))


class TestLiveRuns:
    @pytest.fixture
    def run(self, alice: User) -> Run:
        """A run whose first agent streams, whose second was tried twice, and whose third waits."""
        run = run_in(session_of(alice))
        Run.objects.update(status="running", started_at=timezone.now() - timedelta(minutes=2))
        ada, ben, _ = run.steps.all()
        attempt(ada, status="streaming", text="x" * 400, finished_at=None, output_tokens=None)
        attempt(ben, status="failed", text="x" * 40, output_tokens=7)
        attempt(ben, status="running", number=2, finished_at=None, output_tokens=None)
        run.refresh_from_db()
        return run

    def test_the_page_says_who_runs_what_since_when_and_how_far(self, run: Run):
        html = shown(carol(), reverse(LIVE))
        for words in ("alice", "Critics v1", "2 min 0", "streaming", "attempt 2", "100 tokens", "0 of 3"):
            assert words in html, words

    def test_tokens_are_those_that_were_counted_and_a_quarter_of_the_other_text(self, run: Run):
        (row,) = live_runs()
        assert [(step.name, step.tokens) for step in row.steps] == [("Ada", 100), ("Ben", 7)]
        assert row.tokens == 107

    def test_it_renews_only_the_part_that_changes(self, run: Run):
        part = carol().get(reverse(LIVE), headers={"HX-Request": "true"}).content.decode()
        assert "Critics v1" in part
        assert "<html" not in part

    def test_what_has_ended_is_not_on_it(self, run: Run):
        Run.objects.update(status="completed", finished_at=timezone.now())
        assert "Nothing is running" in shown(carol(), reverse(LIVE))

    def test_more_live_runs_take_no_more_queries(self, run: Run, alice: User):
        client = carol()
        few = queries_of(client, reverse(LIVE))
        for _ in range(5):
            run_in(session_of(alice))
        assert queries_of(client, reverse(LIVE)) == few

    def test_a_run_is_stopped_from_it_and_that_is_written_down(self, run: Run):
        client = carol()
        stop = reverse("admin:chains_run_stop", args=[run.pk])
        assert stop in shown(client, reverse(LIVE))
        assert client.post(stop)["Location"] == reverse(LIVE)
        run.refresh_from_db()
        assert run.stop_requested_at is not None
        assert "Stopping…" in shown(client, reverse(LIVE))
        assert LogEntry.objects.get().change_message == "Stopped."

    def test_what_has_ended_is_not_stopped_again(self, run: Run):
        Run.objects.update(status="completed", finished_at=timezone.now())
        response = carol().post(reverse("admin:chains_run_stop", args=[run.pk]), follow=True)
        assert "had ended already" in response.content.decode()
        assert not LogEntry.objects.exists()

    def test_looking_is_not_stopping(self, run: Run):
        client = sam()
        assert "Stop" not in shown(client, reverse(LIVE)).partition("<tbody>")[2]
        assert client.post(reverse("admin:chains_run_stop", args=[run.pk])).status_code == 403
        run.refresh_from_db()
        assert run.stop_requested_at is None

    def test_stopping_is_a_right_of_its_own(self, run: Run):
        assert sam("stop_any_run").post(reverse("admin:chains_run_stop", args=[run.pk])).status_code == 302

    def test_nobody_stops_with_a_link(self, run: Run):
        assert carol().get(reverse("admin:chains_run_stop", args=[run.pk])).status_code == 405


class TestSupport:
    """sam sees how a run went, and nothing that anybody wrote in it."""

    @pytest.fixture(autouse=True)
    def run(self, alice: User) -> Run:
        run = run_in(session_of(alice), text=f"A {SECRET} question")
        complete(run, answer=f"A {SECRET} answer")
        texts = ("system_prompt", "prompt", "condition", "tested_excerpt", "decided_by")
        AgentStep.objects.update(**dict.fromkeys(texts, SECRET))
        said = [{"role": "user", "content": SECRET}]
        StepAttempt.objects.update(messages=said, reasoning=SECRET)
        failure = f"Ada (simulated/fast): Acme did not accept the request: try again. It said: “{SECRET}”"
        StepAttempt.objects.update(error=failure)
        Run.objects.update(earlier=[[SECRET, SECRET]], error=f"{failure}\n{failure}")
        Chain.objects.update(description=SECRET)
        draft = ChainVersion.objects.create(chain=Chain.objects.get())
        draft.agents.create(
            index=0, name="Ada", slug="ada", prompt=SECRET, system_prompt=SECRET, condition=SECRET
        )
        return run

    @pytest.mark.parametrize("table", HISTORY)
    def test_sees_every_page_without_its_texts(self, table: type[Model]):
        client = sam()
        assert SECRET not in shown(client, page(table, "changelist"))
        for row in table._default_manager.all():
            assert SECRET not in shown(client, page(table, "change", row.pk)), row.pk

    @pytest.mark.parametrize("table", HISTORY)
    def test_sees_every_history_without_its_texts(self, table: type[Model]):
        client, staff = sam(), User.objects.create_superuser("dan")
        for row in table._default_manager.all():
            LogEntry.objects.log_actions(staff.pk, [row], CHANGE, "Looked at.", single_object=True)
            history = shown(client, page(table, "history", row.pk))
            assert "Looked at." in history
            assert SECRET not in history, row.pk
        assert SECRET not in shown(client, reverse("admin:index"))

    def test_reads_nothing_on_the_pages_of_others_either(self, run: Run):
        client, chain, step = sam(), Chain.objects.get(), run.steps.first()
        assert step is not None
        addresses = [
            reverse("session_detail", args=[run.session_id]),
            reverse("session_older", args=[run.session_id]) + f"?before={run.pk + 1}",
            reverse("session_delete", args=[run.session_id]),
            reverse("step_text", args=[step.pk]),
            *(reverse(name, args=[chain.slug]) for name in ("chain_edit", "chain_export", "version_list")),
            reverse("chain_delete", args=[chain.slug]),
        ]
        assert {client.get(address).status_code for address in addresses} == {404}
        for name in ("home", "library", "session_search"):
            assert SECRET not in shown(client, reverse(name))
        found = shown(client, f"{reverse('session_search')}?q={SECRET}")
        assert reverse("session_detail", args=[run.session_id]) not in found

    def test_is_offered_nobodys_chain_over_the_api(self):
        sam()
        support = User.objects.get(username="sam")
        assert offered_to(support) == []
        with pytest.raises(ApiError, match="does not exist"):
            find_offer(support, "chain/alice/critics")

    def test_sees_why_something_failed_in_our_own_words(self, run: Run):
        client, call = sam(), StepAttempt.objects.earliest("id")
        addresses = [
            page(Run, "changelist"),
            page(Run, "change", run.pk),
            page(AgentStep, "change", call.step_id),
            page(StepAttempt, "change", call.pk),
        ]
        for address in addresses:
            assert "Acme did not accept the request: try again." in shown(client, address)

    @pytest.mark.parametrize("table", [ChatSession, Run, AgentStep, StepAttempt, ChainVersion, Chain])
    def test_who_may_read_texts_sees_them(self, table: type[Model]):
        client = carol()
        pages = [shown(client, page(table, "change", row.pk)) for row in table._default_manager.all()]
        assert any(SECRET in html for html in pages)

    def test_sees_how_it_went(self, run: Run):
        html = shown(sam(), page(Run, "change", run.pk))
        assert "alice" in html
        assert "Completed" in html
        assert "simulated/fast" in html

    @pytest.mark.parametrize("table", [ChatSession, Run])
    def test_a_search_for_words_of_a_text_finds_nothing(self, table: type[Model]):
        address = page(table, "changelist") + f"?q={SECRET}"
        row = table._default_manager.get()
        link = page(table, "change", row.pk)
        assert link not in shown(sam(), address)
        assert link in shown(carol(), address)

    @pytest.mark.parametrize(
        ("table", "lookup"),
        [
            (Run, "input__startswith=A"),
            (Run, "session__title__contains=heron"),
            (Run, "steps__attempts__text__contains=heron"),
            (ChatSession, "title__contains=heron"),
            (AgentStep, "prompt__contains=heron"),
            (StepAttempt, "text__contains=heron"),
            (ChainVersion, "agents__prompt__contains=heron"),
            (Chain, "versions__agents__prompt__contains=heron"),
            (Chain, "description__contains=heron"),
            # What a filter names leads on to other tables.
            (AgentStep, "model__provider__models__steps__prompt__contains=heron"),
            (StepAttempt, "step__model__provider__models__steps__attempts__text__contains=heron"),
            (Run, "session__id__runs__input__contains=heron"),
            (LanguageModel, "steps__prompt__contains=heron"),
            (Provider, "models__steps__prompt__contains=heron"),
        ],
    )
    def test_no_address_spells_a_text_out(self, table: type[Model], lookup: str):
        assert sam().get(f"{page(table, 'changelist')}?{lookup}").status_code == 400

    def test_addresses_of_filters_still_work(self, run: Run):
        client = sam()
        links: list[tuple[type[Model], str]] = [
            (Run, "status__exact=completed"),
            (Run, f"session__id__exact={run.session_id}"),
            (Run, "created_at__year=2026&created_at__month=11"),
            (Run, "created_at__gte=2026-01-01+00:00:00%2B00:00&created_at__lt=2027-01-01+00:00:00%2B00:00"),
            (Run, "is_kept__exact=0"),
            (AgentStep, f"model__provider__id__exact={model().provider_id}"),
            (StepAttempt, f"step__model__provider__id__exact={model().provider_id}&error_kind=auth"),
            (Chain, "archived_at__isempty=1&is_shared__exact=0"),
        ]
        for table, lookup in links:
            shown(client, f"{page(table, 'changelist')}?{lookup}")

    @pytest.mark.parametrize("table", HISTORY)
    def test_every_filter_that_a_list_offers_works(self, table: type[Model]):
        client, address = sam(), page(table, "changelist")
        links = re.findall(r'<a href="(\?[^"]+)"', shown(client, address))
        assert links
        for link in links:
            shown(client, address + unescape(link))

    def test_texts_are_not_even_read(self, run: Run):
        client = sam()
        attempt = StepAttempt.objects.earliest("id")
        with no_query_about('"chains_stepattempt"."text"'):
            shown(client, page(StepAttempt, "change", attempt.pk))
            shown(client, page(StepAttempt, "changelist"))
        with no_query_about('"chains_run"."input"'):
            shown(client, page(Run, "change", run.pk))

    def test_the_live_page_holds_no_text(self, alice: User):
        live = run_in(session_of(alice), text=SECRET)
        html = shown(sam(), reverse(LIVE))
        assert f">{live.pk}<" in html
        assert SECRET not in html

    def test_changes_nothing(self):
        client = sam()
        for table in HISTORY:
            row = table._default_manager.first()
            assert row is not None
            assert client.post(page(table, "change", row.pk), {}).status_code == 403
            assert client.post(page(table, "delete", row.pk), {"post": "yes"}).status_code == 403
        assert client.post(reverse("admin:chains_languagemodel_sync")).status_code == 403

    def test_who_may_change_chains_but_not_read_texts_changes_none(self):
        chain = Chain.objects.get()
        client = sam("change_chain", "add_chain", "change_agent")
        html = shown(client, page(Chain, "change", chain.pk))
        assert SECRET not in html
        assert "agents-0-prompt" not in html
        assert client.get(page(Chain, "add")).status_code == 403


def test_a_deleted_session_takes_its_pages_with_it(alice: User):
    run = complete(run_in(session_of(alice)))
    actions.delete_session(session=run.session)
    assert carol().get(page(Run, "change", run.pk)).status_code == 302
