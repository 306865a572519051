"""A run whose process died: whoever takes it closes what was live, and decides what goes on by itself."""

from __future__ import annotations

import hashlib
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from chains.engine import lease, takeover
from chains.engine.lease import Lease
from chains.engine.loading import load_run
from chains.engine.takeover import Takeover, take_over
from chains.models import AgentStep, Run, StepAttempt, User
from chains.models.chain import OnInterruption
from chains.models.run import WORKER_DIED, WORKER_LEFT
from tests.integration.run_cast import Agent, add_attempt, make_run, make_session, statuses, step_of
from tests.unit.engine_cast import says

pytestmark = pytest.mark.django_db


def left_behind(owner: User, *, on_interruption: str = OnInterruption.WAIT, **columns: Any) -> Run:
    """Make a run whose process died: a chain of a, then b and c at the same time, then d."""
    session = make_session(owner)
    assert session.chain is not None
    version = session.chain.versions.create(
        number=2, on_interruption=on_interruption, published_at=timezone.now()
    )
    agents = [Agent(slug, says(), "parallel" if slug in "bc" else "direct") for slug in "abcd"]
    run = make_run(session, *agents, chain_version=version, **columns)
    lease.claim(run.pk, "dead", detached=run.is_detached)
    add_attempt(step_of(run, "a"), text="whole")
    let_lapse(run)
    return run


