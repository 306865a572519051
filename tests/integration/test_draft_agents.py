"""Agents of a draft: what can be typed into them, renamed, added, copied, moved and removed."""

from __future__ import annotations

import pytest

from chains import actions
from chains.chainfile import MAX_AGENTS
from chains.models import Agent, Chain, ChainVersion, User
from tests.integration.draft_cast import connections, critics, draft_of, find, long_chain, names, save
from tests.integration.pages_cast import CONDITIONAL, PARALLEL, agent, chain_of, model

pytestmark = pytest.mark.django_db


@pytest.fixture
def chain(alice: User) -> Chain:
    return critics(alice)


@pytest.fixture
def draft(chain: Chain) -> ChainVersion:
    return draft_of(chain)


def fault_of(draft: ChainVersion, field: str) -> str:
    """Return what the check says of a field, empty for nothing."""
    return " ".join(fault.message for fault in actions.check_draft(draft) if fault.field == field)


def add(draft: ChainVersion, index: int, connection: str = "direct", **options: object) -> ChainVersion:
    return actions.add_agent(
        draft=draft,
        index=index,
        connection_type=connection,
        revision=draft.revision,
        **options,  # type: ignore[arg-type]
    )


def move(draft: ChainVersion, slug: str, index: int, **options: object) -> ChainVersion:
    return actions.move_agent(
        draft=draft,
        agent_id=find(draft, slug).pk,
        index=index,
        revision=draft.revision,
        **{"connection_type": None, **options},  # type: ignore[arg-type]
    )


def _number(typed: str) -> float | None:
    try:
        return float(typed)
    except ValueError:
        return None


class TestSaving:
    def test_any_subset_of_fields_is_stored_as_it_was_typed(self, draft: ChainVersion):
        slow = model("slow")
        save(draft, "ada", prompt="Line one\r\nline two ", temperature=" 0,7 ", max_output_tokens="500")
        save(draft, "ada", model=str(slow.pk), system_prompt="You are Ada.", connection_type="parallel")
        ada = find(draft, "ada")
        assert (ada.prompt, ada.temperature, ada.max_output_tokens) == ("Line one\nline two ", 0.7, 500)
        assert (ada.model, ada.system_prompt, ada.name) == (slow, "You are Ada.", "Ada")
        save(draft, "ada", model="", temperature="", max_output_tokens="")
        ada = find(draft, "ada")
        assert (ada.model, ada.temperature, ada.max_output_tokens) == (None, None, None)

    def test_what_no_database_stores_is_replaced(self, draft: ChainVersion):
        save(draft, "ada", prompt="a\0b\ud800c")
        assert find(draft, "ada").prompt == "a\ufffdb\ufffdc"

    @pytest.mark.parametrize(
        ("field", "typed", "words"),
        [
            ("temperature", "abc", "“abc” is not a number"),
            ("temperature", "nan", "not a number"),
            ("temperature", "1e999", "not a number"),
            ("max_output_tokens", "many", "“many” is not a number of tokens"),
            ("max_output_tokens", "-5", "not a number of tokens"),
            ("max_output_tokens", "2.5", "not a number of tokens"),
            ("max_output_tokens", "9" * 15, "not a number of tokens"),
            ("model", "999999", "not there any more"),
            ("model", "9" * 30, "not there any more"),
            ("model", "fast", "not there any more"),
            ("connection_type", "sideways", "Choose one of the connections"),
            ("name", "n" * 101, "may have 100 characters: this one has 101"),
            ("prompt", "p" * 100_001, "may have 100,000 characters"),
        ],
    )
    def test_what_no_column_can_hold_is_refused_for_its_field_and_nothing_is_lost(
        self, draft: ChainVersion, field: str, typed: str, words: str
    ):
        save(draft, "ada", prompt="Precious", temperature="0.5")
        other = {"system_prompt": "Not yet"}
        with pytest.raises(actions.ActionError, match=words) as refused:
            save(draft, "ada", **{**other, field: typed})
        ada = find(draft, "ada")
        assert refused.value.field == field
        assert (ada.prompt, ada.temperature, ada.system_prompt) == ("Precious", 0.5, "")
        assert draft_of(draft.chain).revision == 1

    @pytest.mark.parametrize(
        ("field", "typed", "words"),
        [
            ("name", " ", "has no name"),
            ("model", "", "has no model: choose one"),
            ("temperature", "2.5", "must lie between 0 and 2"),
            ("temperature", "-1", "must lie between 0 and 2"),
            ("max_output_tokens", "0", "at least one token"),
            ("max_output_tokens", "1000001", "at most 1,000,000"),
            ("prompt", "{{nonsense}}", "is not a name that a prompt knows"),
            ("prompt", "{{agents.editor}}", "stands later"),
            ("condition", "contains(", "the rule is wrong at character 10"),
        ],
    )
    def test_what_is_merely_wrong_is_saved_told_and_not_published(
        self, chain: Chain, draft: ChainVersion, field: str, typed: str, words: str
    ):
        save(draft, "ada", **{field: typed})
        stored = draft_of(chain).agents.get(index=0)
        assert getattr(stored, field) in (typed.strip(), _number(typed), None)
        assert words in fault_of(draft, field)
        with pytest.raises(actions.NotPublishable, match="cannot run yet") as refused:
            actions.publish_draft(chain=chain)
        assert [fault.field for fault in refused.value.faults] == [field]
        assert chain.versions.published().count() == 1

    def test_a_model_that_cannot_be_called_is_a_fault_that_says_why(self, draft: ChainVersion):
        fast = model("fast")
        fast.enabled = False
        fast.save()
        assert "Simulated fast is switched off; choose another model." in fault_of(draft, "model")
        fast.enabled = True
        fast.save()
        assert fault_of(draft, "model") == ""
        fast.provider.key_variable = "A_KEY_THAT_NOBODY_HAS"
        fast.provider.save()
        assert "Simulated's key is not set here; choose another model." in fault_of(draft, "model")

    def test_a_temperature_that_the_model_does_not_take_is_only_a_warning(
        self, chain: Chain, draft: ChainVersion
    ):
        fast = model("fast")
        fast.temperature_allowed = False
        fast.save()
        save(draft, "ada", temperature="1")
        assert "takes no temperature" in fault_of(draft, "temperature")
        assert actions.publish_draft(chain=chain)[1]


