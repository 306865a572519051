"""Words are found in a session as they are read, and no search takes long."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from chains import queries
from chains.engine.quotes import Quote, with_quotes
from chains.models import ChatSession, User
from chains.queries import Found
from chains.queries.find import MAX_HITS, MAX_PER_TEXT
from chains.rendering.plain import BREAK, plain
from tests.browser.corpus import HOSTILE, MARKDOWN
from tests.integration.pages_cast import agent, attempt, complete, run_in, session_of

pytestmark = pytest.mark.django_db

PARAGRAPH = (
    "Some *plain* words that go on, [as they do](https://example.org/heron) & go on, and then end. " * 5
)


@pytest.fixture
def session(alice: User) -> ChatSession:
    return session_of(alice, agent("Ada"))


@pytest.fixture
def client(alice: User, client_for: Callable[[User], Client]) -> Client:
    return client_for(alice)


def found_in(session: ChatSession, words: str) -> list[tuple[str, int, str]]:
    found = queries.find_in_session(session=session, words=words)
    assert not found.is_cut
    return [(hit.name, hit.nth, f"{hit.before}[{hit.match}]{hit.after}".strip()) for hit in found.hits]


def answered(session: ChatSession, text: str) -> Found:
    complete(run_in(session), text)
    return queries.find_in_session(session=session, words="heron")


@pytest.mark.parametrize(
    ("text", "words", "read"),
    [
        ("A **grey** heron stands.", "grey heron", "A [grey heron] stands."),
        ("A **g**rey heron stands.", "GREY heron", "A [grey heron] stands."),
        ("A grey\nheron stands.", "grey heron", "A [grey heron] stands."),
        ("> A grey\n> heron stands.", "grey  heron", "A [grey heron] stands."),
        ("A [grey](https://example.org/a_(b)) heron.", "grey heron", "A [grey heron]."),
        ("A grey&nbsp;heron &amp; more.", "heron & more", "A grey [heron & more]."),
        ("A grey[^1] heron.", "grey heron", "A [grey heron]."),
        ("A snake\\_case word.", "snake_case", "A [snake_case] word."),
        ("```\nx = **y\n```", "x = **y", "[x = **y]"),
        ("It is $a + \\frac{b}{c}$.", "a+bc", "It is [a+bc]."),
        ("It is $\\alpha$.", "is α", "It [is α]."),
        ("Ein ÜBER großer Reiher", "über Großer", "Ein [ÜBER großer] Reiher"),
        ("(a bird)", "(a", "[(a] bird)"),
    ],
)
def test_marks_and_line_ends_part_no_words(session: ChatSession, text: str, words: str, read: str):
    complete(run_in(session), text)
    assert found_in(session, words) == [("Ada", 0, read)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[here](https://example.org/heron)", "heron"),
        ("A **grey** heron.", "**"),
        ("A grey\n\nheron.", "grey heron"),
        ("| grey | heron |\n|---|---|", "grey heron"),
        ("A heron &amp; more.", "amp"),
        ("```\ncode\n```", "copy"),
        ("A heron", "\0"),
    ],
)
def test_what_nobody_reads_is_not_found(session: ChatSession, text: str, words: str):
    complete(run_in(session), text)
    assert found_in(session, words) == []


@pytest.mark.parametrize("text", [MARKDOWN, HOSTILE])
def test_whatever_is_read_is_found(session: ChatSession, text: str):
    complete(run_in(session, "?"), text)
    blocks = [" ".join(block.split()) for block in plain(text).split(BREAK)]
    for words in {block[:200] for block in blocks} - {""}:
        assert found_in(session, words), words


def test_messages_are_found_as_they_stand_with_those_they_quote(session: ChatSession):
    message = with_quotes("Is a *grey* heron\na bird?", [Quote("Ben", "No\nheron.")])
    complete(run_in(session, message), "Nothing.")
    assert found_in(session, "heron a bird") == [("Message", 0, "Ben No heron. Is a *grey* [heron a bird]?")]
    assert [around for _, _, around in found_in(session, "no heron")] == [
        "Ben [No heron]. Is a *grey* heron a bird?"
    ]
    assert found_in(session, "wrote") == found_in(session, ">") == []


def test_places_stand_in_the_order_of_the_page(alice: User):
    session = session_of(alice)
    complete(run_in(session, "One heron"), "A heron.\n\nTwo *heron*s.")
    complete(run_in(session, "Two"), "No bird.")
    complete(run_in(session, "Three"), "Herons.")
    hits = queries.find_in_session(session=session, words="heron").hits
    assert [(hit.title, hit.name, hit.nth) for hit in hits] == [
        ("One heron", "Message", 0),
        *[("One heron", name, nth) for name in ("Ada", "Ben", "Editor") for nth in (0, 1)],
        *[("Three", name, 0) for name in ("Ada", "Ben", "Editor")],
    ]


def test_the_answer_that_is_shown_counts_also_while_it_comes(session: ChatSession):
    [step] = run_in(session).steps.all()
    attempt(step, text="An old heron.", status="failed")
    attempt(step, text="A **new** her", status="streaming", number=2, finished_at=None)
    assert found_in(session, "heron") == []
    assert found_in(session, "new her") == [("Ada", 0, "A [new her]")]


def test_a_text_with_many_places_says_that_there_are_more(session: ChatSession):
    hits = answered(session, "heron " * MAX_PER_TEXT).hits
    assert [hit.nth for hit in hits] == [*range(MAX_PER_TEXT)]
    assert not hits[-1].has_more
    hits = answered(session, "heron\n\n" * (MAX_PER_TEXT + 1)).hits[MAX_PER_TEXT:]
    assert [hit.nth for hit in hits] == [*range(MAX_PER_TEXT)]
    assert hits[-1].has_more


def test_what_is_too_much_is_cut_off_where_it_is_old(session: ChatSession):
    for _ in range(MAX_HITS // MAX_PER_TEXT):
        found = answered(session, "heron " * MAX_PER_TEXT)
    assert not found.is_cut
    found = answered(session, "heron")
    assert found.is_cut
    assert len(found.hits) == MAX_HITS
    assert found.hits[-1].run == session.runs.latest("id").pk


def test_it_is_two_queries(session: ChatSession, django_assert_num_queries: object):
    answered(session, "A heron.")
    with django_assert_num_queries(2):  # type: ignore[operator]
        queries.find_in_session(session=session, words="heron")


@pytest.mark.once
@pytest.mark.parametrize(
    ("words", "places", "is_cut"),
    [
        ("s", MAX_HITS, True),
        ("words that go", MAX_HITS, True),
        ("nowhere", 0, False),
        ("the last grey heron", 50, False),
        # Addresses are not read, but have to be looked into: there is an end to that.
        ("example.org", 0, True),
    ],
)
def test_a_long_session_is_searched_soon(session: ChatSession, words: str, places: int, is_cut: bool):
    text = f"{PARAGRAPH}\n\n" * 200 + "The last **grey** heron."
    for number in range(50):
        complete(run_in(session, f"Message {number}"), text)
    began = time.thread_time()
    plain(text)
    reading = time.thread_time() - began
    began = time.thread_time()
    found = queries.find_in_session(session=session, words=words)
    # An eighth, at most, of what it takes to read all answers as Markdown, where this was measured.
    assert time.thread_time() - began < 50 * reading / 4
    assert (len(found.hits), found.is_cut) == (places, is_cut)


def test_the_list_says_what_was_not_looked_through(
    client: Client, session: ChatSession, monkeypatch: pytest.MonkeyPatch
):
    address = reverse("session_find", args=[session.pk])
    monkeypatch.setattr(queries.find, "MAX_RENDERED", 10)
    answered(session, "[here](https://example.org/heron)")
    page = client.get(address, {"q": "heron"}, headers={"HX-Request": "true"}).content.decode()
    assert "too much to look through" in page
    assert "<html" not in page
    assert "<html" in client.get(address, {"q": "heron"}).content.decode()
