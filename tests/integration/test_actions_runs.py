"""What a user can do with runs: send, compare, stop, keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoCaptureOnCommitCallbacks

from chains import actions
from chains.chainfile import ChainFile
from chains.engine import lease
from chains.engine.loading import load_run
from chains.models import AgentStep, Chain, ChatSession, LanguageModel, Provider, Run, User
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


@pytest.fixture
def session(alice: User) -> ChatSession:
    return session_of(alice)


def send(session: ChatSession, text: str = "Is it so?", request_id: str = "r1", **options: Any) -> Run:
    assert session.chain is not None
    return actions.start_run(
        session=session, chain=session.chain, text=text, request_id=request_id, **options
    )


class TestStarting:
    def test_a_message_makes_a_queued_run_with_a_step_for_every_agent(self, session: ChatSession):
        run = send(session)
        assert (run.status, run.input) == ("queued", "Is it so?")
        steps = run.steps.values_list("index", "name", "execution_group", "status")
        assert list(steps) == [
            (0, "Ada", 1, "pending"),
            (1, "Ben", 1, "pending"),
            (2, "Editor", 2, "pending"),
        ]

    def test_a_step_keeps_its_own_copy_of_the_agents_settings(self, alice: User):
        session = session_of(alice, agent("Ada"), agent("Ben", CONDITIONAL, 'contains("yes")'))
        step = send(session).steps.get(slug="ben")
        source = session.chain.versions.get().agents.get(slug="ben")  # type: ignore[union-attr]
        for column in ("name", "model_id", "prompt", "system_prompt", "connection_type", "condition"):
            assert getattr(step, column) == getattr(source, column)

    def test_the_newest_version_runs(self, alice: User, session: ChatSession):
        file = ChainFile(name="Critics", agents=(agent("Solo"),))
        newer = actions.import_chain(owner=alice, file=file).version
        assert newer.number == 2
        assert send(session).chain_version == newer

    def test_a_session_takes_its_title_from_the_first_words(self, session: ChatSession):
        send(
            session, "  Is the earth\n\nreally round, or do we only like to think so because of the pictures?"
        )
        session.refresh_from_db()
        assert session.title == "Is the earth really round, or do we only like to think so"

    def test_one_endless_word_makes_a_title_too(self, session: ChatSession):
        send(session, "x" * 100_000)
        assert set(session.title) == {"x"}
        assert 0 < len(session.title) <= 120

    def test_a_title_that_was_given_stays(self, session: ChatSession):
        actions.rename_session(session=session, title="Mine")
        send(session)
        session.refresh_from_db()
        assert session.title == "Mine"

    def test_a_session_remembers_the_chain_and_the_moment_of_its_last_message(
        self, alice: User, session: ChatSession
    ):
        other, before = chain_of(alice, name="Other"), session.active_at
        actions.start_run(session=session, chain=other, text="Hello", request_id="r1")
        session.refresh_from_db()
        assert session.chain == other
        assert session.active_at > before

    def test_what_no_database_stores_is_replaced(self, session: ChatSession):
        assert send(session, "a\0b\ud800c").input == "a\ufffdb\ufffdc"

    def test_turns_that_a_program_sent_along_are_kept(self, session: ChatSession):
        run = send(session, earlier=[("Hello", "Good\0 day")])
        run.refresh_from_db()
        assert run.earlier == [["Hello", "Good\ufffd day"]]

    def test_a_long_chain_takes_as_many_queries_as_a_short_one(self, alice: User):
        def queries_of(count: int) -> int:
            session = session_of(alice, *(agent(f"A{number}", PARALLEL) for number in range(count)))
            with CaptureQueriesContext(
                connection,
            ) as queries:
                send(session)
            return len(queries)

        assert queries_of(2) == queries_of(16)


class TestRefusing:
    def test_the_same_request_again_is_the_same_run(self, session: ChatSession):
        first = send(session, request_id="once")
        assert send(session, request_id="once") == first
        assert Run.objects.count() == 1
        assert AgentStep.objects.count() == 3

    def test_the_same_request_is_the_same_run_even_when_it_has_ended(self, session: ChatSession):
        first = complete(send(session, request_id="once"))
        assert send(session, request_id="once") == first

    def test_a_second_message_waits_for_the_first(self, session: ChatSession):
        send(session, request_id="first")
        with pytest.raises(actions.RunInProgress, match="still answering"):
            send(session, request_id="second")
        assert Run.objects.count() == 1

    def test_a_follow_up_starts_when_the_first_has_ended(self, session: ChatSession):
        complete(send(session, request_id="first"))
        assert send(session, request_id="second").is_live

    @pytest.mark.parametrize("text", ["", "  \n\t "])
    def test_an_empty_message_is_refused(self, session: ChatSession, text: str):
        with pytest.raises(actions.ActionError, match="Type a message first") as refusal:
            send(session, text)
        assert refusal.value.field == "input"

    def test_a_model_that_is_switched_off_is_named_with_its_agent(self, session: ChatSession):
        LanguageModel.objects.update(enabled=False)
        with pytest.raises(actions.NotRunnable, match="Ada uses simulated/fast, which is switched off"):
            send(session)
        assert not Run.objects.exists()

    def test_a_provider_that_is_switched_off_is_not_asked(self, session: ChatSession):
        Provider.objects.update(enabled=False)
        with pytest.raises(actions.NotRunnable):
            send(session)

    def test_a_chain_that_was_never_published_cannot_run(self, alice: User, session: ChatSession):
        draft = Chain.objects.create(owner=alice, name="Draft", slug="draft")
        with pytest.raises(actions.NotRunnable, match="never published"):
            actions.start_run(session=session, chain=draft, text="Hello", request_id="r1")

    def test_a_session_that_was_deleted_meanwhile_gets_no_run(self, session: ChatSession):
        ChatSession.objects.filter(pk=session.pk).delete()
        with pytest.raises(actions.SessionGone):
            send(session)
        assert not Run.objects.exists()


class TestHints:
    def test_workers_hear_of_a_run_when_the_whole_transaction_is_committed(
        self, alice: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ):
        with django_capture_on_commit_callbacks() as promised:
            compare(alice, [model("fast"), model("slow")])
        assert len(promised) == 1

    def test_nothing_is_said_of_a_run_that_was_taken_back(
        self, session: ChatSession, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ):
        LanguageModel.objects.update(enabled=False)
        with django_capture_on_commit_callbacks() as promised, pytest.raises(actions.NotRunnable):
            send(session)
        assert promised == []


class TestStopping:
    def test_a_run_that_nobody_took_ends_at_once(self, session: ChatSession):
        run = send(session)
        actions.stop_run(run=run)
        run.refresh_from_db()
        assert (run.status, run.error) == ("cancelled", "Stopped before it began.")
        assert run.finished_at is not None
        steps = set(run.steps.values_list("status", "skip_reason"))
        assert steps == {("skipped", "not_reached")}

    def test_nobody_takes_a_run_that_was_stopped_before(self, session: ChatSession):
        run = send(session)
        actions.stop_run(run=run)
        assert lease.claim(run.pk, "worker") is None

    def test_a_run_that_somebody_carries_out_is_asked_to_stop(self, session: ChatSession):
        run = send(session)
        held = lease.claim(run.pk, "worker")
        assert held is not None
        actions.stop_run(run=run)  # which still looks queued to the page that asks
        run.refresh_from_db()
        assert run.status == "running"
        assert lease.stop_flags(run.pk).run
        assert lease.renew({held.run: held.epoch}, "worker") == {run.pk: 1}

    def test_a_run_that_has_ended_stays_as_it_is(self, session: ChatSession):
        run = complete(send(session))
        actions.stop_run(run=run)
        run.refresh_from_db()
        assert (run.status, run.stop_requested_at, run.stop_signals) == ("completed", None, 0)

    def test_one_column_is_asked_to_stop_and_the_others_are_not(self, session: ChatSession):
        run = send(session)
        lease.claim(run.pk, "worker")
        ada = run.steps.get(slug="ada")
        actions.stop_step(step=ada)
        flags = lease.stop_flags(run.pk)
        assert not flags.run
        assert flags.steps == {ada.pk}
        run.refresh_from_db()
        assert run.stop_signals == 1

    def test_a_column_that_has_ended_is_left_alone(self, session: ChatSession):
        run = send(session)
        lease.claim(run.pk, "worker")
        ada = run.steps.get(slug="ada")
        attempt(ada, text="Yes.")
        actions.stop_step(step=ada)
        assert lease.stop_flags(run.pk).steps == frozenset()

    def test_a_column_of_a_run_that_has_ended_is_left_alone(self, session: ChatSession):
        run = end(send(session))
        step = run.steps.get(slug="ada")
        actions.stop_step(step=step)
        step.refresh_from_db()
        assert step.stop_requested_at is None


class TestKeeping:
    def test_a_failed_run_that_is_kept_is_part_of_the_history(self, session: ChatSession):
        failed = send(session, "First", request_id="r1")
        attempt(failed.steps.get(slug="ada"), text="Half an ans", status="interrupted")
        attempt(failed.steps.get(slug="ben"), text="A whole answer.")
        actions.keep_run(run=end(failed, "failed"), kept=True)
        [turn] = load_run(send(session, "Second", request_id="r2").pk).history
        assert turn.input == "First"
        assert "Half an ans" in turn.output
        assert "A whole answer." in turn.output

    def test_a_kept_run_that_broke_off_at_one_agent_gives_that_agents_text(self, session: ChatSession):
        run = send(session)
        for step, text in zip(run.steps.all(), ("One", "Two", "Three, but not to the"), strict=True):
            attempt(step, text=text, status="interrupted" if step.slug == "editor" else "completed")
        actions.keep_run(run=end(run, "interrupted"), kept=True)
        assert run.output == "Three, but not to the"

    def test_a_run_can_be_left_out_again(self, session: ChatSession):
        run = end(send(session, request_id="r1"), "failed")
        attempt(run.steps.get(slug="ada"), text="Something")
        actions.keep_run(run=run, kept=True)
        actions.keep_run(run=run, kept=False)
        assert load_run(send(session, request_id="r2").pk).history == ()

    @pytest.mark.parametrize("status", ["completed", "queued"])
    def test_runs_that_need_no_keeping_stay_as_they_are(self, session: ChatSession, status: str):
        run = send(session)
        if status == "completed":
            complete(run)
        actions.keep_run(run=run, kept=True)
        run.refresh_from_db()
        assert not run.is_kept


class TestComparing:
    def test_a_comparison_is_one_group_that_gets_the_bare_message(self, alice: User):
        run = compare(alice, [model("fast"), model("slow")])
        assert run.session.owner == alice
        chain = run.chain_version.chain
        assert chain.is_unnamed
        assert list(Chain.objects.visible_to(alice).named()) == []
        steps = run.steps.values_list("name", "prompt", "connection_type", "execution_group")
        assert list(steps) == [
            ("Simulated fast", "", "parallel", 1),
            ("Simulated slow", "", "parallel", 1),
        ]

    def test_models_of_one_name_show_their_provider(self, alice: User):
        other = Provider.objects.create(slug="acme", name="Acme", kind="simulated")
        twin = LanguageModel.objects.create(provider=other, model_id="x", name=model("fast").name)
        run = compare(alice, [model("fast"), twin])
        names = list(run.steps.values_list("name", flat=True))
        assert names == ["Simulated fast (Simulated)", "Simulated fast (Acme)"]

    def test_the_same_request_again_is_the_same_comparison(self, alice: User):
        models = [model("fast"), model("slow")]
        assert compare(alice, models) == compare(alice, models)
        assert ChatSession.objects.count() == 1

    def test_another_persons_request_of_the_same_name_is_another_one(self, alice: User, bob: User):
        models = [model("fast"), model("slow")]
        assert compare(alice, models) != compare(bob, models)

    @pytest.mark.parametrize("count", [1, 9])
    def test_two_to_eight_models_can_be_compared(self, alice: User, count: int):
        with pytest.raises(actions.ActionError, match="Pick 2 to 8 models") as refusal:
            compare(alice, [model(f"m{number}") for number in range(count)])
        assert refusal.value.field == "models"
        assert not Chain.objects.exists()

    def test_an_empty_message_leaves_nothing_behind(self, alice: User):
        with pytest.raises(actions.ActionError):
            compare(alice, [model("fast"), model("slow")], text=" ")
        assert not Chain.objects.exists()
        assert not ChatSession.objects.exists()


def test_a_run_of_a_session_is_never_another_persons(alice: User, bob: User):
    run = run_in(session_of(alice))
    assert list(Run.objects.visible_to(alice)) == [run]
    assert list(Run.objects.visible_to(bob)) == []


def compare(owner: User, models: Sequence[LanguageModel], text: str = "Which is best?") -> Run:
    return actions.quick_compare(owner=owner, models=models, text=text, request_id="compare")