class TestRenaming:
    def test_a_new_name_is_rewritten_in_every_prompt_and_condition(self, draft: ChainVersion):
        save(draft, "editor", connection_type="conditional", condition='agents.ada.contains("x") or agents.')
        save(draft, "ada", name="Eve Adams")
        editor = find(draft, "editor")
        assert find(draft, "eve-adams").name == "Eve Adams"
        assert editor.prompt == "Use {{agents.eve-adams}} and {{ previous }}"
        assert editor.condition == 'agents.eve-adams.contains("x") or agents.'

    def test_a_name_that_is_taken_gets_a_slug_with_a_number(self, draft: ChainVersion):
        save(draft, "ada", name="Ben")
        assert [one.slug for one in draft.agents.order_by("index")] == ["ben-2", "ben", "editor"]
        assert find(draft, "editor").prompt == "Use {{agents.ben-2}} and {{ previous }}"

    @pytest.mark.parametrize("name", ["", "ADA", "編集者"])
    def test_a_name_that_gives_no_other_slug_leaves_references_alone(self, draft: ChainVersion, name: str):
        save(draft, "ada", name=name)
        assert find(draft, "ada").name == name
        assert find(draft, "editor").prompt == "Use {{agents.ada}} and {{ previous }}"

    def test_letter_by_letter_the_references_follow(self, draft: ChainVersion):
        for name in ("Ad", "A", "", "C", "Cl", "Claire"):
            pk = draft.agents.get(index=0).pk
            actions.save_agent(draft=draft, agent_id=pk, fields={"name": name}, revision=draft.revision)
        assert find(draft, "editor").prompt == "Use {{agents.claire}} and {{ previous }}"


