"""The editor's pages: every edit is a form, is somebody's own, and answers with what it changed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chains import actions
from chains.models import Agent, Chain, ChainVersion, Run, User
from tests.integration.pages_cast import CONDITIONAL, agent, chain_of, model

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
CANVAS = HTMX | {"HX-Target": "canvas"}


@pytest.fixture
def alice() -> User:
    """Somebody who owns the chain."""
    return User.objects.create_user("alice", "alice@example.org")


@pytest.fixture
def chain(alice: User) -> Chain:
    """Two parallel critics and an editor, opened to edit."""
    chain = chain_of(alice)
    actions.open_draft(chain=chain)
    return chain


@pytest.fixture
def browser(alice: User) -> Client:
    """Alice's browser."""
    client = Client()
    client.force_login(alice)
    return client


def draft_of(chain: Chain) -> ChainVersion:
    return chain.versions.get(number=None)


def names_of(chain: Chain) -> list[str]:
    return list(draft_of(chain).agents.order_by("index").values_list("name", flat=True))


def agent_of(chain: Chain, name: str) -> Agent:
    return draft_of(chain).agents.get(name=name)


def post(browser: Client, chain: Chain, to: str, /, *pk: int, headers: Any = None, **fields: object) -> Any:
    """Send an edit, made on the draft as it is now unless a revision is given."""
    data = {"revision": draft_of(chain).revision} | fields
    return browser.post(reverse(to, args=[chain.slug, *pk]), data, headers=headers)


def test_the_page_shows_every_agent_in_its_stage(browser: Client, chain: Chain) -> None:
    html = browser.get(reverse("chain_edit", args=[chain.slug])).content.decode()

    assert len(re.findall(r'<article class="agent-card"', html)) == 3
    assert "parallel group of 2" in html
    assert "Ada and Ben at the same time" in html


def test_a_new_chain_begins_in_the_editor_with_one_agent(browser: Client, alice: User) -> None:
    response = browser.post(reverse("chain_new"), {"name": "Mail desk"}, follow=True)

    assert response.redirect_chain[-1][0] == reverse("chain_edit", args=["mail-desk"])
    assert Chain.objects.visible_to(alice).get().versions.published().count() == 0


def test_an_autosave_answers_without_the_field_that_is_typed_in(browser: Client, chain: Chain) -> None:
    editor = agent_of(chain, "Editor")

    response = post(browser, chain, "agent_save", editor.pk, headers=HTMX, prompt="Sum up {{previous}}")

    html = response.content.decode()
    assert agent_of(chain, "Editor").prompt == "Sum up {{previous}}"
    assert "<textarea" not in html
    assert 'id="editor-state"' in html
    assert 'id="plan"' in html


def test_without_a_script_a_saved_form_leads_back_to_its_card(browser: Client, chain: Chain) -> None:
    editor = agent_of(chain, "Editor")

    response = post(browser, chain, "agent_save", editor.pk, prompt="Sum up\r\nall")

    assert response.url == reverse("chain_edit", args=[chain.slug]) + f"#agent-{editor.pk}"
    assert agent_of(chain, "Editor").prompt == "Sum up\nall"


def test_a_value_that_no_column_can_hold_names_its_field(browser: Client, chain: Chain) -> None:
    editor = agent_of(chain, "Editor")

    response = post(browser, chain, "agent_save", editor.pk, headers=HTMX, temperature="warm")

    assert response.status_code == 422
    assert response.json()["field"] == "temperature"
    assert "warm" in response.json()["message"]


def test_without_a_script_a_refused_value_stays_in_its_field(browser: Client, chain: Chain) -> None:
    editor = agent_of(chain, "Editor")

    response = post(browser, chain, "agent_save", editor.pk, temperature="warm", prompt="Be brief")

    assert response.status_code == 422
    assert 'value="warm"' in response.content.decode()
    assert "Be brief" in response.content.decode()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "has no name"),
        ("model", "", "no model"),
        ("prompt", "{{nobody}}", "is not a name that a prompt knows"),
        ("condition", "contains(", "condition"),
        ("temperature", "7", "between 0 and 2"),
        ("max_output_tokens", "0", "token"),
    ],
)
def test_a_fault_is_saved_and_stands_beside_its_field(
    browser: Client, chain: Chain, field: str, value: str, words: str
) -> None:
    editor = agent_of(chain, "Editor")

    response = post(browser, chain, "agent_save", editor.pk, headers=HTMX, **{field: value})

    assert response.status_code == 200
    page = browser.get(reverse("chain_edit", args=[chain.slug])).content.decode()
    beside = re.search(
        rf'data-faults="{field}">(.*?)</div>', page[page.index(f'id="agent-{editor.pk}"') :], re.S
    )
    assert beside
    assert words in beside[1]


