"""Colour for code."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape

import pytest

from chains.rendering.highlight import MAX_CODE, highlight


def code_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def test_code_gets_token_classes_and_no_styles():
    html = highlight("def f():\n    return 1\n", "python")
    assert '<span class="k">def</span>' in html
    assert "style=" not in html


@pytest.mark.parametrize(
    "language", ["python", "Python", "js", "html", "diff", "no-such-language", "", "<b>"]
)
def test_the_code_itself_stays_as_it_is(language: str):
    code = "\n\n<a href='x'>&amp;</a>\n\tx = \"1\"  \n\n"
    assert code_of(highlight(code, language)) == code


@pytest.mark.parametrize("language", ["", "no-such-language", "../../etc"])
def test_an_unknown_language_is_plain_and_escaped(language: str):
    assert highlight("a < b", language) == "a &lt; b"


def test_very_long_code_is_plain():
    assert "<span" not in highlight("x = 1\n" * MAX_CODE, "python")


def test_code_that_takes_its_lexer_too_long_is_plain():
    hostile = "<?php " + "$" * (MAX_CODE - 10)
    assert highlight(hostile, "php") == "&lt;?php " + "$" * (MAX_CODE - 10)


def test_nothing_heavy_is_imported_before_an_answer_needs_it():
    program = (
        "import sys, django; from django.conf import settings; settings.configure()\n"
        "from chains.rendering.markdown import render; render('# plain *text*')\n"
        "print([name for name in ('pygments', 'latex2mathml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
