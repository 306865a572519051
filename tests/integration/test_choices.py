"""Continuing with one answer of a compare: the history that everybody sees, and asking one agent alone."""

from __future__ import annotations

import uuid

import pytest
from django.db import IntegrityError, transaction

from chains import actions
from chains.actions.choices import choosable
from chains.chainfile import ChainFileAgent
from chains.engine.history import Turn
from chains.engine.loading import load_run
from chains.forms import runnable_chains
from chains.models import AgentStep, Chain, ChatSession, Run, User
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


def pair() -> list[ChainFileAgent]:
    """Return a group of two."""
    return [agent("Ada", PARALLEL), agent("Ben", PARALLEL)]


@pytest.fixture
def session(alice: User) -> ChatSession:
    return session_of(alice, *pair())


@pytest.fixture
def compared(session: ChatSession) -> Run:
    """A compare that has ended: Ada said “Yes.”, Ben “No.”."""
    return answered(run_in(session))


def answered(run: Run, **texts: str) -> Run:
    complete(run, answer="both")
    for slug, text in ({"ada": "Yes.", "ben": "No."} | texts).items():
        for call in step_of(run, slug).attempts.all():
            call.text = text
            call.save()
    return run


def step_of(run: Run, slug: str) -> AgentStep:
    return run.steps.get(slug=slug)


def choices(run: Run) -> list[str]:
    return [step.slug for step in choosable(run, list(run.steps.order_by("index")))]


def history(session: ChatSession) -> tuple[Turn, ...]:
    run = run_in(session, "And now?")
    turns = load_run(run.pk).history
    end(run, "cancelled")
    return turns


def chosen(run: Run) -> list[str]:
    return list(run.steps.filter(is_chosen=True).values_list("slug", flat=True))


class TestWhatCanBeChosen:
    def test_the_answers_of_the_group_that_a_run_ended_with(self, compared: Run):
        assert choices(compared) == ["ada", "ben"]

    def test_none_while_the_run_goes_on(self, session: ChatSession):
        run = run_in(session)
        attempt(step_of(run, "ada"), text="Yes.")
        assert choices(run) == []

    def test_only_those_that_completed(self, session: ChatSession):
        run = run_in(session)
        attempt(step_of(run, "ada"), text="Yes.")
        attempt(step_of(run, "ben"), text="N", status="failed")
        assert choices(end(run)) == ["ada"]

    @pytest.mark.parametrize("status", ["failed", "cancelled"])
    def test_of_a_run_that_did_not_complete_only_once_it_is_kept(self, session: ChatSession, status: str):
        run = run_in(session)
        attempt(step_of(run, "ada"), text="Yes.")
        attempt(step_of(run, "ben"), status="cancelled")
        end(run, status)
        assert choices(run) == []
        actions.keep_run(run=run, kept=True)
        assert choices(run) == ["ada"]

    def test_none_when_another_stage_came_after_the_group(self, alice: User):
        assert choices(answered(run_in(session_of(alice, *pair(), agent("Editor"))))) == []

    def test_the_group_was_the_end_when_all_after_it_was_skipped(self, alice: User):
        run = run_in(session_of(alice, *pair(), agent("Editor", CONDITIONAL, "empty")))
        for slug in ("ada", "ben"):
            attempt(step_of(run, slug), text="Yes.")
        run.steps.filter(slug="editor").update(status="skipped", skip_reason="condition")
        assert choices(end(run)) == ["ada", "ben"]

    def test_an_agent_without_companions_is_no_choice(self, alice: User):
        assert choices(complete(run_in(session_of(alice, agent("Ada"))))) == []
        assert choices(complete(run_in(session_of(alice, agent("Ada", PARALLEL))))) == []