def test_the_second_window_gets_both_texts(browser: Client, chain: Chain) -> None:
    editor, revision = agent_of(chain, "Editor"), draft_of(chain).revision
    post(browser, chain, "agent_save", editor.pk, headers=HTMX, prompt="first")

    response = post(browser, chain, "agent_save", editor.pk, headers=HTMX, prompt="second", revision=revision)

    assert response.status_code == 409
    assert response.json() == {"revision": draft_of(chain).revision, "theirs": {"prompt": "first"}}
    assert agent_of(chain, "Editor").prompt == "first"


def test_tags_that_a_window_has_not_shown_are_not_overwritten(browser: Client, chain: Chain) -> None:
    actions.set_tags(chain=chain, names=["theirs"])

    refused = post(browser, chain, "settings_save", headers=HTMX, tags="mine", known_tags="")
    tags = list(chain.tags.values_list("name", flat=True))
    taken = post(browser, chain, "settings_save", headers=HTMX, tags="mine", known_tags="Theirs")

    assert refused.status_code == 409
    assert refused.json()["theirs"] == {"tags": "theirs"}
    assert tags == ["theirs"]
    assert taken.status_code == 200
    assert list(chain.tags.values_list("name", flat=True)) == ["mine"]


def test_a_number_is_told_as_it_was_typed(browser: Client, chain: Chain) -> None:
    editor, revision = agent_of(chain, "Editor"), draft_of(chain).revision
    post(browser, chain, "agent_save", editor.pk, headers=HTMX, temperature="1")

    stale = post(browser, chain, "agent_save", editor.pk, headers=HTMX, temperature="2", revision=revision)

    assert stale.json()["theirs"] == {"temperature": "1"}
    page = browser.get(reverse("chain_edit", args=[chain.slug])).content.decode()
    assert re.search(r'data-field="temperature"[^>]* value="1"', page)


def test_a_sample_that_is_kept_or_forgotten_takes_neither_the_message_nor_the_run_away(
    browser: Client, chain: Chain
) -> None:
    fields = {"input": "Is it so?", "request_id": "one"}
    browser.post(reverse("chain_run", args=[chain.slug]), fields, headers=HTMX)
    session = Run.objects.get().session_id

    for to in ("sample_save", "sample_delete"):
        sent = {"name": "Hard one", "input": "And now?", "session": session}
        html = browser.post(reverse(to, args=[chain.slug]), sent, headers=HTMX).content.decode()
        assert "And now?" in html
        assert reverse("session_detail", args=[session]) in html


def test_without_a_script_the_second_window_sees_both_texts(browser: Client, chain: Chain) -> None:
    editor, revision = agent_of(chain, "Editor"), draft_of(chain).revision
    post(browser, chain, "agent_save", editor.pk, prompt="first words")

    response = post(browser, chain, "agent_save", editor.pk, prompt="second words", revision=revision)

    assert response.status_code == 409
    assert "first words" in response.content.decode()
    assert "second words" in response.content.decode()


def test_agents_come_go_and_move_by_forms(browser: Client, chain: Chain) -> None:
    post(browser, chain, "agent_add", index=0, connection_type="direct")
    assert names_of(chain)[1:] == ["Ada", "Ben", "Editor"]

    post(browser, chain, "agent_remove", draft_of(chain).agents.get(index=0).pk)
    post(browser, chain, "agent_move", agent_of(chain, "Editor").pk, to="up")
    assert names_of(chain) == ["Editor", "Ada", "Ben"]

    post(browser, chain, "agent_duplicate", agent_of(chain, "Ben").pk)
    assert len(names_of(chain)) == 4


def test_an_agent_joins_the_stage_before_and_leaves_it(browser: Client, chain: Chain) -> None:
    post(browser, chain, "agent_move", agent_of(chain, "Editor").pk, headers=CANVAS, to="join")
    assert agent_of(chain, "Editor").connection_type == "parallel"

    post(browser, chain, "agent_move", agent_of(chain, "Editor").pk, headers=CANVAS, to="leave")
    assert agent_of(chain, "Editor").connection_type == "direct"


