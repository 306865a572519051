"""Quoted passages: written into a message, and found in it again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chains.engine.quotes import Passage, Quote, own_words, passages, with_quotes

LINES = st.text(alphabet="ab>* \n", min_size=1).filter(str.strip)


def tidy(text: str) -> str:
    """Leave out white space at the ends of lines, and empty lines around the text."""
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def test_a_quote_says_whose_words_it_is_and_stands_before_the_message():
    assert with_quotes("Why?", [Quote("Ada", "It is so.\n\nAlways.")]) == (
        "> **Ada** wrote:\n>\n> It is so.\n>\n> Always.\n\nWhy?"
    )


def test_a_message_without_quotes_is_the_message():
    assert with_quotes("Why?", []) == "Why?"
    assert list(passages("Why?\n\nTell me.")) == [Passage("Why?\n\nTell me.")]


def test_quotes_are_found_again_with_their_authors():
    message = with_quotes("Who is right?", [Quote("Ada", "Yes."), Quote("Ben *the* 2nd", "No.\n  - never")])
    assert list(passages(message)) == [
        Passage("Yes.", is_quote=True, name="Ada"),
        Passage("No.\n  - never", is_quote=True, name="Ben *the* 2nd"),
        Passage("Who is right?"),
    ]


def test_what_a_person_quotes_by_hand_is_a_quote_of_nobody():
    assert list(passages("See:\n> 42\nSo?")) == [
        Passage("See:"),
        Passage("42", is_quote=True),
        Passage("So?"),
    ]


def test_ones_own_words_are_what_is_not_quoted():
    assert own_words(with_quotes("Why is that?", [Quote("Ada", "It is so.")])) == "Why is that?"
    assert own_words("> only this") == "> only this"


@given(LINES, LINES.filter(lambda text: not text.startswith(">") and "\n>" not in text))
def test_whatever_is_quoted_never_runs_into_the_message(quoted: str, message: str) -> None:
    first, *rest = passages(with_quotes(message, [Quote("Ada", quoted)]))
    assert first.name == "Ada"
    assert tidy(first.text) == tidy(quoted)
    assert [part.text for part in rest] == [message.strip("\n")]
