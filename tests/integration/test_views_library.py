"""The library: what it lists and finds, in which order, by tags, and how much it asks the database."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from chains import actions
from chains.chainfile import ChainFile, ChainFileAgent
from chains.models import Agent, Chain, ChainTag, ChainVersion, User
from chains.models.chain import ConnectionType
from chains.queries import SHELF_PAGE
from tests.integration.library_cast import HTMX, LIBRARY, do, listed, named, show, tag
from tests.integration.pages_cast import PARALLEL, agent, chain_of, model, run_in

pytestmark = pytest.mark.django_db

MORE = {**HTMX, "HX-Target": "library-more"}
RESULTS = {**HTMX, "HX-Target": "library-results"}


@pytest.fixture
def client(alice: User, client_for: Callable[[User], Client]) -> Client:
    return client_for(alice)


# What stands in it


def test_it_lists_own_chains_with_their_plan_and_models_and_the_demo_chains(
    client: Client, alice: User, bob: User
) -> None:
    chain_of(alice)
    chain_of(bob, name="Not yours")
    page = show(client)
    assert listed(page) == ["Critics"]
    for words in ("Ada", "Editor", "Simulated fast", "Never used", "Three critics and a synthesis"):
        assert words in page


def test_a_long_chain_is_drawn_short(client: Client, alice: User) -> None:
    single = [agent(f"Single{number}") for number in range(11)]
    group = [agent(f"Member{number}", PARALLEL) for number in range(8)]
    chain_of(alice, *group, *single, name="Long")
    for page in (show(client), client.get(reverse("home")).content.decode()):
        drawing = page.partition('<span class="plan">')[2].partition("</form>")[0].partition("</li>")[0]
        assert "Member4" in drawing
        assert "Single3" in drawing
        assert "Member5" not in drawing
        assert "Single4" not in drawing
        assert "and 3 more" in drawing
        assert "7 more stages" in drawing


def test_a_person_without_chains_is_told_how_to_get_some(client: Client) -> None:
    page = show(client)
    assert "No chains of your own yet" in page
    for address in (
        reverse("chain_new"),
        reverse("chain_import"),
        reverse("demo_open", args=["three-critics"]),
    ):
        assert address in page


def test_a_quick_compare_that_nobody_kept_is_not_a_chain_of_the_library(client: Client, alice: User) -> None:
    actions.quick_compare(owner=alice, models=[model("a"), model("b")], text="Hello", request_id="r1")
    assert listed(show(client)) == []


def test_a_chain_that_was_never_published_can_be_edited_but_not_started(client: Client, alice: User) -> None:
    chain = actions.create_empty_chain(owner=alice, name="Fresh")
    page = show(client)
    assert listed(page) == ["Fresh"]
    assert "Not published" in page
    assert reverse("chain_edit", args=[chain.slug]) in page
    assert "Start a session with Fresh" not in page
    assert reverse("chain_export", args=[chain.slug]) not in page


def test_every_page_leads_to_the_library(client: Client) -> None:
    assert f'href="{LIBRARY}"' in client.get(reverse("home")).content.decode()


# Order


def test_the_chain_used_last_stands_first_and_a_new_one_counts_from_its_making(
    client: Client, alice: User
) -> None:
    old, used, _ = named(alice, "Old", "Used", "New")
    Chain.objects.filter(pk__in=[old.pk, used.pk]).update(created_at=timezone.now() - timedelta(days=9))
    assert listed(show(client))[0] == "New"
    run_in(actions.start_session(owner=alice, chain=used))
    assert listed(show(client)) == ["Used", "New", "Old"]
    assert "Used just now" in show(client)


def test_chains_can_be_sorted_by_name_and_by_age(client: Client, alice: User) -> None:
    named(alice, "beta", "Alpha", "gamma")
    assert listed(show(client, sort="name")) == ["Alpha", "beta", "gamma"]
    assert listed(show(client, sort="new")) == ["gamma", "Alpha", "beta"]


# Search


def test_words_are_found_in_names_descriptions_prompts_models_and_tags(client: Client, alice: User) -> None:
    prompts = ChainFileAgent(
        name="Weaver",
        slug="weaver",
        model=model("loom").label,
        system_prompt="Be calm.",
        prompt="Weave hemp.",
    )
    file = ChainFile(name="Tissue", description="For cloth of every kind.", agents=(prompts,))
    tag(actions.create_chain(owner=alice, file=file), "Textile")
    chain_of(alice, name="Other")
    for words in ("tissue", "CLOTH", "weaver", "calm", "hemp", "simulated/loom", "Simulated loom", "textile"):
        assert listed(show(client, q=words)) == ["Tissue"], words


def test_every_word_must_be_there_wherever_each_of_them_stands(client: Client, alice: User) -> None:
    chain_of(alice, agent("Weaver"), name="Tissue")
    chain_of(alice, agent("Smith"), name="Tissue of lies")
    assert listed(show(client, q="weaver tissue")) == ["Tissue"]


def test_capitals_beyond_the_latin_alphabet_make_no_difference(client: Client, alice: User) -> None:
    named(alice, "Übersetzung", "Перевод")
    assert listed(show(client, q="übersetzung")) == ["Übersetzung"]
    assert listed(show(client, q="ПЕРЕВОД")) == ["Перевод"]


def test_what_only_an_old_version_says_is_not_found_but_what_the_draft_says_is(
    client: Client, alice: User
) -> None:
    chain = chain_of(alice, agent("Weaver"), name="Tissue")
    actions.import_chain(owner=alice, file=ChainFile(name="Tissue", agents=(agent("Spinner"),)))
    assert listed(show(client, q="weaver")) == []
    draft = actions.open_draft(chain=chain)
    Agent.objects.filter(version=draft).update(prompt="Dye it blue.")
    assert listed(show(client, q="blue")) == ["Tissue"]


def test_a_search_that_finds_nothing_says_so_and_what_the_archive_has(client: Client, alice: User) -> None:
    [chain] = named(alice, "Zither")
    actions.archive_chain(chain=chain)
    page = show(client, q="zither")
    assert "None of your chains match" in page
    assert "1 archived chain" in page
    assert "<script>" not in show(client, q="<script>")


def test_a_search_by_several_words_that_finds_nothing_names_each_of_them(client: Client, alice: User) -> None:
    named(alice, "Zither")
    assert "None has “zebra” and “paper” anywhere in its name" in show(client, q=" zebra  paper ")
    assert "None has “zebra”, “paper” and “&lt;b&gt;” anywhere" in show(client, q="zebra paper <b>")
    assert "None has “zebra” anywhere in its name" in show(client, q="zebra")
    assert "“paper” anywhere in its name, description, prompts, models or tags, and the tag work" in show(
        client, q="paper", tag="work"
    )


def test_a_person_without_chains_who_searches_is_told_how_to_get_some(client: Client, alice: User) -> None:
    for query in ({"q": "zebra paper"}, {"tag": "work"}):
        page = show(client, **query)
        assert "No chains of your own yet" in page
        assert "Show the demo chains" in page
        assert "None of your chains match" not in page
    found = show(client, q="three critics synthesis")
    assert "Open a demo chain below" in found
    assert "Show the demo chains" not in found

    [chain] = named(alice, "Zither")
    actions.archive_chain(chain=chain)
    assert "None of your chains match" in show(client, q="zebra")


def test_demo_chains_are_searched_too(client: Client) -> None:
    page = show(client, q="three critics synthesis")
    assert reverse("demo_open", args=["three-critics"]) in page
    assert reverse("demo_open", args=["mail-desk"]) not in page


@pytest.mark.parametrize(
    "query", [{"q": "a\0b"}, {"tag": "\0"}, {"sort": "?"}, {"from": "-1"}, {"from": "9" * 30}, {"shelf": "x"}]
)
def test_a_query_that_makes_no_sense_still_shows_a_page(query: dict[str, str], client: Client) -> None:
    show(client, **query)


# Tags


def test_tags_narrow_the_list_and_each_says_how_many_chains_have_it(client: Client, alice: User) -> None:
    one, two, _ = named(alice, "One", "Two", "Three")
    tag(one, "work", "weekly")
    tag(two, "work")
    assert re.search(r"work <span[^>]*>2<", show(client))
    assert sorted(listed(show(client, tag="work"))) == ["One", "Two"]
    assert listed(show(client, tag=["work", "weekly"])) == ["One"]
    # A second click on a chosen tag leaves it out.
    assert re.search(r'href="\?tag=weekly"[^>]*aria-current="true"', show(client, tag=["work", "weekly"]))


def test_tags_are_typed_with_commas_and_keep_one_spelling(client: Client, alice: User) -> None:
    one, two = named(alice, "One", "Two")
    do(client, "chain_tags", one, tags=" Work,  weekly ,work,, #urgent ")
    do(client, "chain_tags", two, tags="WORK")
    assert sorted(one.tags.values_list("name", flat=True)) == ["Work", "urgent", "weekly"]
    assert [found.name for found in two.tags.all()] == ["Work"]
    do(client, "chain_tags", one, tags="")
    assert not one.tags.exists()


@pytest.mark.parametrize("typed", ["x" * 41, ",".join("abcdefghijk"), "nul\0"])
def test_a_bad_tag_is_refused_with_what_was_typed_and_changes_nothing(
    typed: str, client: Client, alice: User
) -> None:
    [chain] = named(alice, "One")
    tag(chain, "work")
    response = do(client, "chain_tags", chain, tags=typed, headers=HTMX)
    assert response.status_code == 422
    page = response.content.decode()
    assert f'value="{typed}"' in page
    assert re.search(r'<p class="field-error"[^>]*>(The tag|A tag|A chain)', page)
    assert [found.name for found in chain.tags.all()] == ["work"]
    assert do(client, "chain_tags", chain, tags=typed).status_code == 302


def test_saving_tags_answers_with_the_row_and_the_tags_of_the_list(client: Client, alice: User) -> None:
    one, two = named(alice, "One", "Two")
    tag(two, "weekly")
    page = do(
        client, "chain_tags", one, tags="work", back="sort=name&tag=weekly", headers=HTMX
    ).content.decode()
    assert listed(page) == ["One"]
    assert 'hx-swap-oob="true"' in page
    assert "?sort=name&amp;tag=weekly&amp;tag=work" in page


# Many chains


def many(owner: User, number: int) -> None:
    """Make that many published chains of three agents, with a tag each, in five statements."""
    chains = Chain.objects.bulk_create(
        Chain(owner=owner, name=f"Chain {place:03}", slug=f"chain-{place}") for place in range(number)
    )
    versions = ChainVersion.objects.bulk_create(ChainVersion(chain=chain, number=1) for chain in chains)
    kind, uses = ConnectionType.PARALLEL, model()
    Agent.objects.bulk_create(
        Agent(
            version=version, index=place, name=f"A{place}", slug=f"a{place}", model=uses, connection_type=kind
        )
        for version in versions
        for place in range(3)
    )
    ChainVersion.objects.filter(chain__owner=owner).update(published_at=timezone.now())
    ChainTag.objects.bulk_create(
        ChainTag(chain=chain, name=f"t{place % 5}") for place, chain in enumerate(chains)
    )


def queries_of(client: Client, **query: Any) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        show(client, **query)
    return len(captured)


@pytest.mark.parametrize("query", [{}, {"q": "chain a1 fast"}, {"tag": "t3", "sort": "name"}])
def test_five_hundred_chains_take_as_many_queries_as_five_and_at_most_ten(
    query: dict[str, str], client: Client, alice: User
) -> None:
    many(alice, 5)
    few = queries_of(client, **query)
    many_more = User.objects.create_user("many", "many@example.org")
    many(many_more, 500)
    client.force_login(many_more)
    assert queries_of(client, **query) == few <= 10


def test_more_chains_come_a_part_at_a_time_and_without_a_script_on_a_longer_page(
    client: Client, alice: User
) -> None:
    many(alice, 60)
    query: dict[str, str | int] = {"sort": "name", "from": SHELF_PAGE}
    first = show(client, sort="name")
    assert len(listed(first)) == SHELF_PAGE
    address = f"?sort=name&amp;from={SHELF_PAGE}"
    assert address in first
    more = client.get(LIBRARY, query, headers=MORE).content.decode()
    assert listed(more)[0] == f"Chain {SHELF_PAGE:03}"
    assert len(listed(more)) == SHELF_PAGE
    assert "<h1" not in more
    assert len(listed(show(client, sort="name", **{"from": 2 * SHELF_PAGE}))) == 60


def test_a_script_gets_the_results_alone_and_caches_are_told_so(client: Client, alice: User) -> None:
    chain_of(alice)
    response = client.get(LIBRARY, {"q": "critics", "tag": "x"}, headers=RESULTS)
    page = response.content.decode()
    assert "<h1" not in page
    assert '<input type="hidden" name="tag" value="x">' in page
    assert "HX-Target" in response.headers["Vary"]


def test_the_start_page_shows_what_can_be_run_and_not_hundreds(client: Client, alice: User) -> None:
    many(alice, 60)
    actions.create_empty_chain(owner=alice, name="Never published")
    page = client.get(reverse("home")).content.decode()
    assert len(re.findall(r"/chains/[\w-]+/start", page)) == SHELF_PAGE
    assert "Never published" not in page


def test_no_page_of_the_library_holds_a_style_or_a_script_in_itself(client: Client, alice: User) -> None:
    chain_of(alice)
    for address in (LIBRARY, reverse("chain_import")):
        page = client.get(address).content.decode()
        assert " style=" not in page
        assert "<style" not in page
        assert not re.search(r"<script(?![^>]*src=)(?![^>]*json)", page)