class TestHistory:
    def test_without_a_choice_each_agent_remembers_its_own_answer(self, session: ChatSession, compared: Run):
        [turn] = history(session)
        assert turn.agent_outputs == {"ada": "Yes.", "ben": "No."}

    def test_the_chosen_answer_is_everybodys_history(self, session: ChatSession, compared: Run):
        actions.choose_answer(step=step_of(compared, "ben"))
        assert history(session) == (Turn("Is it so?", "No.", {}),)

    def test_also_for_another_chain(self, session: ChatSession, compared: Run, alice: User):
        actions.choose_answer(step=step_of(compared, "ben"))
        session.chain = chain_of(alice, agent("Cleo"), name="Other")
        assert history(session)[0].output == "No."

    def test_choosing_another_one_takes_its_place(self, session: ChatSession, compared: Run):
        actions.choose_answer(step=step_of(compared, "ben"))
        actions.choose_answer(step=step_of(compared, "ada"))
        assert chosen(compared) == ["ada"]
        assert history(session)[0].output == "Yes."

    def test_it_can_be_undone(self, session: ChatSession, compared: Run):
        actions.choose_answer(step=step_of(compared, "ben"))
        actions.unchoose_answer(step=step_of(compared, "ben"))
        assert history(session)[0].agent_outputs == {"ada": "Yes.", "ben": "No."}

    def test_each_turn_has_a_choice_of_its_own(self, session: ChatSession, compared: Run):
        second = answered(run_in(session, "Sure?"), ada="Sure.", ben="Unsure.")
        actions.choose_answer(step=step_of(compared, "ben"))
        actions.choose_answer(step=step_of(second, "ada"))
        assert [turn.output for turn in history(session)] == ["No.", "Sure."]

    def test_another_try_of_the_message_begins_without_a_choice(self, session: ChatSession, compared: Run):
        actions.choose_answer(step=step_of(compared, "ben"))
        again = answered(actions.run_again(run=compared, request_id="again"), ada="A2", ben="B2")
        assert chosen(again) == []
        assert history(session)[0].agent_outputs == {"ada": "A2", "ben": "B2"}


class TestIntegrity:
    def test_what_cannot_be_chosen_is_refused(self, session: ChatSession):
        run = run_in(session)
        with pytest.raises(actions.ActionError, match="complete answer"):
            actions.choose_answer(step=step_of(run, "ada"))

    def test_a_run_has_one_chosen_answer_at_most(self, compared: Run):
        with pytest.raises(IntegrityError), transaction.atomic():
            compared.steps.update(is_chosen=True)

    def test_only_a_complete_answer_is_chosen(self, session: ChatSession):
        run = run_in(session)
        with pytest.raises(IntegrityError), transaction.atomic():
            run.steps.filter(slug="ada").update(is_chosen=True)


class TestAlone:
    def test_the_session_goes_on_with_that_agent_alone(self, session: ChatSession, compared: Run):
        chain = actions.continue_alone(step=step_of(compared, "ben"))
        session.refresh_from_db()
        assert session.chain == chain
        assert (chain.name, chain.is_unnamed) == ("Ben alone", True)
        run = run_in(session, "Why not?")
        [step] = run.steps.all()
        assert (step.name, step.model, step.connection_type) == ("Ben", model(), "direct")
        assert load_run(run.pk).history == (Turn("Is it so?", "No.", {}),)

    def test_doing_it_twice_makes_one_chain(self, session: ChatSession, compared: Run):
        first = actions.continue_alone(step=step_of(compared, "ben"))
        assert actions.continue_alone(step=step_of(compared, "ben")) == first
        assert Chain.objects.count() == 2

    def test_the_way_back_is_in_the_picker(self, alice: User):
        run = actions.quick_compare(
            owner=alice, models=[model("fast"), model("slow")], text="Is it so?", request_id=uuid.uuid4().hex
        )
        complete(run)
        step = run.steps.all()[0]
        alone = actions.continue_alone(step=step)
        session = ChatSession.objects.get(pk=run.session_id)
        assert set(runnable_chains(session)) == {run.chain_version.chain, alone}

    def test_an_agent_whose_prompt_names_others_cannot_be_asked_alone(self, alice: User):
        session = session_of(alice, agent("First"), *pair())
        run = answered(run_in(session))
        run.steps.filter(slug="ada").update(prompt="Improve {{agents.first}}")
        with pytest.raises(actions.ActionError, match="names other agents"):
            actions.continue_alone(step=step_of(run, "ada"))
        assert chosen(run) == []

    def test_the_chain_goes_with_its_session(self, session: ChatSession, compared: Run):
        chain = actions.continue_alone(step=step_of(compared, "ben"))
        session.refresh_from_db()
        actions.delete_session(session=session)
        assert not Chain.objects.filter(pk=chain.pk).exists()
        assert Chain.objects.count() == 1
