"""How numbers are written on pages."""

from __future__ import annotations

from itertools import pairwise

import pytest

from chains import queries
from chains.templatetags.chains import duration, percent_between, percent_of, price, saved_share, ticks


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0, "0 ms"), (85, "85 ms"), (3_600, "3.6 s"), (125_000, "2 min 05 s"), (None, "unknown")],
)
def test_durations_are_written_as_people_read_them(ms: int | None, words: str) -> None:
    assert duration(ms) == words


@pytest.mark.parametrize(
    ("usd", "words"), [(2.5, "$2.50"), (0.15, "$0.15"), (0.0375, "$0.0375"), (0, "$0.00"), (None, "?")]
)
def test_prices_keep_the_digits_that_matter(usd: float | None, words: str) -> None:
    assert price(usd) == words


@pytest.mark.parametrize("width", [1, 37, 999, 4_100, 61_000, 900_000])
def test_a_time_axis_has_a_few_marks_at_even_steps_inside_its_width(width: int) -> None:
    marks = ticks(width)
    steps = {after.ms - before.ms for before, after in pairwise(marks)}
    assert marks[0].ms == 0
    assert 1 <= len(marks) <= 9
    assert len(steps) <= 1
    assert marks[-1].ms <= width


def test_a_bar_has_its_place_and_is_never_too_thin_to_be_seen() -> None:
    assert percent_of(250, 1_000) == "25.000%"
    assert percent_between(250, 750, 1_000) == "50.000%"
    assert percent_between(500, 500, 1_000_000) == "0.300%"
    assert percent_of(0, 0) == percent_between(0, 0, 0) == "0%"


def test_what_was_saved_is_a_share_of_the_sum() -> None:
    totals = queries.Totals(wall_ms=3_600, sum_ms=13_900, saved_ms=10_300, cost="$0", tokens=None)
    assert saved_share(totals) == "74 %"
