"""What the editor shows of a draft: stages, names, faults, plan, cost; and how a rule is tried."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from chains import actions, queries
from chains.models import Chain, ChainVersion, LanguageModel, Provider, User
from chains.queries import EditorPage
from chains.queries.editor import Receipt
from tests.integration.draft_cast import critics, draft_of, find, long_chain, save
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
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def chain(alice: User) -> Chain:
    return critics(alice)


@pytest.fixture
def draft(chain: Chain) -> ChainVersion:
    return draft_of(chain)


@pytest.fixture
def priced(db: None) -> LanguageModel:
    """A model at 1 USD per million tokens read and 10 USD per million written."""
    provider = Provider.objects.create(slug="real", name="Real", kind="openai")
    return LanguageModel.objects.create(
        provider=provider, model_id="m", name="M", input_price=Decimal(1), output_price=Decimal(10)
    )


def page(chain: Chain) -> EditorPage:
    draft_of(chain)
    return queries.editor_page(chain)


class TestCards:
    def test_agents_stand_in_their_stages(self, chain: Chain):
        shown = page(chain)
        assert [
            (stage.number, stage.parallel, [card.agent.name for card in stage.cards])
            for stage in shown.stages
        ] == [(1, True, ["Ada", "Ben"]), (2, False, ["Editor"])]

    def test_a_prompt_may_name_what_stands_before_its_stage(self, chain: Chain):
        cards = [card for stage in page(chain).stages for card in stage.cards]
        assert [card.names for card in cards] == [
            ("input",),
            ("input",),
            ("input", "previous", "agents.ada", "agents.ben"),
        ]

    def test_faults_stand_beside_their_field(self, chain: Chain, draft: ChainVersion):
        save(draft, "ben", prompt="{{agents.ada}}", temperature="3", model="")
        ada, ben = page(chain).stages[0].cards
        assert ada.faults == {}
        assert set(ben.faults) == {"model", "temperature", "prompt"}
        assert "same group" in ben.faults["prompt"][0].message
        assert not page(chain).can_publish

    def test_a_warning_does_not_keep_from_publishing(self, chain: Chain):
        shown = page(chain)
        assert [fault.severity for fault in shown.faults] == ["warning"]
        assert shown.can_publish

    def test_an_empty_draft_is_shown_with_its_fault(self, chain: Chain, draft: ChainVersion):
        for slug in ("ada", "ben", "editor"):
            actions.remove_agent(draft=draft, agent_id=find(draft, slug).pk, revision=draft.revision)
        shown = page(chain)
        assert (shown.stages, shown.plan, shown.cost) == ((), (), "$0")
        assert [fault.agent for fault in shown.faults] == [None]


class TestState:
    def test_it_says_what_can_be_undone_redone_and_published(self, chain: Chain, draft: ChainVersion):
        def state() -> tuple[int, bool, bool, bool]:
            shown = page(chain)
            return shown.revision, shown.can_undo, shown.can_redo, shown.has_unpublished

        assert state() == (0, False, False, False)
        save(draft, "ada", prompt="One")
        assert state() == (1, True, False, True)
        actions.undo(draft=draft, revision=1)
        assert state() == (2, False, True, False)
        actions.redo(draft=draft, revision=2)
        actions.publish_draft(chain=chain)
        assert state() == (3, True, False, False)
        assert page(chain).published_number == 2

    def test_a_changed_setting_is_unpublished_too(self, chain: Chain, draft: ChainVersion):
        actions.save_settings(chain=chain, draft=draft, fields={"on_interruption": "retry"}, revision=0)
        assert page(chain).has_unpublished

    def test_a_new_chain_is_all_unpublished(self, alice: User):
        model()
        shown = page(actions.create_empty_chain(owner=alice, name="New"))
        assert (shown.has_unpublished, shown.published_number) == (True, None)

    def test_samples_and_tags_are_at_hand(self, chain: Chain):
        actions.save_sample(chain=chain, name=" Long  one ", text="A\r\nlong message")
        actions.save_sample(chain=chain, name="Short", text="Hi")
        actions.save_sample(chain=chain, name="Short", text="Hello")
        actions.set_tags(chain=chain, names=["work"])
        shown = page(chain)
        assert [(one.name, one.text) for one in shown.samples] == [
            ("Long one", "A\nlong message"),
            ("Short", "Hello"),
        ]
        assert shown.tags == ("work",)
        actions.delete_sample(chain=chain, name="Short")
        assert [one.name for one in page(chain).samples] == ["Long one"]

    @pytest.mark.parametrize(("name", "text", "field"), [("", "Hi", "name"), ("Short", " \n", "input")])
    def test_a_sample_needs_a_name_and_a_message(self, chain: Chain, name: str, text: str, field: str):
        with pytest.raises(actions.ActionError) as refused:
            actions.save_sample(chain=chain, name=name, text=text)
        assert refused.value.field == field


class TestPlan:
    def test_each_stage_says_who_runs_and_what_they_receive(self, alice: User):
        chain = chain_of(
            alice,
            agent("Ada", PARALLEL),
            replace(agent("Ben", PARALLEL), prompt="Look at {{input}}"),
            agent("Judge", CONDITIONAL, 'contains("no")'),
            replace(agent("Editor"), prompt="{{agents.ada}} {{previous}} {{input}}"),
        )
        lines = [(line.stage, line.who, line.receives) for line in page(chain).plan]
        assert lines == [
            (1, "Ada and Ben at the same time", (Receipt("receive your message"),)),
            (2, "Judge", (Receipt("receives the results of Ada and Ben", rule='contains("no")'),)),
            (3, "Editor", (Receipt("receives what Ada says, what Judge says and your message"),)),
        ]

    def test_members_that_receive_different_texts_are_told_apart(self, alice: User):
        chain = chain_of(
            alice,
            agent("First"),
            agent("Ada", PARALLEL),
            replace(agent("Ben", PARALLEL), prompt="{{input}}"),
        )
        assert page(chain).plan[1].receives == (
            Receipt("Ada: receives what First says"),
            Receipt("Ben: receives your message"),
        )

    def test_branches_of_a_group_name_their_rules(self, alice: User):
        long = " and ".join(["not empty"] * 9)
        chain = chain_of(alice, agent("Ada", PARALLEL, long), agent("Ben", PARALLEL, "otherwise"))
        assert page(chain).plan[0].receives == (
            Receipt("Ada: receives your message", rule=f"{long[:59]}…"),
            Receipt("Ben: receives your message, if no other rule of its group holds"),
        )

    def test_nobody_is_called_by_what_they_are_not(self, chain: Chain, draft: ChainVersion):
        save(draft, "editor", prompt="Read {{agents.nobody}}")
        save(draft, "editor", name="")
        line = page(chain).plan[-1]
        assert (line.who, line.receives) == (
            "Agent 3",
            (Receipt("receives what an unknown agent (agents.nobody) says"),),
        )


class TestCost:
    def test_simulated_models_cost_nothing(self, chain: Chain):
        assert page(chain).cost == "$0"

    def test_it_lies_between_short_and_long_answers(
        self, chain: Chain, draft: ChainVersion, priced: LanguageModel
    ):
        save(draft, "ada", model=str(priced.pk))
        # 200 tokens read; 150 or 1,000 written.
        assert page(chain).cost == "$0.0017 to $0.0102"
        save(draft, "ada", max_output_tokens="100")
        assert page(chain).cost == "$0.0012"

    def test_what_a_stage_hands_on_is_read_by_the_next(
        self, chain: Chain, draft: ChainVersion, priced: LanguageModel
    ):
        save(draft, "editor", model=str(priced.pk), prompt="", max_output_tokens="1")
        # Both critics' answers are read: 300 tokens or 2,000.
        assert page(chain).cost == "$0.0003 to $0.0020"

    def test_an_agent_with_a_condition_may_cost_nothing(
        self, chain: Chain, draft: ChainVersion, priced: LanguageModel
    ):
        save(draft, "ada", model=str(priced.pk), condition="empty")
        assert page(chain).cost == "$0 to $0.0102"

    def test_unknown_prices_are_counted(self, chain: Chain, draft: ChainVersion, priced: LanguageModel):
        unknown = LanguageModel.objects.create(provider=priced.provider, model_id="x", name="X")
        save(draft, "ada", model=str(priced.pk))
        save(draft, "ben", model=str(unknown.pk))
        save(draft, "editor", model="")
        assert page(chain).cost == "$0.0017 to $0.0102 + unknown for 2 calls"


class TestTryingRules:
    def test_a_rule_shows_the_part_that_decided_and_the_passage(self):
        tried = queries.condition_try('contains("risk") or length > 1000', "There is a RISK here.")
        assert tried.verdict is not None
        assert (tried.verdict.held, tried.verdict.decided_by) == (True, 'contains("risk")')
        assert "RISK" in tried.verdict.excerpt

    def test_every_subject_can_be_tried(self):
        assert queries.condition_try('input.contains("x")', "y", input="x").verdict
        tried = queries.condition_try('not agents.ada.contains("y")', "y")
        assert tried.verdict is not None
        assert not tried.verdict.held

    @pytest.mark.parametrize(
        ("rule", "position", "words"),
        [("contains(", 9, "At character 10"), ("", 0, "the rule is empty"), ("otherwise", None, "no test")],
    )
    def test_a_rule_without_a_verdict_says_why(self, rule: str, position: int | None, words: str):
        tried = queries.condition_try(rule, "text")
        assert (tried.verdict, tried.position) == (None, position)
        assert words in tried.error

    def test_earlier_answers_are_at_hand_newest_first(self, alice: User, chain: Chain):
        complete(run_in(actions.start_session(owner=alice, chain=chain)), "An *answer* of old")
        failed = run_in(actions.start_session(owner=alice, chain=chain))
        attempt(failed.steps.get(index=0), text="Half an ans", status="failed")
        end(failed, "failed")
        found = queries.answers_to_test(alice, chain, 2)
        assert [(one.label, one.text) for one in found] == [
            ("Editor: An *answer* of old", "An *answer* of old"),
            ("Ben: An *answer* of old", "An *answer* of old"),
        ]

    def test_nobody_tries_rules_on_the_answers_of_others(self, alice: User, bob: User, chain: Chain):
        complete(run_in(actions.start_session(owner=bob, chain=chain)), "Bob's secret")
        assert queries.answers_to_test(alice, chain, 8) == []


def test_fifty_agents_take_as_many_queries_as_three(alice: User, django_assert_num_queries):
    for count in (3, 50):
        chain = long_chain(alice, count)
        draft = draft_of(chain)
        save(draft, "ada", prompt="One")
        with django_assert_num_queries(1):
            assert len(queries.editor_page(chain, draft).stages) == count
