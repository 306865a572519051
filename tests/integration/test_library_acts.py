"""What can be done with a chain of the library, without a script too; and nothing with another person's."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from chains import actions
from chains.chainfile import parse_chain_file
from chains.models import Agent, Chain, ChainTag, User
from tests.integration.library_cast import HTMX, LIBRARY, do, listed, named, show, tag
from tests.integration.pages_cast import chain_of, run_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(alice: User, client_for: Callable[[User], Client]) -> Client:
    return client_for(alice)


def test_duplicating_copies_the_published_version_the_draft_and_the_tags(client: Client, alice: User) -> None:
    chain = chain_of(alice)
    tag(chain, "work")
    draft = actions.open_draft(chain=chain)
    Agent.objects.filter(version=draft, name="Ada").update(prompt="Only drafted.")
    response = do(client, "chain_duplicate", chain)
    copy = Chain.objects.get(name="Critics (copy)")
    assert response.headers["Location"] == f"{LIBRARY}#chain-{copy.pk}"
    published = copy.versions.published().get()
    assert (published.number, published.agents.count()) == (1, 3)
    assert copy.versions.drafts().get().agents.get(name="Ada").prompt == "Only drafted."
    assert [found.name for found in copy.tags.all()] == ["work"]
    do(client, "chain_duplicate", chain)
    assert Chain.objects.filter(name="Critics (copy 2)").exists()


def test_changing_a_copy_leaves_the_original_alone(client: Client, alice: User) -> None:
    chain = chain_of(alice)
    do(client, "chain_duplicate", chain)
    copy = Chain.objects.get(name="Critics (copy)")
    Agent.objects.filter(version=actions.open_draft(chain=copy)).update(prompt="Mine.")
    assert not Agent.objects.filter(version__chain=chain, prompt="Mine.").exists()


def test_a_chain_with_the_longest_name_can_be_duplicated(client: Client, alice: User) -> None:
    [chain] = named(alice, "n" * 100)
    do(client, "chain_duplicate", chain)
    assert Chain.objects.filter(name="n" * 93 + " (copy)").exists()


def test_exporting_downloads_a_file_that_says_the_same(client: Client, alice: User) -> None:
    chain = chain_of(alice)
    response = client.get(reverse("chain_export", args=[chain.slug]))
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Content-Disposition"] == 'attachment; filename="critics.json"'
    assert not actions.import_chain(owner=alice, file=parse_chain_file(response.content)).changed


def test_what_was_never_published_cannot_be_exported_and_the_page_says_why(
    client: Client, alice: User
) -> None:
    chain = actions.create_empty_chain(owner=alice, name="Fresh")
    page = client.get(reverse("chain_export", args=[chain.slug]), follow=True).content.decode()
    assert "was never published" in page


def test_an_archived_chain_leaves_the_list_and_comes_back(client: Client, alice: User) -> None:
    chain, _ = named(alice, "One", "Two")
    assert do(client, "chain_archive", chain, back="sort=name").headers["Location"] == f"{LIBRARY}?sort=name"
    assert listed(show(client)) == ["Two"]
    assert listed(show(client, shelf="archived")) == ["One"]
    assert client.post(reverse("chain_start", args=[chain.slug])).status_code == 404
    do(client, "chain_bring_back", chain, back="shelf=archived")
    assert sorted(listed(show(client))) == ["One", "Two"]
    assert "Nothing is archived" in show(client, shelf="archived")


def test_archiving_in_place_offers_the_way_back_in_place(client: Client, alice: User) -> None:
    [chain] = named(alice, "One")
    gone = do(client, "chain_archive", chain, headers=HTMX).content.decode()
    assert reverse("chain_bring_back", args=[chain.slug]) in gone
    back = do(client, "chain_bring_back", chain, headers=HTMX).content.decode()
    assert listed(back) == ["One"]


def test_what_stands_around_the_rows_changes_with_them(client: Client, alice: User) -> None:
    one, two = named(alice, "One", "Two")
    tag(one, "work")
    tag(two, "work", "weekly")
    for name, chips, count in [
        ("chain_archive", ["work"], 1),
        ("chain_bring_back", ["weekly", "work"], 2),
        ("chain_duplicate", ["weekly", "work"], 3),
    ]:
        page = do(client, name, two, back="sort=name", headers=HTMX).content.decode()
        assert re.findall(r"tag=(\w+)\" hx-get", page)[-len(chips) :] == chips
        assert f'id="library-count" hx-swap-oob="true">{count}<' in page


def test_bringing_back_from_the_archives_list_offers_to_archive_again(client: Client, alice: User) -> None:
    [chain] = named(alice, "One")
    actions.archive_chain(chain=chain)
    page = do(client, "chain_bring_back", chain, back="shelf=archived", headers=HTMX).content.decode()
    assert "is among your chains again" in page
    assert reverse("chain_archive", args=[chain.slug]) in page


def test_nobody_is_led_away_from_the_library_by_what_a_form_says(client: Client, alice: User) -> None:
    [chain] = named(alice, "One")
    location = do(client, "chain_archive", chain, back="//evil.example/?x").headers["Location"]
    assert location.startswith(f"{LIBRARY}?")


def test_the_question_before_a_chain_goes_belongs_to_the_library(client: Client, alice: User) -> None:
    [chain] = named(alice, "One")
    page = client.get(reverse("chain_delete", args=[chain.slug])).content.decode()
    assert f'<a class="sidebar-link" href="{LIBRARY}" aria-current="true">' in page
    assert f'<a class="page-back" href="{LIBRARY}">' in page


def test_a_chain_that_was_never_used_is_deleted_after_a_question(client: Client, alice: User) -> None:
    [chain] = named(alice, "One")
    address = reverse("chain_delete", args=[chain.slug])
    assert address in show(client)
    asked = client.get(address).content.decode()
    assert re.findall(r"<h[12][^>]*>(.*One.*?)</h[12]>", asked) == ["Delete “One”?"]
    assert "archive" not in asked
    assert Chain.objects.filter(pk=chain.pk).exists()
    assert "“One” was deleted." in client.post(address, follow=True).content.decode()
    assert not Chain.objects.filter(pk=chain.pk).exists()


def test_a_chain_with_runs_is_not_offered_for_deletion_and_goes_to_the_archive(
    client: Client, alice: User
) -> None:
    [chain] = named(alice, "One")
    run_in(actions.start_session(owner=alice, chain=chain))
    address = reverse("chain_delete", args=[chain.slug])
    assert address not in show(client)
    assert "It has been used: it goes to the archive" in client.get(address).content.decode()
    assert "was used meanwhile" in client.post(address, follow=True).content.decode()
    assert listed(show(client, shelf="archived")) == ["One"]


def test_a_session_starts_from_the_library(client: Client, alice: User) -> None:
    [chain] = named(alice, "One")
    assert reverse("chain_start", args=[chain.slug]) in show(client)
    assert "/sessions/" in do(client, "chain_start", chain).headers["Location"]


# Ownership


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("get", "chain_export"),
        ("get", "chain_delete"),
        ("post", "chain_delete"),
        ("post", "chain_duplicate"),
        ("post", "chain_archive"),
        ("post", "chain_bring_back"),
        ("post", "chain_tags"),
    ],
)
def test_another_persons_chain_does_not_exist(
    method: str, name: str, alice: User, bob: User, client_for: Callable[[User], Client]
) -> None:
    chain = chain_of(alice)
    before = Chain.objects.filter(pk=chain.pk).values().get()
    send = getattr(client_for(bob), method)
    there = send(reverse(name, args=[chain.slug]), {"tags": "mine"})
    nowhere = send(reverse(name, args=["no-such-chain"]), {"tags": "mine"})
    assert there.status_code == nowhere.status_code == 404
    assert Chain.objects.filter(pk=chain.pk).values().get() == before
    assert (Chain.objects.count(), ChainTag.objects.count()) == (1, 0)


def test_tags_and_spellings_of_others_do_not_show(
    alice: User, bob: User, client_for: Callable[[User], Client]
) -> None:
    tag(chain_of(alice), "Secret")
    own = chain_of(bob)
    tag(own, "secret")
    assert [found.name for found in own.tags.all()] == ["secret"]
    assert "Secret" not in show(client_for(bob))


@pytest.mark.parametrize("name", ["library", "chain_import"])
def test_the_library_needs_a_login(name: str, client: Client, db: None) -> None:
    client.logout()
    assert client.get(reverse(name)).headers["Location"].startswith(reverse("account_login"))
