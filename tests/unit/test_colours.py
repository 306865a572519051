"""Text and marks can be told from their ground in both themes (WCAG 2.2, level AA)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOKENS = (Path(__file__).parents[2] / "static/css/tokens.css").read_text()
PAIRS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", TOKENS)
}
MEANINGS = ["direct", "conditional", "parallel", "success", "danger", "accent"]
GROUNDS = ["bg", "sidebar-bg", "surface", "surface-hover", "code-bg"]
TEXTS = [(text, ground) for text in ("text", "text-muted", "text-faint") for ground in GROUNDS]
TEXTS += [(f"{meaning}-fg", f"{meaning}-bg") for meaning in MEANINGS]
TEXTS += [(f"{meaning}-fg", "surface") for meaning in MEANINGS]
TEXTS += [("text", "found"), ("text-muted", "found"), ("on-found-current", "found-current")]
TEXTS += [("on-ink", "ink"), ("on-ink", "ink-hover"), ("text", "surface-active")]
MARKS = [(mark, ground) for mark in [*MEANINGS, "border-control"] for ground in ("bg", "surface")]
THEMES = pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])


def luminance(colour: str) -> float:
    """Relative luminance: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str, theme: int) -> float:
    """Contrast ratio of two tokens in a theme: 1 to 21."""
    darker, lighter = sorted(luminance(PAIRS[name][theme]) for name in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


@THEMES
@pytest.mark.parametrize(("text", "ground"), TEXTS)
def test_text_is_readable_on_its_ground(text: str, ground: str, theme: int) -> None:
    assert contrast(text, ground, theme) >= 4.5


@THEMES
@pytest.mark.parametrize(("mark", "ground"), MARKS)
def test_bars_dots_and_edges_of_controls_are_visible(mark: str, ground: str, theme: int) -> None:
    assert contrast(mark, ground, theme) >= 3
