"""Drafts: opened once, edited by one window at a time, undone and redone."""

from __future__ import annotations

import pytest

from chains import actions
from chains.actions.drafts import HISTORY
from chains.models import Chain, ChainVersion, DraftEdit, LanguageModel, User
from tests.integration.draft_cast import critics, draft_of, find, long_chain, names, said, save
from tests.integration.pages_cast import agent, chain_of, model

pytestmark = pytest.mark.django_db


@pytest.fixture
def chain(alice: User) -> Chain:
    return critics(alice)


@pytest.fixture
def draft(chain: Chain) -> ChainVersion:
    return draft_of(chain)


def settings(draft: ChainVersion, **fields: object) -> ChainVersion:
    return actions.save_settings(chain=draft.chain, draft=draft, fields=fields, revision=draft.revision)


class TestOpening:
    def test_the_draft_says_what_the_newest_version_says(self, chain: Chain):
        draft = draft_of(chain)
        assert (draft.number, draft.published_at, draft.revision) == (None, None, 0)
        assert names(draft) == ["Ada", "Ben", "Editor"]
        assert find(draft, "editor").prompt == "Use {{agents.ada}} and {{ previous }}"

    def test_opening_again_finds_the_same_draft_with_its_edits(self, chain: Chain, draft: ChainVersion):
        save(draft, "ada", prompt="Half a wor")
        again = draft_of(chain)
        assert again.pk == draft.pk
        assert find(again, "ada").prompt == "Half a wor"
        assert chain.versions.drafts().count() == 1

    def test_a_new_chain_opens_with_one_agent_and_was_never_published(self, alice: User):
        model()
        chain = actions.create_empty_chain(owner=alice, name="  Two   critics ")
        assert (chain.name, chain.slug) == ("Two critics", "two-critics")
        assert names(draft_of(chain)) == ["Agent 1"]
        assert not chain.versions.published().exists()

    def test_a_new_chain_needs_a_name_and_gets_a_slug_of_its_own(self, alice: User):
        with pytest.raises(actions.ActionError, match="name") as refused:
            actions.create_empty_chain(owner=alice, name="   ")
        assert refused.value.field == "name"
        slugs = [actions.create_empty_chain(owner=alice, name="Critics").slug for _ in range(2)]
        assert slugs == ["critics", "critics-2"]

    def test_a_chain_that_was_never_published_says_so_when_it_is_run(self, alice: User):
        chain = actions.create_empty_chain(owner=alice, name="New")
        session = actions.start_session(owner=alice, chain=chain)
        with pytest.raises(actions.NotRunnable, match="never published"):
            actions.start_run(session=session, chain=chain, text="Hello", request_id="1")