def let_lapse(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(lease_expires_at=Now() - timedelta(seconds=1))


def attempt_of(run: Run, slug: str) -> StepAttempt:
    return StepAttempt.objects.filter(step__run=run, step__slug=slug).latest("number")


def streams(run: Run, slug: str, text: str) -> None:
    attempt = add_attempt(step_of(run, slug), text=text, status="streaming", number=1)
    StepAttempt.objects.filter(pk=attempt.pk).update(first_token_at=timezone.now())


def taken(run: Run, owner: str = "two") -> Takeover:
    found = take_over(run.pk, owner)
    assert found is not None
    return found


class TestTheEndOfACall:
    """A call that a dead process left open ended when that was last alive, not when somebody noticed."""

    def test_after_a_crash_it_is_the_last_time_that_the_lease_was_renewed(self, alice: User):
        run = left_behind(alice)
        streams(run, "b", "half")
        begun = timezone.now() - timedelta(hours=3)
        StepAttempt.objects.filter(step__run=run).update(started_at=begun, first_token_at=begun)
        died = timezone.now() - timedelta(hours=2)
        Run.objects.filter(pk=run.pk).update(lease_expires_at=died + lease.LEASE)
        taken(run)
        assert attempt_of(run, "b").finished_at == died

    def test_after_a_stop_it_is_when_the_lease_was_given_back(self, alice: User):
        run = left_behind(alice)
        streams(run, "b", "half")
        begun = timezone.now() - timedelta(hours=3)
        StepAttempt.objects.filter(step__run=run).update(started_at=begun, first_token_at=begun)
        Run.objects.filter(pk=run.pk).update(lease_expires_at=timezone.now() + timedelta(seconds=8))
        assert lease.release("dead") == [run.pk]
        given_back = Run.objects.get(pk=run.pk).lease_expires_at
        taken(run)
        assert attempt_of(run, "b").finished_at == given_back

    def test_it_is_never_before_its_first_token(self, alice: User):
        run = left_behind(alice)
        streams(run, "b", "half")
        taken(run)
        attempt = attempt_of(run, "b")
        assert attempt.finished_at == attempt.first_token_at


class TestTaking:
    def test_only_a_run_whose_lease_lapsed_is_left_behind(self, alice: User):
        run = left_behind(alice)
        assert takeover.lapsed_runs() == [run.pk]
        Run.objects.filter(pk=run.pk).update(lease_expires_at=Now() + timedelta(seconds=5))
        assert takeover.lapsed_runs() == []
        assert take_over(run.pk, "two") is None

    def test_whoever_takes_it_holds_it_in_a_new_epoch(self, alice: User):
        run = left_behind(alice)
        assert taken(run).lease == Lease(run.pk, 2)
        assert take_over(run.pk, "three") is None
        run.refresh_from_db()
        assert (run.status, run.lease_owner, run.epoch) == ("running", "two", 2)

    def test_a_process_that_was_only_asleep_finds_its_epoch_gone(self, alice: User):
        run = left_behind(alice)
        taken(run)
        assert lease.renew({run.pk: 1}, "dead") == {}
        lease.give_up(Lease(run.pk, 1), "dead", "too late")
        assert Run.objects.get(pk=run.pk).status == "running"

    def test_a_process_does_not_take_the_runs_that_it_is_carrying_out_itself(self, alice: User):
        run = left_behind(alice)
        assert takeover.lapsed_runs(spare=[run.pk]) == []

    def test_what_was_given_back_need_not_lapse(self, alice: User):
        run = left_behind(alice)
        Run.objects.filter(pk=run.pk).update(lease_expires_at=Now() + timedelta(seconds=5))
        lease.release("dead")
        assert takeover.lapsed_runs() == [run.pk]


@pytest.mark.django_db(transaction=True)
def test_of_eight_that_race_for_a_run_that_was_left_behind_exactly_one_gets_it(alice: User):
    run = left_behind(alice)
    start = threading.Barrier(8)

    def race(name: str) -> Takeover | None:
        start.wait()
        try:
            return take_over(run.pk, name)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        won = [found for found in pool.map(race, "abcdefgh") if found]
    assert [found.lease for found in won] == [Lease(run.pk, 2)]


class TestWhatGoesOn:
    def test_what_had_ended_stays_as_it_is(self, alice: User):
        run = left_behind(alice)
        taken(run)
        assert statuses(run) == {"a": "completed", "b": "pending", "c": "pending", "d": "pending"}
        assert attempt_of(run, "a").error == ""

    def test_a_call_without_a_token_is_tried_again_by_itself(self, alice: User):
        run = left_behind(alice)
        add_attempt(step_of(run, "b"), status="running")
        [end] = taken(run).closed
        attempt = attempt_of(run, "b")
        assert (attempt.status, attempt.error_kind) == ("interrupted", WORKER_DIED)
        assert statuses(run)["b"] == "pending"
        assert (end.step, end.attempt, end.will_retry) == (attempt.step_id, 1, True)
        spec = next(step for step in load_run(run.pk).steps if step.slug == "b")
        assert (spec.is_open, spec.attempts, spec.is_undecided) == (True, 1, False)

    def test_one_that_had_begun_waits_for_a_person_with_its_text(self, alice: User):
        run = left_behind(alice)
        streams(run, "b", "Grüße 🌍")
        [end] = taken(run).closed
        attempt = attempt_of(run, "b")
        digest = hashlib.sha256("Grüße 🌍".encode()).hexdigest()
        assert (attempt.status, attempt.text, attempt.text_length) == ("interrupted", "Grüße 🌍", 7)
        assert attempt.text_sha256 == digest
        assert statuses(run) == {"a": "completed", "b": "interrupted", "c": "pending", "d": "pending"}
        assert (end.status, end.length, end.sha256, end.will_retry) == ("interrupted", 7, digest, False)
        spec = next(step for step in load_run(run.pk).steps if step.slug == "b")
        assert spec.is_undecided

    def test_a_chain_that_says_so_tries_it_again_too(self, alice: User):
        run = left_behind(alice, on_interruption=OnInterruption.RETRY)
        streams(run, "b", "half")
        [end] = taken(run).closed
        assert end.will_retry
        assert statuses(run)["b"] == "pending"
        assert attempt_of(run, "b").text == "half"

    def test_what_killed_its_process_three_times_waits_for_a_person(self, alice: User):
        run = left_behind(alice, on_interruption=OnInterruption.RETRY)
        step = step_of(run, "b")
        for number in (1, 2, 3):
            add_attempt(step, status="running", number=number)
            let_lapse(run)
            taken(run)
        assert statuses(run)["b"] == "interrupted"

    def test_processes_that_gave_it_back_in_good_order_do_not_count_as_killed(self, alice: User):
        run = left_behind(alice, on_interruption=OnInterruption.RETRY)
        step = step_of(run, "b")
        for number, (owner, other) in enumerate(itertools.pairwise(["dead", *"abcd"]), 1):
            add_attempt(step, text="half", status="streaming", number=number)
            assert lease.release(owner) == [run.pk]
            taken(run, other)
            assert attempt_of(run, "b").error_kind == WORKER_LEFT
            assert statuses(run)["b"] == "pending"
        for number, status in enumerate(["pending", "pending", "interrupted"], 5):
            add_attempt(step, text="half", status="streaming", number=number)
            let_lapse(run)
            taken(run)
            assert statuses(run)["b"] == status

    @pytest.mark.parametrize("gives_back", [True, False])
    def test_whoever_left_it_a_person_decides_about_what_had_begun(self, alice: User, gives_back: bool):
        run = left_behind(alice)
        streams(run, "b", "half")
        if gives_back:
            lease.release("dead")
        taken(run)
        spec = next(step for step in load_run(run.pk).steps if step.slug == "b")
        assert spec.is_undecided

    def test_a_step_between_two_attempts_is_tried_again(self, alice: User):
        run = left_behind(alice)
        add_attempt(step_of(run, "b"), status="failed")
        AgentStep.objects.filter(run=run, slug="b").update(status="running")
        assert taken(run).closed == ()
        assert statuses(run)["b"] == "pending"
        assert attempt_of(run, "b").status == "failed"

    def test_a_column_that_was_stopped_is_not_tried_again(self, alice: User):
        run = left_behind(alice)
        streams(run, "b", "half")
        AgentStep.objects.filter(run=run, slug="b").update(stop_requested_at=timezone.now())
        [end] = taken(run).closed
        assert (end.status, statuses(run)["b"]) == ("cancelled", "cancelled")

    def test_an_interruption_by_the_provider_is_no_open_question(self, alice: User):
        run = left_behind(alice)
        add_attempt(step_of(run, "b"), status="interrupted", text="cut")
        taken(run)
        spec = next(step for step in load_run(run.pk).steps if step.slug == "b")
        assert (spec.status, spec.is_undecided) == ("interrupted", False)


class TestWhatEnds:
    def test_a_run_that_was_stopped_ends_as_stopped(self, alice: User):
        run = left_behind(alice)
        streams(run, "b", "half")
        Run.objects.filter(pk=run.pk).update(stop_requested_at=timezone.now())
        assert taken(run) == Takeover(run.session_id)
        run.refresh_from_db()
        assert (run.status, run.is_waiting, run.lease_owner) == ("cancelled", False, "")
        assert statuses(run) == {"a": "completed", "b": "cancelled", "c": "skipped", "d": "skipped"}

    def test_a_commands_run_waits_for_a_person(self, alice: User):
        run = left_behind(alice, is_detached=True)
        streams(run, "b", "half")
        assert taken(run) == Takeover(run.session_id)
        run.refresh_from_db()
        assert (run.status, run.is_waiting) == ("interrupted", True)
        assert statuses(run) == {"a": "completed", "b": "interrupted", "c": "skipped", "d": "skipped"}
        assert step_of(run, "d").skip_reason == "not_reached"

    def test_a_commands_run_that_it_never_began_waits_for_a_person_too(self, alice: User):
        run = make_run(make_session(alice), Agent("a", says()), is_detached=True)
        assert takeover.lapsed_runs() == [run.pk]
        lease.reserve(run.pk, "command")
        assert takeover.lapsed_runs() == []
        assert take_over(run.pk, "two") is None
        let_lapse(run)
        assert takeover.lapsed_runs() == [run.pk]
        assert taken(run) == Takeover(run.session_id)
        run.refresh_from_db()
        assert (run.status, run.is_waiting, run.lease_owner) == ("interrupted", True, "")
        assert statuses(run) == {"a": "skipped"}
        assert lease.claim(run.pk, "command", detached=True) is None