def test_an_agent_of_another_chain_is_copied(browser: Client, chain: Chain, alice: User) -> None:
    other = chain_of(alice, agent("Scout"), name="Scouts")
    source = other.versions.published()[0].agents.get()

    found = browser.get(reverse("agent_reuse", args=[chain.slug]), {"index": "3", "q": "scout"})
    post(browser, chain, "agent_add", headers=CANVAS, index=3, source=source.pk)

    assert "Scout" in found.content.decode()
    assert names_of(chain)[-1] == "Scout"


def test_a_search_for_an_agent_is_none_for_sessions(browser: Client, chain: Chain) -> None:
    page = browser.get(reverse("agent_reuse", args=[chain.slug]), {"index": "3", "q": "scout"})

    found = re.findall(r'type="search" name="q" value="([^"]*)"', page.content.decode())
    assert found == ["", "scout"]
    assert "Nothing has" not in page.content.decode()


def test_undo_and_redo_are_forms_too(browser: Client, chain: Chain) -> None:
    post(browser, chain, "agent_remove", agent_of(chain, "Ada").pk)

    post(browser, chain, "draft_undo")
    assert names_of(chain) == ["Ada", "Ben", "Editor"]
    post(browser, chain, "draft_redo")
    assert names_of(chain) == ["Ben", "Editor"]


def test_publishing_shows_what_changes_and_then_publishes(browser: Client, chain: Chain) -> None:
    post(browser, chain, "agent_save", agent_of(chain, "Editor").pk, prompt="Weigh both sides")

    asked = browser.get(reverse("chain_publish", args=[chain.slug])).content.decode()
    browser.post(reverse("chain_publish", args=[chain.slug]))

    assert "<ins>Weigh both sides</ins>" in asked
    assert chain.versions.published()[0].number == 2


def test_an_old_version_comes_back_as_the_draft(browser: Client, chain: Chain) -> None:
    post(browser, chain, "agent_remove", agent_of(chain, "Ada").pk)
    browser.post(reverse("chain_publish", args=[chain.slug]))

    listed = browser.get(reverse("version_list", args=[chain.slug])).content.decode()
    browser.post(reverse("version_restore", args=[chain.slug, 1]))

    assert "v2" in listed
    assert names_of(chain) == ["Ada", "Ben", "Editor"]


def test_a_rule_is_tried_on_a_text_and_says_what_decided(browser: Client, chain: Chain) -> None:
    ben = agent_of(chain, "Ben")
    address = reverse("rule_try", args=[chain.slug, ben.pk])
    headers = HTMX | {"HX-Target": f"verdict-{ben.pk}"}

    holds = browser.post(address, {"condition": 'contains("heron")', "text": "A heron."}, headers=headers)
    faulty = browser.post(address, {"condition": "contains(", "text": "A heron."}, headers=headers)

    assert 'data-held="true"' in holds.content.decode()
    assert "heron" in holds.content.decode()
    assert "At character" in faulty.content.decode()


def test_a_test_run_publishes_the_draft_and_starts_without_history(browser: Client, chain: Chain) -> None:
    post(browser, chain, "agent_remove", agent_of(chain, "Ada").pk)

    fields = {"input": "Is it so?", "request_id": "one"}
    first = browser.post(reverse("chain_run", args=[chain.slug]), fields, headers=HTMX)
    browser.post(reverse("chain_run", args=[chain.slug]), fields, headers=HTMX)

    run = Run.objects.get()
    assert run.chain_version.number == 2
    assert f'data-session="{run.session_id}"' in first.content.decode()
    assert f'data-run="{run.pk}"' in first.content.decode()


def test_a_faulty_draft_does_not_run_and_keeps_the_message(browser: Client, chain: Chain) -> None:
    post(browser, chain, "agent_save", agent_of(chain, "Editor").pk, prompt="{{nobody}}")

    fields = {"input": "Is it so?", "request_id": "one"}
    response = browser.post(reverse("chain_run", args=[chain.slug]), fields, headers=HTMX)

    assert response.status_code == 422
    assert "Is it so?" in response.content.decode()
    assert not Run.objects.exists()


