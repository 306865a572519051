"""What a run brings with it from the database: its steps, where their models are, and the turns before it."""

from __future__ import annotations

import pytest
from django.utils import timezone

from chains.engine.history import Turn
from chains.engine.loading import MAX_TURNS, load_run
from chains.models import AgentStep, Chain, ChainVersion, ChatSession, LanguageModel, Provider, Run, User
from tests.integration.run_cast import Agent, add_attempt, finished_run, make_run, make_session, step_of
from tests.unit.engine_cast import says

pytestmark = pytest.mark.django_db

GROUP = (Agent("b", says(), "parallel"), Agent("c", says(), "parallel"))


@pytest.fixture
def session(alice: User) -> ChatSession:
    return make_session(alice)


def end(run: Run, output: str, *, status: str = "completed", **columns: object) -> None:
    for name, value in {"status": status, "output": output, "finished_at": timezone.now(), **columns}.items():
        setattr(run, name, value)
    run.save()


def outputs(run: Run) -> list[str]:
    return [turn.output for turn in load_run(run.pk).history]


class TestWhichTurns:
    def test_completed_runs_precede_oldest_first(self, session: ChatSession):
        finished_run(session, "first question", "first answer")
        finished_run(session, "second question", "second answer")
        assert load_run(make_run(session).pk).history == (
            Turn("first question", "first answer", {}),
            Turn("second question", "second answer", {}),
        )

    @pytest.mark.parametrize("status", ["failed", "cancelled", "interrupted"])
    def test_a_run_that_did_not_complete_counts_only_when_it_was_kept(
        self, session: ChatSession, status: str
    ):
        bad = finished_run(session, "question", "partial", status=status)
        run = make_run(session)
        assert outputs(run) == []
        Run.objects.filter(pk=bad.pk).update(is_kept=True)
        assert outputs(run) == ["partial"]

    def test_later_runs_and_other_sessions_are_not_seen(self, session: ChatSession, alice: User):
        finished_run(make_session(alice), "elsewhere", "elsewhere")
        run = make_run(session)
        end(run, "own")
        finished_run(session, "later", "later")
        assert outputs(run) == []

    def test_turns_that_a_program_sent_along_come_first(self, session: ChatSession):
        finished_run(session, "in the session", "stored")
        run = make_run(session, earlier=[["hello", "hi"], ["more", "sure"]])
        assert outputs(run) == ["hi", "sure", "stored"]

    def test_of_very_many_turns_the_newest_are_read(self, session: ChatSession):
        version = ChainVersion.objects.get(chain=session.chain)
        Run.objects.bulk_create(
            Run(
                session=session, chain_version=version, request_id=str(number), input="q",
                output=str(number), status="completed", finished_at=timezone.now(),
            )
            for number in range(MAX_TURNS + 5)
        )  # fmt: skip
        assert outputs(make_run(session)) == [str(number) for number in range(5, MAX_TURNS + 5)]