class TestTwoWindows:
    def test_the_second_window_gets_both_texts_and_changes_nothing(self, chain: Chain, draft: ChainVersion):
        other = draft_of(chain)
        pk = find(draft, "ada").pk
        save(draft, "ada", prompt="Mine came first", temperature="0.5")
        with pytest.raises(actions.StaleDraft) as stale:
            actions.save_agent(
                draft=other, agent_id=pk, fields={"prompt": "Second", "temperature": ""}, revision=0
            )
        assert stale.value.theirs == {"prompt": "Mine came first", "temperature": "0.5"}
        assert stale.value.mine == {"prompt": "Second", "temperature": ""}
        assert stale.value.revision == draft.revision == 1
        assert find(draft, "ada").prompt == "Mine came first"

    def test_with_the_revision_it_was_told_the_second_window_can_insist(
        self, chain: Chain, draft: ChainVersion
    ):
        other = draft_of(chain)
        save(draft, "ada", prompt="First")
        actions.save_agent(
            draft=other, agent_id=find(draft, "ada").pk, fields={"prompt": "Second"}, revision=1
        )
        assert find(draft, "ada").prompt == "Second"

    def test_what_is_stored_already_is_no_conflict(self, chain: Chain, draft: ChainVersion):
        """An answer that got lost on its way: the window sends the same again."""
        pk = find(draft, "ada").pk
        save(draft, "ada", prompt="Sent twice")
        again = actions.save_agent(
            draft=draft_of(chain), agent_id=pk, fields={"prompt": "Sent twice"}, revision=0
        )
        assert again.revision == 1

    def test_every_edit_of_a_stale_window_is_refused(self, chain: Chain, draft: ChainVersion):
        pk = find(draft, "ada").pk
        save(draft, "ben", prompt="Newer")
        before = said(draft)
        edits = [
            lambda old: actions.add_agent(draft=old, index=0, connection_type="direct", revision=0),
            lambda old: actions.duplicate_agent(draft=old, agent_id=pk, revision=0),
            lambda old: actions.remove_agent(draft=old, agent_id=pk, revision=0),
            lambda old: actions.move_agent(draft=old, agent_id=pk, index=2, connection_type=None, revision=0),
            lambda old: actions.undo(draft=old, revision=0),
            lambda old: actions.redo(draft=old, revision=0),
        ]
        for edit in edits:
            with pytest.raises(actions.StaleDraft) as stale:
                edit(draft_of(chain))
            assert stale.value.revision == 1
        assert said(draft) == before

    def test_settings_of_a_stale_window_come_back_with_both_texts(self, chain: Chain, draft: ChainVersion):
        other = draft_of(chain)
        settings(draft, name="Reviewers", on_failure="continue")
        with pytest.raises(actions.StaleDraft) as stale:
            actions.save_settings(
                chain=chain, draft=other, fields={"name": "Readers", "tags": "work"}, revision=0
            )
        assert stale.value.theirs == {"name": "Reviewers", "tags": ""}
        assert stale.value.mine == {"name": "Readers", "tags": "work"}
        chain.refresh_from_db()
        assert (chain.name, chain.tags.count()) == ("Reviewers", 0)


class TestSettings:
    def test_what_is_said_about_the_chain_is_saved(self, chain: Chain, draft: ChainVersion):
        settings(
            draft,
            name="Reviewers",
            description="What for\r\nand why",
            on_failure="continue",
            on_interruption="retry",
            tags="work, draft, ",
        )
        chain.refresh_from_db()
        stored = draft_of(chain)
        assert (chain.name, chain.description, chain.slug) == ("Reviewers", "What for\nand why", "critics")
        assert (stored.on_failure, stored.on_interruption) == ("continue", "retry")
        assert [tag.name for tag in chain.tags.all()] == ["draft", "work"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", " "),
            ("name", "n" * 101),
            ("description", "d" * 2001),
            ("on_failure", "explode"),
            ("on_interruption", ""),
            ("tags", "t" * 41),
        ],
    )
    def test_a_setting_that_cannot_be_is_refused_and_nothing_is_saved(
        self, draft: ChainVersion, field: str, value: str
    ):
        good = {"on_failure": "continue"} if field != "on_failure" else {"description": "New"}
        with pytest.raises(actions.ActionError) as refused:
            settings(draft, **good, **{field: value})
        stored = draft_of(draft.chain)
        assert refused.value.field == field
        assert (stored.revision, stored.on_failure, stored.chain.description) == (0, "stop", "")