class TestAdding:
    def test_a_new_agent_stands_where_it_was_put_with_the_model_of_the_last_one(self, draft: ChainVersion):
        Agent.objects.filter(pk=find(draft, "editor").pk).update(model=model("slow"))
        add(draft, 1)
        assert names(draft) == ["Ada", "Agent 4", "Ben", "Editor"]
        assert find(draft, "agent-4").model == model("slow")
        add(draft, 99, "parallel")
        assert names(draft)[-1] == "Agent 5"
        assert connections(draft) == ["parallel", "direct", "parallel", "direct", "parallel"]

    def test_the_first_agent_of_an_empty_chain_gets_the_sites_default_model(self, draft: ChainVersion):
        for slug in ("ada", "ben", "editor"):
            actions.remove_agent(draft=draft, agent_id=find(draft, slug).pk, revision=draft.revision)
        assert "add one" in fault_of(draft, "agents")
        add(draft, 0)
        assert find(draft, "agent-1").model == model("fast")

    def test_beside_another_both_run_at_the_same_time(self, draft: ChainVersion):
        add(draft, 3, beside=find(draft, "editor").pk)
        assert connections(draft) == ["parallel"] * 4
        assert draft.revision == 1

    def test_an_agent_of_another_chain_comes_as_a_copy(self, alice: User, draft: ChainVersion):
        theirs = chain_of(alice, agent("Ada", CONDITIONAL, "length > 3"), name="Other").versions.get()
        source = theirs.agents.get()
        add(draft, 3, "direct", source=source)
        copy = draft.agents.get(index=3)
        assert (copy.name, copy.slug, copy.condition) == ("Ada", "ada-2", "length > 3")
        assert copy.connection_type == "conditional"
        assert theirs.agents.get() == source

    def test_a_duplicate_stands_behind_its_original_and_says_the_same(self, draft: ChainVersion):
        save(draft, "ada", prompt="One", temperature="0")
        actions.duplicate_agent(draft=draft, agent_id=find(draft, "ada").pk, revision=1)
        assert names(draft) == ["Ada", "Ada 2", "Ben", "Editor"]
        copy = find(draft, "ada-2")
        assert (copy.prompt, copy.temperature, copy.connection_type) == ("One", 0, "parallel")

    def test_a_chain_has_an_upper_bound(self, alice: User):
        draft = draft_of(long_chain(alice, MAX_AGENTS))
        for act in (
            lambda: add(draft, 0),
            lambda: actions.duplicate_agent(draft=draft, agent_id=find(draft, "ada").pk, revision=0),
        ):
            with pytest.raises(actions.ActionError, match="100 agents"):
                act()


class TestMoving:
    @pytest.mark.parametrize(
        ("slug", "index", "order"),
        [
            ("ada", 1, ["Ben", "Ada", "Editor"]),
            ("ada", 2, ["Ben", "Editor", "Ada"]),
            ("editor", 0, ["Editor", "Ada", "Ben"]),
            ("ada", 99, ["Ben", "Editor", "Ada"]),
        ],
    )
    def test_the_place_counts_without_the_agent_itself(
        self, draft: ChainVersion, slug: str, index: int, order: list[str]
    ):
        pk = find(draft, slug).pk
        move(draft, slug, index)
        assert names(draft) == order
        assert find(draft, slug).pk == pk

    def test_joining_a_group_keeps_the_rule_and_takes_the_neighbour_along(self, alice: User):
        draft = draft_of(chain_of(alice, agent("One"), agent("Two"), agent("Three", CONDITIONAL, "empty")))
        move(draft, "three", 1, beside=find(draft, "one").pk)
        assert names(draft) == ["One", "Three", "Two"]
        assert connections(draft) == ["parallel", "parallel", "direct"]
        assert find(draft, "three").condition == "empty"
        assert draft.revision == 1

    def test_leaving_a_group_never_loses_a_rule(self, alice: User):
        draft = draft_of(
            chain_of(alice, agent("One", PARALLEL), agent("Two", PARALLEL, "empty"), agent("Three"))
        )
        move(draft, "one", 2, connection_type="direct")
        move(draft, "two", 2, connection_type="direct")
        assert connections(draft) == ["direct", "direct", "conditional"]
        assert find(draft, "two").condition == "empty"

    def test_a_reference_that_stands_too_early_now_is_a_fault(self, draft: ChainVersion):
        move(draft, "editor", 0)
        assert "stands later" in fault_of(draft, "prompt")
