"""Files in a message, as agents receive them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.engine.files import TextFile, with_files, with_mentions


def test_a_message_without_files_is_the_message():
    assert with_files("Hello", []) == "Hello"
    assert with_mentions("Hello", []) == "Hello"


def test_a_file_stands_behind_the_message_with_its_name_in_a_fence():
    assert with_files("What does it do?", [TextFile("tool.PY", "print(1)\n")]) == (
        "What does it do?\n\nFile: tool.PY\n\n```py\nprint(1)\n```"
    )


def test_several_files_stand_in_their_order():
    text = with_files("Compare.", [TextFile("a.txt", "one"), TextFile("b.txt", "two")])
    assert text.index("File: a.txt") < text.index("one") < text.index("File: b.txt") < text.index("two")


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("notes.md", "md"),
        ("Makefile", ""),
        (".env", "env"),
        ("a.b c", ""),
        ("data.csv", "csv"),
        ("x.c++", "c++"),
    ],
)
def test_the_fence_names_the_language_by_the_ending(name: str, language: str) -> None:
    assert f"\n```{language}\nx\n```" in with_files("m", [TextFile(name, "x")])


@given(st.text(alphabet="`~a\n ", min_size=1))
def test_no_fence_in_a_file_ends_the_file(text: str) -> None:
    written = with_files("m", [TextFile("a.md", text)])
    opening = re.search(r"^(`{3,})md$", written, re.MULTILINE)
    assert opening
    inside = written[opening.end() + 1 :].removesuffix(opening[1])
    assert opening[1] not in inside
    assert inside.removesuffix("\n") == text.removesuffix("\n")


def test_a_file_with_braces_stays_text():
    assert "{{input}}" in with_files("m", [TextFile("a.txt", "{{input}}")])


def test_pictures_are_mentioned_by_name_one_in_a_line():
    assert with_mentions("Look.", ["a.png", "b.png"]) == (
        "Look.\n\n(an image was attached: a.png)\n\n(an image was attached: b.png)"
    )
