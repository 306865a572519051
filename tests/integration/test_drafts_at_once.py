"""Windows that meet on one draft: one edit wins, the other is told; nothing is published half-edited."""

from __future__ import annotations

from functools import partial

import pytest

from chains import actions
from chains.chainfile import ChainFile
from chains.models import Chain, ChainVersion, User
from tests.integration.admin_cast import no_query_about
from tests.integration.draft_cast import critics, draft_of, find, save
from tests.integration.test_actions_at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def chain(alice: User) -> Chain:
    return critics(alice)


def test_a_chain_opened_in_two_windows_has_one_draft(chain: Chain):
    results = at_once(*[lambda: actions.open_draft(chain=Chain.objects.get(pk=chain.pk))] * 4)
    assert results == [ChainVersion.objects.drafts().get()] * 4
    assert results[0].agents.count() == 3


def test_of_edits_at_the_same_moment_one_wins_and_the_others_get_both_texts(chain: Chain):
    pk = find(draft_of(chain), "ada").pk

    def edit(text: str) -> ChainVersion:
        return actions.save_agent(draft=draft_of(chain), agent_id=pk, fields={"prompt": text}, revision=0)

    results = at_once(*(lambda n=n: edit(f"Text {n}") for n in range(4)))
    stale = [result for result in results if isinstance(result, actions.StaleDraft)]
    draft = draft_of(chain)
    stored = find(draft, "ada").prompt
    assert len(stale) == 3
    assert {one.theirs["prompt"] for one in stale} == {stored}
    assert stored not in {one.mine["prompt"] for one in stale}
    assert (draft.revision, draft.edits.count()) == (1, 2)


def test_two_undos_at_the_same_moment_are_one(chain: Chain):
    draft = draft_of(chain)
    for text in ("One", "Two"):
        save(draft, "ada", prompt=text)
    results = at_once(*[lambda: actions.undo(draft=draft_of(chain), revision=2)] * 3)
    assert sum(isinstance(result, actions.StaleDraft) for result in results) == 2
    assert find(draft, "ada").prompt == "One"


def test_two_publications_at_the_same_moment_make_one_version(chain: Chain):
    save(draft_of(chain), "ada", prompt="Better")
    results = at_once(*[lambda: actions.publish_draft(chain=Chain.objects.get(pk=chain.pk))] * 3)
    assert sorted(is_new for _, is_new in results) == [False, False, True]
    assert chain.versions.published().count() == 2


def test_an_import_and_a_publication_at_the_same_moment_get_numbers_of_their_own(alice: User, chain: Chain):
    save(draft_of(chain), "ada", prompt="Better")
    file = ChainFile(name="Critics", slug="critics", agents=actions.export_chain(chain=chain).agents[:1])
    results = at_once(
        lambda: actions.publish_draft(chain=Chain.objects.get(pk=chain.pk))[0],
        lambda: actions.import_chain(owner=alice, file=file).version,
    )
    assert sorted(version.number for version in results) == [2, 3]


def test_tags_saved_with_a_draft_and_publications_never_wait_for_one_another(chain: Chain):
    def file_it(tag: str) -> object:
        fields = {"tags": tag}
        return actions.save_settings(chain=chain, draft=draft_of(chain), fields=fields, revision=0)

    def publish() -> object:
        return actions.publish_draft(chain=Chain.objects.get(pk=chain.pk))

    for number in range(10):
        # Each would end in a deadlock if one locked the person first and the other the draft.
        at_once(publish, partial(file_it, f"a{number}"), publish, partial(file_it, f"b{number}"))
        assert {tag.name for tag in chain.tags.all()} <= {f"a{number}", f"b{number}"}
    # So nobody who holds the draft asks for the person.
    with no_query_about('FROM "chains_user"'):
        file_it("last")


def test_a_chain_is_deleted_while_it_is_edited_and_nobody_waits_for_ever(alice: User):
    for number in range(8):
        chain = critics(alice)
        draft = draft_of(chain)

        def rename(draft: ChainVersion = draft, chain: Chain = chain, number: int = number) -> object:
            fields = {"name": f"Renamed {number}", "tags": "birds"}
            return actions.save_settings(chain=chain, draft=draft, fields=fields, revision=0)

        def delete(chain: Chain = chain) -> object:
            return actions.delete_chain(chain=Chain.objects.get(pk=chain.pk))

        edited, deleted = at_once(rename, delete)
        assert deleted is None
        assert isinstance(edited, ChainVersion | actions.ActionError), edited
        assert not Chain.objects.filter(pk=chain.pk).exists()