class TestOwnAnswers:
    def test_each_member_of_a_last_group_remembers_its_own_answer(self, session: ChatSession):
        earlier = make_run(session, *GROUP)
        add_attempt(step_of(earlier, "b"), text="b said")
        add_attempt(step_of(earlier, "c"), text="c said")
        end(earlier, "both")
        assert load_run(make_run(session).pk).history[0].agent_outputs == {"b": "b said", "c": "c said"}

    def test_a_member_that_did_not_complete_has_none(self, session: ChatSession):
        earlier = make_run(session, *GROUP)
        add_attempt(step_of(earlier, "b"), text="b said")
        add_attempt(step_of(earlier, "c"), text="half", status="failed")
        end(earlier, "both")
        assert load_run(make_run(session).pk).history[0].agent_outputs == {"b": "b said"}

    def test_only_the_newest_attempt_counts(self, session: ChatSession):
        earlier = make_run(session, *GROUP)
        add_attempt(step_of(earlier, "b"), text="first try", status="failed")
        add_attempt(step_of(earlier, "b"), text="second try", number=2)
        end(earlier, "both")
        assert load_run(make_run(session).pk).history[0].agent_outputs == {"b": "second try"}

    def test_a_group_in_the_middle_gives_none(self, session: ChatSession):
        earlier = make_run(session, *GROUP, Agent("last", says()))
        for slug in ("b", "c", "last"):
            add_attempt(step_of(earlier, slug), text=f"{slug} said")
        end(earlier, "last said")
        assert load_run(make_run(session).pk).history[0].agent_outputs == {}

    def test_a_group_followed_only_by_skipped_stages_was_the_end(self, session: ChatSession):
        earlier = make_run(session, *GROUP, Agent("last", says(), "conditional", condition='contains("x")'))
        for slug in ("b", "c"):
            add_attempt(step_of(earlier, slug), text=f"{slug} said")
        AgentStep.objects.filter(run=earlier, slug="last").update(status="skipped")
        end(earlier, "both")
        assert load_run(make_run(session).pk).history[0].agent_outputs == {"b": "b said", "c": "c said"}

    def test_a_run_of_another_chain_gives_its_output_to_all(self, session: ChatSession, alice: User):
        earlier = make_run(session, *GROUP)
        add_attempt(step_of(earlier, "b"), text="b said")
        end(earlier, "both")
        other = make_session(alice, "other").chain
        assert other
        run = make_run(session, chain_version=other.versions.get())
        assert load_run(run.pk).history == (Turn("the message", "both", {}),)

    def test_another_version_of_the_same_chain_is_the_same_chain(self, session: ChatSession):
        earlier = make_run(session, *GROUP)
        add_attempt(step_of(earlier, "b"), text="b said")
        end(earlier, "both")
        assert session.chain
        second = ChainVersion.objects.create(chain=session.chain, number=2, published_at=timezone.now())
        [turn] = load_run(make_run(session, chain_version=second).pk).history
        assert turn.agent_outputs == {"b": "b said"}

    def test_any_number_of_turns_costs_the_same_queries(
        self, session: ChatSession, django_assert_num_queries
    ):
        for _ in range(12):
            earlier = make_run(session, *GROUP)
            add_attempt(step_of(earlier, "b"), text="b said")
            end(earlier, "both")
        run = make_run(session)
        with django_assert_num_queries(6):
            assert len(load_run(run.pk).history) == 12


class TestRun:
    def test_the_steps_come_stage_by_stage_with_their_settings(self, session: ChatSession):
        run = make_run(
            session,
            Agent("a", says(), system_prompt="Be kind."),
            *GROUP,
            Agent("d", says(), prompt="{{input}}"),
        )
        spec = load_run(run.pk)
        assert [[step.slug for step in stage] for stage in spec.stages()] == [["a"], ["b", "c"], ["d"]]
        assert (spec.input, spec.session) == ("the message", session.pk)
        assert (spec.steps[0].system_prompt, spec.steps[3].prompt) == ("Be kind.", "{{input}}")
        assert spec.steps[1].model.label == "test/b"

    def test_limits_flags_and_window_come_from_the_catalogue(self, session: ChatSession):
        run = make_run(session, Agent("a", says()))
        LanguageModel.objects.update(temperature_allowed=False, max_tokens_field="limit", context_window=1000)
        Provider.objects.update(first_token_limit=7.5, total_limit=60)
        model = load_run(run.pk).steps[0].model
        assert (model.flags.temperature_allowed, model.flags.max_tokens_field) == (False, "limit")
        assert (model.endpoint.limits.first_token, model.endpoint.limits.total) == (7.5, 60)
        assert model.context_window == 1000

    def test_the_key_comes_from_the_environment_and_never_shows(
        self, session: ChatSession, monkeypatch: pytest.MonkeyPatch
    ):
        run = make_run(session, Agent("a", says()))
        Provider.objects.update(key_variable="TEST_PROVIDER_KEY")
        monkeypatch.setenv("TEST_PROVIDER_KEY", "very-secret")
        spec = load_run(run.pk)
        assert spec.steps[0].model.endpoint.api_key == "very-secret"
        assert "very-secret" not in repr(spec)

    @pytest.mark.parametrize(("on_failure", "goes_on"), [("stop", False), ("continue", True)])
    def test_what_a_failed_stage_does_is_the_versions_choice(
        self, alice: User, on_failure: str, goes_on: bool
    ):
        chain = Chain.objects.create(owner=alice, name="own", slug="own")
        version = ChainVersion.objects.create(
            chain=chain, number=1, on_failure=on_failure, published_at=timezone.now()
        )
        session = ChatSession.objects.create(owner=alice, chain=chain, active_at=timezone.now())
        run = make_run(session, chain_version=version)
        assert load_run(run.pk).continue_on_failure is goes_on

    def test_more_steps_cost_no_more_queries(self, session: ChatSession, django_assert_num_queries):
        run = make_run(session, *[Agent(f"m{number}", says(), "parallel") for number in range(16)])
        with django_assert_num_queries(4):
            load_run(run.pk)
