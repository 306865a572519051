"""What a user can do with sessions: name one, let it go."""

from __future__ import annotations

import pytest

from chains import actions
from chains.engine import lease
from chains.models import AgentStep, Chain, ChatSession, Run, StepAttempt, User
from tests.integration.pages_cast import complete, model, run_in, session_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(alice: User) -> ChatSession:
    return session_of(alice)


def test_a_title_is_kept_on_one_line(session: ChatSession):
    actions.rename_session(session=session, title="  Round \n or flat ")
    session.refresh_from_db()
    assert session.title == "Round or flat"


@pytest.mark.parametrize("title", ["", " \n", "x" * 121])
def test_a_title_that_does_not_fit_is_refused(session: ChatSession, title: str):
    with pytest.raises(actions.ActionError) as refusal:
        actions.rename_session(session=session, title=title)
    assert refusal.value.field == "title"


def test_a_deleted_session_takes_its_runs_along(session: ChatSession):
    complete(run_in(session))
    actions.delete_session(session=session)
    for table in (ChatSession, Run, AgentStep, StepAttempt):
        assert not table.objects.exists()
    assert Chain.objects.count() == 1


def test_other_sessions_stay(alice: User, session: ChatSession):
    other = session_of(alice)
    run = run_in(other)
    actions.delete_session(session=session)
    assert Run.objects.get() == run


def test_who_carries_out_a_run_of_a_deleted_session_may_write_nothing_more(session: ChatSession):
    run = run_in(session)
    held = lease.claim(run.pk, "worker")
    assert held is not None
    actions.delete_session(session=session)
    assert lease.renew({held.run: held.epoch}, "worker") == {}


def test_a_session_is_deleted_once(session: ChatSession):
    again = ChatSession.objects.get(pk=session.pk)
    actions.delete_session(session=session)
    with pytest.raises(actions.SessionGone):
        actions.delete_session(session=again)


@pytest.mark.parametrize(("kept", "left"), [(False, 0), (True, 1)])
def test_an_unnamed_chain_goes_with_its_session_unless_it_was_kept(alice: User, kept: bool, left: int):
    run = actions.quick_compare(
        owner=alice, models=[model("fast"), model("slow")], text="Hello", request_id="r1"
    )
    if kept:
        actions.keep_chain(chain=run.chain_version.chain, name="Two models")
    actions.delete_session(session=run.session)
    assert Chain.objects.count() == left
