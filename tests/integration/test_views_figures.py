"""How numbers are written on pages."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from chains import queries
from chains.templatetags.chains import duration, extent_on, place_on, price, saved_share, ticks


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0 ms"),
        (85, "85 ms"),
        (3_600, "3.6 s"),
        (125_000, "2 min 05 s"),
        (7_500_000, "2 h 5 min"),
        (None, "unknown"),
    ],
)
def test_durations_are_written_as_people_read_them(ms: int | None, words: str) -> None:
    assert duration(ms) == words


@pytest.mark.parametrize(
    ("usd", "words"),
    [
        (2.5, "$2.50"),
        (0.15, "$0.15"),
        (Decimal("0.100000"), "$0.10"),
        (Decimal("0.075000"), "$0.075"),
        (0.0375, "$0.0375"),
        (100, "$100.00"),
        (0, "$0.00"),
        (None, "?"),
    ],
)
def test_prices_keep_the_digits_that_matter(usd: Decimal | float | None, words: str) -> None:
    assert price(usd) == words


def axis(width_ms: int, *idle: tuple[int, int]) -> queries.Waterfall:
    """Return a waterfall of this width with these long waits, and no calls."""
    return queries.Waterfall(lanes=[], idle=list(idle), width_ms=width_ms, wall_ms=width_ms, is_live=False)


def places(*marks: str) -> list[float]:
    return [float(mark.removesuffix("%")) for mark in marks]


@pytest.mark.parametrize("width", [1, 37, 999, 4_100, 61_000, 900_000])
def test_a_time_axis_has_a_few_marks_at_even_steps_inside_its_width(width: int) -> None:
    marks = ticks(axis(width))
    steps = {after.ms - before.ms for before, after in pairwise(marks)}
    assert marks[0].ms == 0
    assert 1 <= len(marks) <= 9
    assert len(steps) <= 1
    assert marks[-1].ms <= width


def test_a_bar_has_its_place_and_is_never_too_thin_to_be_seen() -> None:
    assert place_on(axis(1_000), 250) == "25.000%"
    assert extent_on(axis(1_000), 250, 750) == "50.000%"
    assert extent_on(axis(1_000_000), 500, 500) == "0.300%"
    assert place_on(axis(0), 0) == extent_on(axis(0), 0, 0) == "0%"


def test_a_long_wait_is_drawn_as_a_short_break_and_what_is_around_it_keeps_its_scale() -> None:
    waited = axis(7_504_000, (2_000, 7_502_000))  # 2 s, then 2 h 5 min, then 2 s
    before, first, last, after = places(
        *(place_on(waited, ms) for ms in (1_000, 2_000, 7_502_000, 7_503_000))
    )
    assert first - before == pytest.approx(after - last, abs=0.01)
    assert 2 < last - first < 10
    assert place_on(waited, 7_504_000) == "100.000%"
    marks = ticks(waited)
    assert places(*(mark.place for mark in marks)) == sorted(places(*(mark.place for mark in marks)))
    assert len(marks) <= 12
    # After the break one mark says when it is: the others would stand too close.
    assert [mark.ms for mark in marks if mark.is_named and mark.ms > 2_000] == [7_502_000]


def test_what_was_saved_is_a_share_of_the_sum() -> None:
    totals = queries.Totals(wall_ms=3_600, sum_ms=13_900, saved_ms=10_300, cost="$0", tokens=None)
    assert saved_share(totals) == "74 %"
