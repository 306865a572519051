"""Formulas: MathML where they can be read, their source where not, and never anything else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.rendering.math import MAX_TEX, to_mathml


def test_a_formula_becomes_mathml():
    assert to_mathml(r"\frac12", False) == (
        '<math display="inline"><mrow><mfrac><mn>1</mn><mn>2</mn></mfrac></mrow></math>'
    )


def test_a_display_formula_says_so():
    assert to_mathml("x", True).startswith('<math display="block">')


@pytest.mark.parametrize(
    "environment", ["aligned", "align", "align*", "gathered", "gather", "split", "cases"]
)
def test_environments_that_models_use_become_tables(environment: str):
    html = to_mathml(rf"\begin{{{environment}}} a &= b \\ c &= d \end{{{environment}}}", True)
    assert html.count("<mtr>") == 2
    assert "&amp;" not in html


@pytest.mark.parametrize("tex", [r"\frac", r"\left(", "}{", "x_", r"\begin{matrix} a", "", " "])
def test_half_written_tex_shows_its_source(tex: str):
    assert to_mathml(tex, False) == f'<code class="math-source">{tex}</code>'


def test_the_source_is_escaped():
    assert to_mathml(r"<b>\frac", False) == '<code class="math-source">&lt;b&gt;\\frac</code>'


def test_links_styles_and_classes_are_taken_out():
    html = to_mathml(r"\href{javascript:alert(1)}{x} \style{color:red}{y} \class{a}{z}", False)
    assert "javascript" not in html
    assert "style=" not in html
    assert "class=" not in html
    assert "<mi>x</mi>" in html


@pytest.mark.parametrize("tex", [r"\def\a{xx}\a", r"\newcommand{\a}{xx}\a", r"\let\a=b", "x" * (MAX_TEX + 1)])
def test_macros_and_endless_formulas_are_not_worked_on(tex: str):
    assert to_mathml(tex, False).startswith('<code class="math-source">')


@settings(deadline=None)
@given(st.text(alphabet=r"\{}_^&$<>x1 %'fracleftsqrtbegin", max_size=40), st.booleans())
def test_no_tex_raises(tex: str, display: bool):
    assert to_mathml(tex, display).startswith(("<math", "<code"))
