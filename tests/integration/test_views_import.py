"""Importing a chain: nothing is written before the confirmation, faults have paths, no text is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from chains import actions
from chains.chainfile import MAX_BYTES
from chains.models import Chain, ChainVersion, LanguageModel, User
from tests.integration.pages_cast import chain_of, model

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
IMPORT = reverse("chain_import")


@pytest.fixture
def client(alice: User, client_for: Callable[[User], Client]) -> Client:
    model()
    return client_for(alice)


def document(**changes: Any) -> dict[str, Any]:
    agents = [{"name": "Ada", "model": "simulated/fast"}, {"name": "Ben", "model": "simulated/fast"}]
    return {"format": "chainchat/1", "name": "Tissue", "agents": agents} | changes


def written(**changes: Any) -> str:
    return json.dumps(document(**changes), ensure_ascii=False)


def ask(client: Client, text: str = "", do: str = "look", **data: Any) -> Any:
    headers = data.pop("headers", {})
    return client.post(IMPORT, {"text": text, "do": do, **data}, headers=headers)


def field_of(page: str) -> str:
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert found
    return unescape(found[1])


def faults_of(page: str) -> list[str]:
    found = re.search(r'<div class="import-faults">.*?<ul>(.*?)</ul>', page, re.DOTALL)
    lines = re.findall(r"<li>(.*?)</li>", found[1], re.DOTALL) if found else []
    return [unescape(re.sub(r"<[^>]+>", "", line)) for line in lines]


def upload(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("chain.json", content, content_type="application/json")


# The look


def test_a_look_shows_the_plan_and_writes_nothing(client: Client) -> None:
    page = ask(client, written(description="For cloth.")).content.decode()
    for words in (
        "Tissue",
        "For cloth.",
        "Ada",
        "Ben",
        "2 agents in 2 stages",
        "Simulated fast",
        "a new chain",
    ):
        assert words in page
    assert not Chain.objects.exists()


def test_a_look_warns_of_what_can_run_but_hardly_is_meant(client: Client) -> None:
    agents = [{"name": "Ada", "model": "simulated/fast", "connection_type": "parallel"}]
    page = ask(client, written(agents=agents)).content.decode()
    assert "is parallel to no other agent" in page
    assert 'value="new"' in page


def test_a_script_gets_the_look_alone(client: Client) -> None:
    page = ask(client, written(), headers=HTMX).content.decode()
    assert "import-card" in page
    assert "<textarea" not in page
    assert "<h1" not in page


def test_an_uploaded_file_fills_the_field(client: Client) -> None:
    content = b"\xef\xbb\xbf" + written(name="Gewebe für Älteres").encode()
    for headers in ({}, HTMX):
        page = ask(client, "what stood there", file=upload(content), headers=headers).content.decode()
        assert field_of(page) == written(name="Gewebe für Älteres")
        assert "import-card" in page


# The import


def test_a_confirmed_text_becomes_a_chain(client: Client, alice: User) -> None:
    response = ask(client, written(), do="new")
    chain = Chain.objects.get()
    assert (chain.owner, chain.name, chain.versions.published().count()) == (alice, "Tissue", 1)
    assert response.headers["Location"] == f"{reverse('library')}?sort=new#chain-{chain.pk}"


def test_a_file_for_a_chain_that_is_there_says_so_and_publishes_its_next_version(
    client: Client, alice: User
) -> None:
    chain = chain_of(alice, name="Tissue")
    page = ask(client, written(description="Another.")).content.decode()
    assert "You already have “Tissue”: this becomes its version 2." in page
    assert "Its name and description become those of the file." in page
    assert ChainVersion.objects.count() == 1
    ask(client, written(description="Another."), do="version")
    chain.refresh_from_db()
    assert (chain.description, chain.versions.published().count()) == ("Another.", 2)


def test_a_file_for_a_chain_that_is_there_can_become_another_one(client: Client, alice: User) -> None:
    chain_of(alice, name="Tissue")
    ask(client, written(), do="new")
    assert sorted(Chain.objects.values_list("slug", flat=True)) == ["tissue", "tissue-2"]


def test_a_file_that_says_the_same_offers_no_new_version(client: Client) -> None:
    ask(client, written(), do="new")
    page = ask(client, written()).content.decode()
    assert "says the same already (v1)" in page
    assert 'value="version"' not in page


def test_a_file_for_an_archived_chain_brings_it_back(client: Client, alice: User) -> None:
    chain = chain_of(alice, name="Tissue")
    actions.archive_chain(chain=chain)
    assert "It comes back from the archive." in ask(client, written()).content.decode()
    ask(client, written(), do="version")
    chain.refresh_from_db()
    assert chain.archived_at is None


def test_anothers_chain_of_the_same_slug_is_no_concern(client: Client, bob: User) -> None:
    other = chain_of(bob, name="Tissue")
    assert "a new chain" in ask(client, written()).content.decode()
    ask(client, written(), do="version")
    assert other.versions.count() == 1
    assert Chain.objects.count() == 2


def test_what_is_exported_can_be_imported(client: Client, alice: User) -> None:
    chain = chain_of(alice)
    file = client.get(reverse("chain_export", args=[chain.slug])).content
    assert "says the same already" in ask(client, file=upload(file)).content.decode()


# Bad files

LONG = "n" * 101
SHAPES: list[tuple[str, str, str]] = [
    ("not JSON", '{"format": "chainchat/1",\n oops}', "the file is not JSON: "),
    ("another document", "[1, 2]", "must be a JSON object"),
    ("nothing in it", "{}", "format is missing"),
    ("another format", written(format="chainchat/9"), 'format must be "chainchat/1"'),
    ("an unknown key", written(colour=1), "colour unknown key"),
    (
        "a key that is nearly one",
        written(agents=[{"name": "A", "model": "default", "temprature": 1}]),
        "agents[0].temprature unknown key; did you mean temperature?",
    ),
    ("a wrong type", written(name=5), "name must be text, not 5"),
    ("a name that is too long", written(name=LONG), "name is longer than 100 characters"),
    ("no agents", written(agents=[]), "agents The chain has no agents: add one."),
    ("no model", written(agents=[{"name": "A"}]), "agents[0].model is missing"),
    (
        "a model that is not there",
        written(agents=[{"name": "A", "model": "simulated/fats"}]),
        "agents[0].model simulated/fats is not in the catalogue; did you mean simulated/fast?",
    ),
    (
        "a number out of bounds",
        written(agents=[{"name": "A", "model": "default", "temperature": 9}]),
        "agents[0].temperature must be at most 2",
    ),
    (
        "a broken rule",
        written(
            agents=[{"name": "A", "model": "default", "connection_type": "conditional", "condition": "x("}]
        ),
        "agents[0].condition ",
    ),
    (
        "a reference to nobody",
        written(agents=[{"name": "A", "model": "default", "prompt": "{{agents.ghost}}"}]),
        "agents[0].prompt ",
    ),
    ("a NUL", written(name="a\0b"), "name holds a NUL character"),
    ("a key that stands twice", '{"name": "a", "name": "b"}', "name stands twice"),
    ("a wound-up nest", "[" * 100_000, "nested too deeply"),
    ("nothing but blanks", "  \n", "Choose a chain file, or paste one."),
]


@pytest.mark.parametrize(
    ("text", "fault"), [shape[1:] for shape in SHAPES], ids=[shape[0] for shape in SHAPES]
)
@pytest.mark.parametrize("do", ["look", "new", "version"])
def test_a_bad_text_is_refused_with_the_path_of_its_fault_and_stays_in_the_field(
    text: str, fault: str, do: str, client: Client
) -> None:
    response = ask(client, text, do=do)
    page = response.content.decode()
    assert response.status_code == 422
    assert any(fault in found for found in faults_of(page)), faults_of(page)
    assert field_of(page) == text
    assert not Chain.objects.exists()


@pytest.mark.parametrize(("text", "fault"), [shape[1:] for shape in SHAPES[:3]])
def test_a_bad_file_is_refused_and_its_text_can_be_mended_in_the_field(
    text: str, fault: str, client: Client
) -> None:
    response = ask(client, "typed before", file=upload(text.encode()))
    assert any(fault in found for found in faults_of(response.content.decode()))
    assert field_of(response.content.decode()) == text


def test_missing_models_and_what_cannot_run_are_listed_with_values_of_the_wrong_shape(client: Client) -> None:
    agents = [
        {"name": "Ada", "model": "simulated/fas", "temperature": -1},
        {"name": "Ben", "model": "simulated/fast", "prompt": "{{agents.cleo}}"},
    ]
    faults = faults_of(ask(client, written(agents=agents, colour=1)).content.decode())
    paths = [fault.partition(" ")[0] for fault in faults]
    assert paths == ["colour", "agents[0].temperature", "agents[0].model", "agents[1].prompt"]
    assert "did you mean simulated/fast?" in faults[2]


def test_every_fault_is_listed_not_only_the_first(client: Client) -> None:
    agents = [{"name": "", "model": "default"}, {"model": 5, "temperature": -1}]
    faults = faults_of(ask(client, written(agents=agents, colour=1)).content.decode())
    for path in ("agents[0].name", "agents[1].name", "agents[1].model", "agents[1].temperature", "colour"):
        assert any(fault.startswith(path) for fault in faults), path


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("Größe".encode("latin-1"), "the file is not UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n", "the file is not UTF-8 text"),
        (b"", "The file is empty"),
        (b" " * (MAX_BYTES + 1), "The file has 1,000,001 bytes: at most 1,000,000 are read."),
    ],
    ids=["Latin-1", "a picture", "empty", "too large"],
)
def test_a_file_that_cannot_be_read_is_refused_and_what_was_typed_stays(
    content: bytes, fault: str, client: Client
) -> None:
    response = ask(client, "typed before", file=upload(content))
    assert response.status_code == 422
    assert any(fault in found for found in faults_of(response.content.decode()))
    assert field_of(response.content.decode()) == "typed before"


def test_a_pasted_text_that_is_too_long_is_refused_and_stays(client: Client) -> None:
    text = "x" * (MAX_BYTES + 1)
    response = ask(client, text)
    assert response.status_code == 422
    assert "at most 1,000,000 are read" in faults_of(response.content.decode())[0]
    assert field_of(response.content.decode()) == text


def test_the_line_ends_of_a_browser_do_not_make_a_text_too_long(client: Client) -> None:
    text = written().replace("}]}", "}\r\n" + "\r\n" * (MAX_BYTES // 2) + "]}")
    assert ask(client, text).status_code == 200


def test_markup_in_a_file_stays_text(client: Client) -> None:
    page = ask(client, written(name="<b>bold</b>", slug="x")).content.decode()
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold" in page
    faulty = ask(client, '{"</textarea><script>": 1}').content.decode()
    assert "</textarea><script>" not in faulty


def test_without_any_usable_model_the_default_is_a_fault_in_words(client: Client) -> None:
    LanguageModel.objects.update(enabled=False)
    agents = [{"name": "A", "model": "default"}]
    assert "No model can be used" in faults_of(ask(client, written(agents=agents)).content.decode())[0]


def test_a_chain_whose_model_went_meanwhile_is_refused_at_the_confirmation(client: Client) -> None:
    assert ask(client, written()).status_code == 200
    LanguageModel.objects.all().delete()
    response = ask(client, written(), do="new")
    assert response.status_code == 422
    assert field_of(response.content.decode()) == written()
    assert not Chain.objects.exists()