class TestUndo:
    def test_ten_edits_of_every_kind_go_back_one_by_one_and_forth_again(self, draft: ChainVersion):
        ada = find(draft, "ada").pk
        states = [said(draft)]
        for act in [
            lambda: save(draft, "ada", prompt="One"),
            lambda: save(draft, "ada", name="Eve"),
            lambda: save(draft, "ben", temperature="1.5", condition="empty"),
            lambda: actions.add_agent(
                draft=draft, index=1, connection_type="parallel", revision=draft.revision
            ),
            lambda: actions.duplicate_agent(draft=draft, agent_id=ada, revision=draft.revision),
            lambda: actions.move_agent(
                draft=draft, agent_id=ada, index=3, connection_type=None, revision=draft.revision
            ),
            lambda: actions.remove_agent(draft=draft, agent_id=ada, revision=draft.revision),
            lambda: save(draft, "ben", model=""),
            lambda: save(draft, "editor", max_output_tokens="100"),
            lambda: save(draft, "editor", system_prompt="You edit."),
        ]:
            act()
            states.append(said(draft))
        assert len({str(state) for state in states}) == 11
        for state in reversed(states[:-1]):
            actions.undo(draft=draft, revision=draft.revision)
            assert said(draft) == state
        for state in states[1:]:
            actions.redo(draft=draft, revision=draft.revision)
            assert said(draft) == state
        assert draft.revision == 30

    def test_there_is_an_end_on_both_sides(self, draft: ChainVersion):
        with pytest.raises(actions.ActionError, match="nothing to undo"):
            actions.undo(draft=draft, revision=0)
        save(draft, "ada", prompt="One")
        with pytest.raises(actions.ActionError, match="nothing to redo"):
            actions.redo(draft=draft, revision=1)
        actions.undo(draft=draft, revision=1)
        with pytest.raises(actions.ActionError, match="nothing to undo"):
            actions.undo(draft=draft, revision=2)

    def test_a_new_edit_forgets_what_was_undone(self, draft: ChainVersion):
        for word in ("One", "Two", "Three"):
            save(draft, "ada", prompt=word)
        for _ in range(3):
            actions.undo(draft=draft, revision=draft.revision)
        save(draft, "ada", prompt="Other")
        with pytest.raises(actions.ActionError, match="nothing to redo"):
            actions.redo(draft=draft, revision=draft.revision)
        actions.undo(draft=draft, revision=draft.revision)
        assert find(draft, "ada").prompt == ""

    def test_an_edit_that_changes_nothing_is_none(self, draft: ChainVersion):
        save(draft, "ada", prompt="One")
        save(draft, "ada", prompt="One", name="Ada", temperature="")
        actions.move_agent(
            draft=draft, agent_id=find(draft, "ada").pk, index=0, connection_type=None, revision=1
        )
        assert draft.revision == 1
        actions.undo(draft=draft, revision=1)
        assert find(draft, "ada").prompt == ""

    def test_name_and_settings_go_back_but_tags_stay(self, chain: Chain, draft: ChainVersion):
        settings(draft, name="Reviewers", on_failure="continue", tags="work")
        actions.undo(draft=draft, revision=draft.revision)
        chain.refresh_from_db()
        assert (chain.name, draft_of(chain).on_failure) == ("Critics", "stop")
        assert [tag.name for tag in chain.tags.all()] == ["work"]

    def test_undo_leaves_a_name_that_was_given_elsewhere(self, chain: Chain, draft: ChainVersion):
        save(draft, "ada", prompt="One")
        Chain.objects.filter(pk=chain.pk).update(name="Renamed elsewhere")
        actions.undo(draft=draft, revision=draft.revision)
        chain.refresh_from_db()
        assert chain.name == "Renamed elsewhere"

    def test_undo_works_across_a_publication(self, chain: Chain, draft: ChainVersion):
        save(draft, "ada", prompt="One")
        actions.publish_draft(chain=chain)
        save(draft, "ada", prompt="Two")
        for expected in ("One", ""):
            actions.undo(draft=draft, revision=draft.revision)
            assert find(draft, "ada").prompt == expected
        assert actions.publish_draft(chain=chain)[0].number == 3

    def test_a_model_that_left_the_catalogue_is_no_obstacle(self, draft: ChainVersion):
        passing = model("passing")
        save(draft, "ada", model=passing.pk)
        save(draft, "ada", model=model("fast").pk)
        LanguageModel.objects.filter(pk=passing.pk).delete()
        actions.undo(draft=draft, revision=draft.revision)
        assert find(draft, "ada").model is None

    def test_the_history_is_bounded(self, draft: ChainVersion):
        for number in range(HISTORY + 5):
            save(draft, "ada", prompt=f"Text {number}")
        assert DraftEdit.objects.count() == HISTORY + 1
        for _ in range(HISTORY):
            actions.undo(draft=draft, revision=draft.revision)
        assert find(draft, "ada").prompt == "Text 4"
        with pytest.raises(actions.ActionError, match="nothing to undo"):
            actions.undo(draft=draft, revision=draft.revision)

    def test_each_edit_says_what_it_did(self, draft: ChainVersion):
        save(draft, "ada", name="Eve", prompt="One")
        actions.remove_agent(draft=draft, agent_id=find(draft, "ben").pk, revision=1)
        labels = list(draft.edits.order_by("position").values_list("label", flat=True))
        assert labels == ["", "Changed name and prompt of Eve", "Removed Ben"]