def test_a_sample_message_is_kept_and_forgotten(browser: Client, chain: Chain) -> None:
    browser.post(reverse("sample_save", args=[chain.slug]), {"name": "Hard one", "input": "Why?"})
    page = browser.get(reverse("chain_edit", args=[chain.slug])).content.decode()
    browser.post(reverse("sample_delete", args=[chain.slug]), {"name": "Hard one"})

    assert "Hard one" in page
    assert not chain.samples.exists()


@pytest.mark.parametrize("name", ["chain_edit", "chain_publish", "version_list"])
def test_a_stranger_finds_nothing(name: str, chain: Chain) -> None:
    stranger = Client()
    stranger.force_login(User.objects.create_user("charlie", "charlie@example.org"))

    assert stranger.get(reverse(name, args=[chain.slug])).status_code == 404


def test_a_stranger_changes_nothing_and_copies_nothing(browser: Client, chain: Chain, alice: User) -> None:
    stranger = User.objects.create_user("charlie", "charlie@example.org")
    theirs = chain_of(stranger, agent("Spy", CONDITIONAL, "empty"), name="Theirs")
    foreign = theirs.versions.published()[0].agents.get()
    client = Client()
    client.force_login(stranger)

    answers = [
        post(client, chain, "agent_save", agent_of(chain, "Ada").pk, name="Eve"),
        post(client, chain, "draft_undo"),
        post(browser, chain, "agent_add", index=0, source=foreign.pk),
    ]

    assert [answer.status_code for answer in answers[:2]] == [404, 404]
    assert "Spy" not in names_of(chain)
    assert "Eve" not in names_of(chain)


# Every kind of edit: its address, whose it is (or None), what is sent.
EDITS: dict[str, tuple[str, str | None, dict[str, object]]] = {
    "prompt": ("agent_save", "Agent7", {"prompt": "Be brief"}),
    "name": ("agent_save", "Agent0", {"name": "Zoe"}),
    "model": ("agent_save", "Agent7", {"model": "other"}),
    "connection": ("agent_save", "Agent7", {"connection_type": "parallel"}),
    "add": ("agent_add", None, {"index": 25, "connection_type": "direct"}),
    "add beside": ("agent_add", None, {"index": 25, "connection_type": "parallel", "beside": "Agent24"}),
    "add another chain's": ("agent_add", None, {"index": 0, "source": "theirs"}),
    "duplicate": ("agent_duplicate", "Agent7", {}),
    "remove": ("agent_remove", "Agent7", {}),
    "join": ("agent_move", "Agent26", {"to": "join"}),
    "drop": ("agent_move", "Agent26", {"index": 1, "connection_type": "direct"}),
    "undo": ("draft_undo", None, {}),
    "redo": ("draft_redo", None, {}),
    "settings": (
        "settings_save",
        None,
        {
            "name": "Longer",
            "description": "Very long",
            "on_failure": "continue",
            "tags": "new, old",
            "known_tags": "older, Old",
        },
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("edit", EDITS)
def test_one_edit_of_fifty_agents_asks_few_questions(
    browser: Client, alice: User, edit: str, django_assert_max_num_queries: Any
) -> None:
    long = chain_of(alice, *(agent(f"Agent{number}") for number in range(50)), name="Long")
    other = chain_of(alice, agent("Theirs"), name="Other")
    actions.open_draft(chain=long)
    actions.set_tags(chain=long, names=["old", "older"])
    source = other.versions.get().agents.get()
    for prompt in ("one", "two"):
        post(browser, long, "agent_save", agent_of(long, "Agent1").pk, headers=HTMX, prompt=prompt)
    post(browser, long, "draft_undo", headers=CANVAS)
    address, whose, sent = EDITS[edit]
    known = {"other": model("other").pk, "theirs": source.pk, "Agent24": agent_of(long, "Agent24").pk}
    fields = {name: known.get(str(value), value) for name, value in sent.items()}
    arguments = [long.slug, agent_of(long, whose).pk] if whose else [long.slug]
    fields["revision"] = revision = draft_of(long).revision
    # The settings and a text are saved where they stand, the rest draws the canvas anew.
    headers = HTMX if address in ("agent_save", "settings_save") else CANVAS

    # Who asks, the edit, what the page shows of it, and the savepoint that stands for a transaction here.
    with django_assert_max_num_queries(15):
        response = browser.post(reverse(address, args=arguments), fields, headers=headers)

    assert response.status_code == 200
    assert draft_of(long).revision == revision + 1
