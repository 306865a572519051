"""Versions: published from the draft, never changed, compared, restored; and who ran which."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import Error, transaction

from chains import actions, queries
from chains.chainfile import ChainFile
from chains.models import Agent, Chain, ChainVersion, User
from chains.queries.diffs import word_diff
from tests.integration.draft_cast import critics, draft_of, find, names, save
from tests.integration.pages_cast import complete, model, run_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def chain(alice: User) -> Chain:
    return critics(alice)


@pytest.fixture
def draft(chain: Chain) -> ChainVersion:
    return draft_of(chain)


def publish(chain: Chain) -> ChainVersion:
    return actions.publish_draft(chain=chain)[0]


def changes(chain: Chain, before: int | None, after: int | None) -> list[tuple[str, str]]:
    return [(diff.kind, diff.name) for diff in queries.compare_versions(chain, before, after)]


class TestPublishing:
    def test_a_copy_becomes_the_next_version_and_the_draft_goes_on(self, chain: Chain, draft: ChainVersion):
        save(draft, "ada", prompt="Better")
        version, is_new = actions.publish_draft(chain=chain)
        assert (version.number, is_new) == (2, True)
        save(draft, "ada", prompt="Better still")
        assert version.agents.get(slug="ada").prompt == "Better"
        assert chain.versions.published().first() == version

    def test_the_same_content_makes_no_version(self, chain: Chain, draft: ChainVersion):
        assert actions.publish_draft(chain=chain) == (chain.versions.get(number=1), False)
        save(draft, "ada", prompt="Better")
        actions.publish_draft(chain=chain)
        version, is_new = actions.publish_draft(chain=chain)
        assert (version.number, is_new) == (2, False)
        assert chain.versions.published().count() == 2

    @pytest.mark.parametrize("setting", [{"on_failure": "continue"}, {"on_interruption": "retry"}])
    def test_a_setting_alone_is_worth_a_version(
        self, chain: Chain, draft: ChainVersion, setting: dict[str, object]
    ):
        actions.save_settings(chain=chain, draft=draft, fields=setting, revision=0)
        version = publish(chain)
        assert version.number == 2
        assert {name: getattr(version, name) for name in setting} == setting

    def test_a_faulty_draft_stays_saved_and_is_not_published(self, chain: Chain, draft: ChainVersion):
        save(draft, "ada", name="", condition="length >")
        save(draft, "ben", model="")
        with pytest.raises(actions.NotPublishable) as refused:
            actions.publish_draft(chain=chain)
        assert [(fault.agent, fault.field) for fault in refused.value.faults] == [
            (0, "name"),
            (0, "condition"),
            (1, "model"),
        ]
        assert "(and 2 more)" in str(refused.value)
        assert find(draft, "ada").condition == "length >"
        assert chain.versions.published().count() == 1

    def test_the_first_version_of_a_new_chain_can_be_run(self, alice: User):
        model()
        chain = actions.create_empty_chain(owner=alice, name="New")
        assert publish(chain).number == 1
        run = run_in(actions.start_session(owner=alice, chain=chain))
        assert [step.name for step in run.steps.all()] == ["Agent 1"]

    def test_a_chain_knows_when_it_was_last_used(self, chain: Chain):
        assert chain.used_at is None
        run = run_in(actions.start_session(owner=chain.owner, chain=chain))
        now = Chain.objects.get(pk=chain.pk)
        assert (now.used_at, now.updated_at) == (run.created_at, chain.updated_at)

    def test_nobody_changes_what_is_published(self, chain: Chain, draft: ChainVersion):
        save(draft, "ada", prompt="Better")
        version = publish(chain)
        for change in (
            lambda: version.agents.update(prompt="Secretly other"),
            lambda: version.agents.all().delete(),
            lambda: Agent.objects.create(version=version, index=9, name="X", slug="x"),
            lambda: ChainVersion.objects.filter(pk=version.pk).update(undo_position=1),
            lambda: draft.agents.update(version=version, index=9),
        ):
            with pytest.raises(Error), transaction.atomic():
                change()

    def test_edits_find_no_draft_in_a_published_version(self, chain: Chain):
        version = chain.versions.get(number=1)
        with pytest.raises(actions.ActionError, match="not there any more"):
            save(version, "ada", prompt="Secretly other")
        assert find(version, "ada").prompt == ""


class TestFilesAndDrafts:
    def file(self, chain: Chain, **changes: str) -> ChainFile:
        file = actions.export_chain(chain=chain)
        return replace(file, agents=tuple(replace(one, **changes) for one in file.agents))  # type: ignore[arg-type]

    def test_an_import_comes_into_a_draft_without_edits_of_its_own(
        self, alice: User, chain: Chain, draft: ChainVersion
    ):
        actions.import_chain(owner=alice, file=self.file(chain, prompt="From a file"))
        draft = draft_of(chain)
        assert find(draft, "ada").prompt == "From a file"
        actions.undo(draft=draft, revision=draft.revision)
        assert find(draft, "ada").prompt == ""

    def test_an_import_leaves_a_draft_alone_that_somebody_edits(
        self, alice: User, chain: Chain, draft: ChainVersion
    ):
        save(draft, "ada", prompt="My own")
        actions.import_chain(owner=alice, file=self.file(chain, prompt="From a file"))
        assert find(draft, "ada").prompt == "My own"
        assert publish(chain).number == 3

    def test_what_is_exported_is_what_is_published_not_the_draft(self, chain: Chain, draft: ChainVersion):
        save(draft, "ada", prompt="Not yet")
        assert actions.export_chain(chain=chain).agents[0].prompt == ""


class TestRestoring:
    def test_version_1_becomes_the_draft_again_and_undo_takes_it_back(
        self, chain: Chain, draft: ChainVersion
    ):
        actions.save_settings(chain=chain, draft=draft, fields={"on_failure": "continue"}, revision=0)
        save(draft, "ada", name="Eve", prompt="Better")
        actions.remove_agent(draft=draft, agent_id=find(draft, "ben").pk, revision=2)
        publish(chain)
        draft = actions.restore_version(chain=chain, number=1)
        assert (names(draft), draft_of(chain).on_failure) == (["Ada", "Ben", "Editor"], "stop")
        assert chain.versions.published().count() == 2
        assert publish(chain).number == 3
        actions.undo(draft=draft, revision=draft.revision)
        assert (names(draft), draft_of(chain).on_failure) == (["Eve", "Editor"], "continue")

    def test_restoring_what_the_draft_says_is_no_edit(self, chain: Chain, draft: ChainVersion):
        assert actions.restore_version(chain=chain, number=1).revision == 0

    def test_a_number_that_does_not_exist_is_refused(self, chain: Chain):
        with pytest.raises(actions.ActionError, match="no version 7"):
            actions.restore_version(chain=chain, number=7)


class TestComparing:
    def test_agents_are_added_removed_changed_and_moved(self, chain: Chain, draft: ChainVersion):
        save(draft, "ada", prompt="Be strict")
        actions.remove_agent(draft=draft, agent_id=find(draft, "ben").pk, revision=1)
        actions.add_agent(draft=draft, index=2, connection_type="direct", revision=2)
        assert changes(chain, 1, None) == [("changed", "Ada"), ("added", "Agent 3"), ("removed", "Ben")]
        assert changes(chain, 1, 1) == []

    def test_one_move_is_one_move(self, chain: Chain, draft: ChainVersion):
        actions.move_agent(
            draft=draft, agent_id=find(draft, "ada").pk, index=2, connection_type=None, revision=0
        )
        assert changes(chain, 1, None) == [("moved", "Ada")]

    def test_a_renamed_agent_is_the_same_agent(self, chain: Chain, draft: ChainVersion):
        save(draft, "ben", name="Benjamin")
        [diff] = queries.compare_versions(chain, 1, None)
        assert (diff.kind, diff.name) == ("changed", "Benjamin")
        assert [(field.name, field.before, field.after) for field in diff.fields] == [
            ("name", "Ben", "Benjamin")
        ]

    def test_the_words_of_each_field_are_shown_with_settings_first(self, chain: Chain, draft: ChainVersion):
        actions.save_settings(chain=chain, draft=draft, fields={"on_failure": "continue"}, revision=0)
        save(draft, "ada", prompt="Be <strict>", temperature="0.5", model=str(model("slow").pk))
        settings, ada = queries.compare_versions(chain, 1, None)
        assert settings.fields[0].after == "Go on with what the stage received"
        assert {field.name: (field.before, field.after) for field in ada.fields} == {
            "prompt": ("", "Be <strict>"),
            "model": ("simulated/fast", "simulated/slow"),
            "temperature": ("", "0.5"),
        }
        assert "<ins>Be &lt;strict&gt;</ins>" in [field.html for field in ada.fields]

    def test_a_choice_is_shown_as_a_whole_not_word_by_word(self, chain: Chain, draft: ChainVersion):
        actions.save_settings(chain=chain, draft=draft, fields={"on_failure": "continue"}, revision=0)
        save(draft, "ada", model=str(model("slow").pk), temperature="0.5")
        settings, ada = queries.compare_versions(chain, 1, None)
        assert [(field.name, field.html) for field in settings.fields] == [
            (
                "when a stage fails",
                "<del>End the run</del> <ins>Go on with what the stage received</ins>",
            )
        ]
        assert {field.name: field.html for field in ada.fields} == {
            "model": "<del>simulated/fast</del> <ins>simulated/slow</ins>",
            "temperature": "<ins>0.5</ins>",
        }

    def test_before_the_first_version_everything_is_new(self, alice: User):
        model()
        chain = actions.create_empty_chain(owner=alice, name="New")
        assert changes(chain, None, None) == [("added", "Agent 1")]

    def test_unknown_numbers_differ_in_nothing(self, chain: Chain):
        assert changes(chain, 1, 9) == []


class TestWords:
    def test_only_the_words_that_differ_are_marked(self):
        assert word_diff("Be kind & brief.\nAlways.", "Be strict & brief.\nAlways.") == (
            "Be <del>kind</del><ins>strict</ins> &amp; brief.\nAlways."
        )

    def test_nothing_in_a_text_becomes_markup(self):
        assert "<script>" not in word_diff("<script>a</script>", "<script>b</script> <ins>")

    def test_long_texts_take_no_long_time_and_lose_nothing(self):
        before = "word " * 20_000
        shown = word_diff(before, before + "more")
        assert shown == f"<del>{before}</del><ins>{before}more</ins>"
        lines = "\n".join(f"line {n}" for n in range(1_500))
        assert word_diff(lines, lines.replace("line 700\n", "")).count("<del>") == 1


class TestHistory:
    def test_each_version_says_what_it_changed_newest_first(self, chain: Chain, draft: ChainVersion):
        save(draft, "ada", prompt="Better")
        actions.remove_agent(draft=draft, agent_id=find(draft, "ben").pk, revision=1)
        publish(chain)
        actions.save_settings(
            chain=chain, draft=draft, fields={"on_failure": "continue"}, revision=draft_of(chain).revision
        )
        publish(chain)
        rows = queries.version_list(chain)
        assert [(row.number, row.changed, row.current) for row in rows] == [
            (3, "Chain settings changed", True),
            (2, "Ada changed, Ben removed", False),
            (1, "The first version, with 3 agents", False),
        ]

    def test_it_knows_which_version_the_draft_repeats(self, chain: Chain, draft: ChainVersion):
        save(draft, "ada", prompt="Better")
        publish(chain)
        assert [row.is_draft for row in queries.version_list(chain)] == [True, False]
        actions.restore_version(chain=chain, number=1)
        assert [row.is_draft for row in queries.version_list(chain)] == [False, True]
        save(draft_of(chain), "ada", prompt="Another")
        assert not any(row.is_draft for row in queries.version_list(chain))

    def test_it_says_which_sessions_ran_which_version(self, alice: User, chain: Chain, draft: ChainVersion):
        first = actions.start_session(owner=alice, chain=chain)
        for text in ("One", "Two"):
            complete(run_in(first, text))
        save(draft, "ada", prompt="Better")
        publish(chain)
        second = actions.start_session(owner=alice, chain=chain)
        for session in (first, second):
            complete(run_in(session, "Three"))
        rows = {row.number: (row.session_count, row.sessions) for row in queries.version_list(chain)}
        assert rows == {2: (2, (second, first)), 1: (1, (first,))}

    def test_other_peoples_sessions_with_a_shared_chain_are_theirs(
        self, alice: User, bob: User, chain: Chain
    ):
        complete(run_in(actions.start_session(owner=bob, chain=chain), "A secret"))
        [row] = queries.version_list(chain)
        assert (row.session_count, row.sessions) == (0, ())

    def test_a_long_history_takes_as_many_queries_as_a_short_one(
        self, chain: Chain, draft: ChainVersion, django_assert_num_queries
    ):
        for count in (2, 6):
            for number in range(count):
                save(draft, "ada", prompt=f"Text {count} {number}")
                complete(run_in(actions.start_session(owner=chain.owner, chain=publish(chain).chain)))
            with django_assert_num_queries(7):
                queries.version_list(chain)