class TestQueries:
    @pytest.mark.parametrize("count", [3, 50])
    def test_every_edit_costs_few_queries_however_long_the_chain(
        self, alice: User, count: int, django_assert_max_num_queries
    ):
        draft = draft_of(long_chain(alice, count))
        first, slow = find(draft, "ada").pk, model("slow").pk
        save(draft, "last", prompt="Let there be a history")
        edits = {
            "rename": lambda r: actions.save_agent(
                draft=draft, agent_id=first, fields={"name": "Eve"}, revision=r
            ),
            "model": lambda r: actions.save_agent(
                draft=draft, agent_id=first, fields={"model": slow}, revision=r
            ),
            "add": lambda r: actions.add_agent(draft=draft, index=0, connection_type="direct", revision=r),
            "duplicate": lambda r: actions.duplicate_agent(draft=draft, agent_id=first, revision=r),
            "move": lambda r: actions.move_agent(
                draft=draft, agent_id=first, index=count, connection_type="parallel", revision=r
            ),
            "remove": lambda r: actions.remove_agent(draft=draft, agent_id=first, revision=r),
            "undo": lambda r: actions.undo(draft=draft, revision=r),
            "redo": lambda r: actions.redo(draft=draft, revision=r),
        }
        for edit in edits.values():
            with django_assert_max_num_queries(11):
                edit(draft.revision)
        with django_assert_max_num_queries(14):
            actions.restore_version(chain=draft.chain, number=1)

    def test_the_same_number_for_3_agents_and_for_50(self, alice: User, django_assert_num_queries):
        for count in (3, 50):
            draft = draft_of(long_chain(alice, count))
            first = find(draft, "ada").pk
            save(draft, "last", prompt="Let there be a history")
            with django_assert_num_queries(9):
                actions.save_agent(draft=draft, agent_id=first, fields={"name": "Eve"}, revision=1)


class TestOwnership:
    def test_an_agent_of_another_chain_cannot_be_changed_through_this_draft(
        self, alice: User, bob: User, draft: ChainVersion
    ):
        theirs = draft_of(chain_of(bob, agent("Secret")))
        for edit in (
            lambda pk: actions.save_agent(draft=draft, agent_id=pk, fields={"prompt": "x"}, revision=0),
            lambda pk: actions.remove_agent(draft=draft, agent_id=pk, revision=0),
            lambda pk: actions.duplicate_agent(draft=draft, agent_id=pk, revision=0),
        ):
            with pytest.raises(actions.ActionError, match="not in the chain"):
                edit(find(theirs, "secret").pk)
        assert find(theirs, "secret").prompt == ""
        assert names(draft) == ["Ada", "Ben", "Editor"]

    def test_nobody_copies_an_agent_of_another_person(self, bob: User, draft: ChainVersion):
        secret = find(draft_of(chain_of(bob, agent("Secret"))), "secret")
        with pytest.raises(actions.ActionError, match="pick another"):
            actions.add_agent(draft=draft, index=0, connection_type="direct", revision=0, source=secret)
        assert "Secret" not in names(draft)
