"""The lease: one process holds a run, and whoever comes too late changes nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from chains.engine import lease, takeover
from chains.engine.lease import Lease
from chains.models import AgentStep, Run, StepAttempt, User
from tests.integration.run_cast import Agent, add_attempt, make_run, make_session, statuses, step_of
from tests.unit.engine_cast import says

pytestmark = pytest.mark.django_db


def new_run(owner: User, **columns: Any) -> Run:
    return make_run(make_session(owner), Agent("a", says()), Agent("b", says()), **columns)


def let_lapse(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(lease_expires_at=Now() - timedelta(seconds=1))


class TestClaim:
    def test_whoever_claims_first_holds_the_run_and_nobody_else_does(self, alice: User):
        run = new_run(alice)
        assert lease.claim(run.pk, "one") == Lease(run.pk, 1)
        assert lease.claim(run.pk, "two") is None
        run.refresh_from_db()
        assert (run.status, run.lease_owner, run.epoch) == ("running", "one", 1)
        assert run.started_at is not None

    def test_the_lease_lasts_for_its_length_by_the_databases_clock(self, alice: User):
        run = new_run(alice)
        lease.claim(run.pk, "one")
        held = Run.objects.filter(pk=run.pk, lease_expires_at__gt=Now() + lease.LEASE * 0.9)
        assert held.filter(lease_expires_at__lte=Now() + lease.LEASE).exists()

    def test_a_run_that_ended_is_not_taken(self, alice: User):
        run = new_run(alice, status="completed", finished_at="2025-01-01T00:00Z")
        assert lease.claim(run.pk, "one") is None

    def test_a_run_of_a_command_is_taken_by_that_command_only(self, alice: User):
        run = new_run(alice, is_detached=True)
        assert lease.queued_runs() == []
        assert lease.claim(run.pk, "sweep") is None
        assert lease.claim(run.pk, "command", detached=True) == Lease(run.pk, 1)

    def test_what_a_command_reserved_is_taken_by_that_command_only(self, alice: User):
        run = new_run(alice, is_detached=True)
        lease.reserve(run.pk, "command")
        assert lease.claim(run.pk, "another", detached=True) is None
        assert lease.claim(run.pk, "command", detached=True) == Lease(run.pk, 1)

    def test_queued_runs_come_oldest_first(self, alice: User):
        runs = [new_run(alice) for _ in range(3)]
        assert lease.queued_runs() == [run.pk for run in runs]


@pytest.mark.django_db(transaction=True)
def test_of_eight_that_race_for_a_run_exactly_one_gets_it(alice: User):
    run = new_run(alice)
    start = threading.Barrier(8)

    def race(name: str) -> Lease | None:
        start.wait()
        try:
            return lease.claim(run.pk, name)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        won = [held for held in pool.map(race, "abcdefgh") if held]
    assert won == [Lease(run.pk, 1)]


class TestRenew:
    def test_one_statement_renews_all_and_brings_the_stop_signals_back(
        self, alice: User, django_assert_num_queries
    ):
        runs = [new_run(alice) for _ in range(3)]
        held = {run.pk: 1 for run in runs if lease.claim(run.pk, "one")}
        Run.objects.filter(pk=runs[1].pk).update(stop_signals=2)
        with django_assert_num_queries(1):
            signals = lease.renew(held, "one")
        assert signals == {runs[0].pk: 0, runs[1].pk: 2, runs[2].pk: 0}

    def test_a_renewed_lease_has_its_full_length_again(self, alice: User):
        run = new_run(alice)
        lease.claim(run.pk, "one")
        let_lapse(run)
        assert lease.renew({run.pk: 1}, "one") == {run.pk: 0}
        assert Run.objects.filter(pk=run.pk, lease_expires_at__gt=Now() + lease.LEASE * 0.9).exists()
        assert takeover.lapsed_runs() == []

    def test_another_epoch_or_another_owner_renews_nothing(self, alice: User):
        run, other = new_run(alice), new_run(alice)
        lease.claim(run.pk, "one")
        lease.claim(other.pk, "two")
        assert lease.renew({run.pk: 2, other.pk: 1}, "one") == {}

    def test_what_was_given_back_is_not_renewed_by_a_late_write(self, alice: User):
        run = new_run(alice)
        lease.claim(run.pk, "one")
        assert lease.release("one") == [run.pk]
        assert lease.renew({run.pk: 1}, "one") == {}


class TestGiveUp:
    def test_a_fault_of_our_own_ends_the_run_as_failed_and_says_so(self, alice: User):
        run = new_run(alice)
        held = lease.claim(run.pk, "one")
        assert held
        add_attempt(step_of(run, "a"), text="so far", status="streaming")
        lease.give_up(held, "one", "A fault of ours.")
        run.refresh_from_db()
        assert (run.status, run.error) == ("failed", "A fault of ours.")
        assert statuses(run) == {"a": "failed", "b": "skipped"}
        assert StepAttempt.objects.get(step__run=run).text == "so far"


def test_stop_flags_name_the_run_or_its_steps(alice: User):
    run = new_run(alice)
    assert lease.stop_flags(run.pk) == lease.StopFlags(run=False, steps=frozenset())
    step = step_of(run, "b")
    AgentStep.objects.filter(pk=step.pk).update(stop_requested_at=Now())
    assert lease.stop_flags(run.pk) == lease.StopFlags(run=False, steps=frozenset({step.pk}))
    Run.objects.filter(pk=run.pk).update(stop_requested_at=Now())
    assert lease.stop_flags(run.pk).run
