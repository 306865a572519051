"""Going on with runs that did not complete: what is called, what is taken over, and what is said before."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chains import actions, queries
from chains.engine import lease
from chains.engine.loading import load_run
from chains.models import AgentStep, LanguageModel, Run, StepAttempt, User
from chains.models.run import WORKER_DIED, WORKER_LEFT
from tests.integration.pages_cast import CONDITIONAL, PARALLEL, agent, attempt, end, model, run_in, session_of

pytestmark = pytest.mark.django_db


def step(run: Run, slug: str) -> AgentStep:
    return run.steps.select_related("run").get(slug=slug)


def statuses(run: Run) -> dict[str, str]:
    return dict(run.steps.values_list("slug", "status"))


def not_reached(step: AgentStep) -> None:
    AgentStep.objects.filter(pk=step.pk).update(status="skipped", skip_reason="not_reached")


@pytest.fixture
def failed(alice: User) -> Run:
    """A run of Scout, then Ada and Ben at the same time, then an editor: Ben failed, and so did the run."""
    agents = (agent("Scout"), agent("Ada", PARALLEL), agent("Ben", PARALLEL), agent("Editor"))
    run = run_in(session_of(alice, *agents))
    attempt(step(run, "scout"), text="found", cost_usd=Decimal("0.25"))
    attempt(step(run, "ada"), text="A", cost_usd=Decimal("0.5"))
    attempt(step(run, "ben"), text="half", status="failed", error="It broke.")
    not_reached(step(run, "editor"))
    Run.objects.filter(pk=run.pk).update(started_at=timezone.now())
    run.refresh_from_db()
    return end(run, "failed", "Ben (simulated/fast): It broke.")


@pytest.fixture
def waiting(failed: Run) -> Run:
    """The same, but Ada and Ben were cut off by processes of ours: one died, one was told to go."""
    StepAttempt.objects.filter(step__slug__in=["ada", "ben"]).update(
        status="interrupted", error_kind=WORKER_DIED, error="The server stopped."
    )
    StepAttempt.objects.filter(step__slug="ben").update(error_kind=WORKER_LEFT)
    failed.steps.filter(slug__in=["ada", "ben"]).update(status="interrupted")
    Run.objects.filter(pk=failed.pk).update(status="interrupted", is_waiting=True)
    failed.refresh_from_db()
    return failed


def retry(run: Run, slug: str, **options: LanguageModel) -> Run:
    return actions.retry_step(step=step(run, slug), request_id=uuid.uuid4().hex, **options)


def keep(run: Run, slug: str) -> Run:
    return actions.keep_step(step=step(run, slug), request_id=uuid.uuid4().hex)


class TestARunThatEnded:
    def test_stays_as_it_ended_and_a_new_one_takes_over_its_answers(self, failed: Run):
        again = retry(failed, "ben")
        assert again.pk != failed.pk
        assert (again.status, again.retry_of_id, again.input) == ("queued", failed.pk, failed.input)
        assert statuses(again) == {
            "scout": "completed",
            "ada": "completed",
            "ben": "pending",
            "editor": "pending",
        }
        assert statuses(failed)["ben"] == "failed"

    def test_what_is_taken_over_is_the_same_text_with_what_its_agent_was_sent(self, failed: Run):
        StepAttempt.objects.filter(step__run=failed, step__slug="scout").update(
            messages=[{"role": "user", "content": "Is it so?"}]
        )
        mine = step(retry(failed, "ben"), "scout")
        theirs = step(failed, "scout")
        assert mine.reused_from == theirs
        copies = [
            one.attempts.values("text", "text_sha256", "messages", "started_at").get()
            for one in (mine, theirs)
        ]
        assert copies[0] == copies[1]

    def test_what_is_called_again_begins_without_an_attempt(self, failed: Run):
        again = retry(failed, "ben")
        spec = {one.slug: one for one in load_run(again.pk).steps}
        assert (spec["ben"].is_open, spec["ben"].attempts) == (True, 0)
        assert not spec["scout"].is_open

    def test_another_model_can_be_chosen_for_the_agent_alone(self, failed: Run):
        other = model("slow")
        again = retry(failed, "ben", model=other)
        assert step(again, "ben").model == other
        assert step(again, "editor").model == model("fast")

    def test_nothing_taken_over_counts_as_time_or_cost(self, failed: Run):
        again = retry(failed, "ben")
        Run.objects.filter(pk=again.pk).update(started_at=timezone.now())
        again.refresh_from_db()
        attempt(step(again, "ben"), text="B", cost_usd=Decimal("0.125"))
        end(again)
        [band] = queries.bands(session=again.session, run_ids=[again.pk])
        assert band.totals is not None
        assert band.waterfall is not None
        assert band.totals.cost == "$0.1250"
        assert [bar.name for bar in band.waterfall.bars] == ["Ben"]
        assert band.reused_count == 2

    def test_kept_text_counts_as_the_answer_and_only_what_stands_behind_is_called(self, failed: Run):
        again = keep(failed, "ben")
        ben = step(again, "ben")
        assert (ben.status, ben.is_kept, ben.reused_from) == ("completed", True, step(failed, "ben"))
        assert statuses(again) == {
            "scout": "completed",
            "ada": "completed",
            "ben": "completed",
            "editor": "pending",
        }

    def test_without_a_text_there_is_nothing_to_keep(self, failed: Run):
        StepAttempt.objects.filter(step__run=failed, step__slug="ben").update(text="")
        with pytest.raises(actions.ActionError, match="no text to keep"):
            keep(failed, "ben")

    def test_continuing_calls_all_that_did_not_complete(self, failed: Run):
        AgentStep.objects.filter(run=failed, slug="ada").update(status="cancelled")
        again = actions.continue_run(run=failed, request_id="r")
        assert statuses(again) == {
            "scout": "completed",
            "ada": "pending",
            "ben": "pending",
            "editor": "pending",
        }

    def test_again_calls_everybody(self, failed: Run):
        again = actions.run_again(run=failed, request_id="r")
        assert set(statuses(again).values()) == {"pending"}
        assert again.chain_version == failed.chain_version

    def test_the_same_request_again_is_the_same_run(self, failed: Run):
        first = actions.run_again(run=failed, request_id="twice")
        assert actions.run_again(run=failed, request_id="twice") == first

    def test_while_another_run_is_live_it_has_to_wait(self, failed: Run):
        run_in(failed.session)
        with pytest.raises(actions.RunInProgress):
            retry(failed, "ben")

    def test_an_agent_that_ended_well_is_not_tried_again(self, failed: Run):
        with pytest.raises(actions.ActionError, match="ended well"):
            retry(failed, "ada")

    def test_a_model_that_is_switched_off_is_named(self, failed: Run):
        LanguageModel.objects.update(enabled=False)
        with pytest.raises(actions.NotRunnable, match="Ben uses simulated/fast, which is switched off"):
            retry(failed, "ben")

    def test_a_live_run_cannot_be_continued(self, alice: User):
        run = run_in(session_of(alice))
        with pytest.raises(actions.ActionError, match="going on"):
            actions.run_again(run=run, request_id="r")


class TestARunThatWaits:
    def test_a_retry_is_a_new_attempt_in_the_same_run(self, waiting: Run):
        assert retry(waiting, "ben") == waiting
        waiting.refresh_from_db()
        assert (waiting.status, waiting.is_waiting, waiting.finished_at) == ("queued", False, None)
        assert statuses(waiting) == {
            "scout": "completed",
            "ada": "interrupted",
            "ben": "pending",
            "editor": "pending",
        }
        spec = {one.slug: one for one in load_run(waiting.pk).steps}
        assert (spec["ben"].attempts, spec["ada"].is_undecided) == (1, True)

    def test_keeping_one_of_two_still_waits_for_the_other(self, waiting: Run):
        keep(waiting, "ben")
        waiting.refresh_from_db()
        assert (waiting.status, waiting.is_waiting) == ("interrupted", True)
        assert statuses(waiting)["ben"] == "completed"
        keep(waiting, "ada")
        waiting.refresh_from_db()
        assert waiting.status == "queued"
        assert statuses(waiting)["editor"] == "pending"

    def test_an_answer_that_the_provider_cut_is_no_open_question(self, waiting: Run):
        StepAttempt.objects.filter(step__slug="ada").update(error_kind="cut")
        keep(waiting, "ben")
        waiting.refresh_from_db()
        assert waiting.status == "queued"

    def test_continuing_tries_every_answer_that_was_cut_off(self, waiting: Run):
        actions.continue_run(run=waiting, request_id="r")
        assert statuses(waiting) == {
            "scout": "completed",
            "ada": "pending",
            "ben": "pending",
            "editor": "pending",
        }

    def test_a_failure_before_the_stage_that_waits_is_left_alone(self, waiting: Run):
        AgentStep.objects.filter(run=waiting, slug="scout").update(status="failed")
        with pytest.raises(actions.ActionError, match="waits for another agent"):
            retry(waiting, "scout")
        retry(waiting, "ben")
        assert statuses(waiting)["scout"] == "failed"

    def test_what_was_asked_to_stop_then_is_not_stopped_now(self, waiting: Run):
        # The run too: somebody may stop it in the moment in which it begins to wait.
        Run.objects.filter(pk=waiting.pk).update(stop_requested_at=timezone.now(), stop_signals=1)
        waiting.steps.filter(slug="ben").update(stop_requested_at=timezone.now())
        retry(waiting, "ben")
        assert lease.stop_flags(waiting.pk) == lease.StopFlags(run=False, steps=frozenset())

    def test_while_another_run_is_live_it_has_to_wait(self, waiting: Run):
        run_in(waiting.session)
        with pytest.raises(actions.RunInProgress):
            retry(waiting, "ben")
        waiting.refresh_from_db()
        assert waiting.is_waiting

    def test_somebody_who_decides_twice_starts_it_once(self, waiting: Run):
        mine, other = step(waiting, "ben"), step(waiting, "ben")
        actions.retry_step(step=mine, request_id="r")
        with pytest.raises(actions.ActionError):
            actions.retry_step(step=other, request_id="r")

    def test_a_commands_run_goes_on_in_the_servers_hands(self, waiting: Run):
        Run.objects.filter(pk=waiting.pk).update(is_detached=True)
        waiting.refresh_from_db()
        actions.continue_run(run=waiting, request_id="r")
        waiting.refresh_from_db()
        assert not waiting.is_detached


class TestHistory:
    def test_the_newest_completed_try_stands_at_the_place_of_the_first(self, failed: Run):
        later = end(run_in(failed.session, "Next?"))
        Run.objects.filter(pk=later.pk).update(output="later")
        for answer in ("first try", "second try"):
            again = end(retry(failed, "ben"))
            Run.objects.filter(pk=again.pk).update(output=answer)
        turns = load_run(run_in(failed.session, "And now?").pk).history
        assert [(turn.input, turn.output) for turn in turns] == [
            ("Is it so?", "second try"),
            ("Next?", "later"),
        ]

    def test_a_retry_sees_what_the_first_try_saw(self, failed: Run):
        later = end(run_in(failed.session, "Next?"))
        Run.objects.filter(pk=later.pk).update(output="later")
        assert load_run(retry(failed, "ben").pk).history == ()


class TestOffers:
    def test_each_says_what_is_called_and_what_is_taken_over(self, failed: Run):
        offer = queries.step_offer(step(failed, "ben"), queries.OfferKind.RETRY)
        assert [one.name for one in offer.called] == ["Ben", "Editor"]
        assert [one.name for one in offer.reused] == ["Scout", "Ada"]
        assert not offer.in_place

    def test_a_waiting_run_goes_on_itself(self, waiting: Run):
        offer = queries.run_offer(waiting, queries.OfferKind.CONTINUE)
        assert [one.name for one in offer.called] == ["Ada", "Ben", "Editor"]
        assert offer.in_place

    def test_a_page_makes_them_where_they_help(self, failed: Run):
        [band] = queries.bands(session=failed.session, run_ids=[failed.pk])
        assert {column.step.slug: column.offers for column in band.columns} == {
            "scout": (),
            "ada": (),
            "ben": ("retry", "keep"),
            "editor": (),
        }
        assert band.offers == ("continue", "again")

    def test_a_live_run_has_none(self, alice: User):
        run = run_in(session_of(alice, agent("Ada"), agent("Ben", CONDITIONAL, 'contains("x")')))
        [band] = queries.bands(session=run.session, run_ids=[run.pk])
        assert band.offers == ()


VIEWS = [("step_retry", "ben"), ("step_keep", "ben"), ("run_continue", ""), ("run_again", "")]


@pytest.mark.parametrize(("name", "slug"), VIEWS)
class TestPages:
    def address(self, run: Run, name: str, slug: str) -> str:
        return reverse(name, args=[step(run, slug).pk if slug else run.pk])

    def test_say_before_what_is_called(
        self, failed: Run, alice: User, client_for: Callable[[User], Client], name: str, slug: str
    ):
        for headers in ({}, {"HX-Request": "true", "HX-Target": "dialog"}):
            page = client_for(alice).get(self.address(failed, name, slug), headers=headers)
            assert page.status_code == 200
            words = page.content.decode()
            assert "Estimated cost" in words
            assert "Editor" in words
            assert ("<html" in words) == (not headers)
        assert Run.objects.count() == 1

    def test_do_it_and_lead_to_the_new_run(
        self, failed: Run, alice: User, client_for: Callable[[User], Client], name: str, slug: str
    ):
        answer = client_for(alice).post(self.address(failed, name, slug), {"request_id": "one"})
        again = Run.objects.latest("id")
        assert answer.headers["Location"] == f"/sessions/{failed.session_id}/#run-{again.pk}"
        assert again.retry_of == failed

    def test_say_why_not_in_the_dialog(
        self, failed: Run, alice: User, client_for: Callable[[User], Client], name: str, slug: str
    ):
        run_in(failed.session)
        answer = client_for(alice).post(
            self.address(failed, name, slug), {"request_id": "one"}, headers={"HX-Request": "true"}
        )
        assert answer.status_code == 409
        assert "still answering" in answer.content.decode()

    def test_are_not_there_for_anybody_else(
        self, failed: Run, bob: User, client_for: Callable[[User], Client], name: str, slug: str
    ):
        address = self.address(failed, name, slug)
        assert client_for(bob).get(address).status_code == 404
        assert client_for(bob).post(address, {"request_id": "one"}).status_code == 404
        assert Run.objects.count() == 1
