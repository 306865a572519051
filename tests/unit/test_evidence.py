"""What a decision rested on: the part of the rule, and the passage of the tested text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.engine.conditions import PREVIOUS, Search, Subjects, parse, searches
from chains.engine.evidence import excerpt_pieces, rule_pieces


def marked(pieces: object) -> str:
    """Write pieces with those that decided in brackets."""
    return "".join(f"[{piece.text}]" if piece.decided else piece.text for piece in pieces)  # type: ignore[attr-defined]


def shown(rule: str, text: str) -> str:
    """Test a rule on a text, and show the text as evidence."""
    verdict = parse(rule).evaluate(Subjects(previous=text, input="", agents={}))
    return marked(excerpt_pieces(verdict.excerpt, verdict.decided_by, verdict.subject))


def test_the_part_of_a_rule_that_decided_stands_out():
    rule = 'contains("a") and (length > 3 or not empty)'
    assert marked(rule_pieces(rule, 'contains("a")')) == '[contains("a")] and (length > 3 or not empty)'


@pytest.mark.parametrize("decided_by", ["empty", "", "never part of it"])
def test_where_the_whole_rule_decided_nothing_stands_out(decided_by: str):
    assert marked(rule_pieces("empty", decided_by)) == "empty"


@pytest.mark.parametrize(
    ("rule", "text", "evidence"),
    [
        ('not contains("CROW")', "A crow, a crow.", "A [crow], a crow."),
        ('not contains("strasse")', "Lange Straße 1", "Lange [Straße] 1"),
        ('not starts_with("a ")', "A crow.", "[A ]crow."),
        ('not ends_with(".")', "A crow.", "A crow[.]"),
        ('not matches("cr[a-z]w")', "A crow.", "A [crow]."),
        ('not (contains("a c") and matches("crow"))', "A crow.", "[A c][row]."),
        ('contains("heron")', "A crow.", "A crow."),
        ("length > 900", "A crow.", "A crow."),
        ('json("a") == "crow"', '{"a": "x"}', '"x"'),
    ],
)
def test_the_passage_that_a_rule_found_stands_out(rule: str, text: str, evidence: str):
    assert shown(rule, text) == evidence


def test_what_was_looked_for_in_another_text_is_no_evidence_in_this_one():
    rule = 'input.contains("crow") and contains("x")'
    assert marked(excerpt_pieces("A crow.", rule, PREVIOUS)) == "A crow."
    assert marked(excerpt_pieces("A crow.", rule, "input")) == "A [crow]."


def test_in_a_long_text_the_excerpt_still_shows_the_passage():
    text = "word " * 500 + "crow" + " word" * 500
    assert "[crow]" in shown('not contains("crow")', text)


def test_searches_are_listed_with_their_subjects():
    rule = 'agents.a.contains("x\\"y") or not matches("z") and length > 3 and json("a") == "contains"'
    assert searches(rule) == [Search("agents.a", "contains", 'x"y'), Search(PREVIOUS, "matches", "z")]


@given(st.text(alphabet="aAßſ crow", max_size=20), st.text(alphabet="aAßs", min_size=1, max_size=3))
def test_evidence_takes_nothing_away(text: str, needle: str):
    pieces = excerpt_pieces(text, f'not contains("{needle}")', PREVIOUS)
    assert "".join(piece.text for piece in pieces) == text
