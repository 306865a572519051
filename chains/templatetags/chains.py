"""How numbers and plans are written on pages."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple, TypeVar

from django import template
from django.urls import reverse

from chains import queries

register = template.Library()
Part = TypeVar("Part")
# Of a chain's stages, and of a group's agents: a drawing of fifty says less than a number.
MOST_DRAWN = 6


class Tick(NamedTuple):
    """A mark of a time axis: where (in per cent of the width), when (in ms), and whether it says so."""

    place: str
    ms: int
    is_named: bool


@register.filter
def duration(ms: float | None) -> str:
    """Write milliseconds as a person reads them: ``85 ms``, ``3.6 s``, ``2 min 05 s``."""
    return "unknown" if ms is None else queries.duration_text(ms)


@register.filter
def thousands(count: int) -> str:
    """Write a count as a person reads it: ``3,120``."""
    return f"{count:,}"


_OFFER_VIEWS = {"retry": "step_retry", "keep": "step_keep", "continue": "run_continue", "again": "run_again"}


@register.simple_tag
def offer_address(offer: queries.Offer) -> str:
    """Return the address where an offer is shown and taken."""
    return reverse(_OFFER_VIEWS[offer.kind], args=[(offer.step or offer.run).pk])


@register.filter
def saved_share(totals: queries.Totals) -> str:
    """Write what parallelism saved as a share of the sum: ``74 %``."""
    return f"{100 * totals.saved_ms / totals.sum_ms:.0f} %" if totals.sum_ms else "0 %"


@register.filter
def shown(parts: Sequence[Part], whole: object) -> Sequence[Part]:
    """Return what a drawing shows of stages or agents; a line says how many it leaves out."""
    return parts if left_out(parts, whole) == 0 else parts[: MOST_DRAWN - 1]


@register.filter
def left_out(parts: Sequence[object], whole: object) -> int:
    """Return how many of them it does not show."""
    return 0 if whole or len(parts) <= MOST_DRAWN else len(parts) - MOST_DRAWN + 1


@register.filter
def price(value: Decimal | float | None) -> str:
    """Write USD per million tokens: ``$2.50``, and no more than two decimals without need."""
    if value is None:
        return "?"
    dollars, _, rest = f"{value:.4f}".rstrip("0").partition(".")
    return f"${dollars}.{rest:0<2}"


@register.simple_tag
def place_on(waterfall: queries.Waterfall, ms: float) -> str:
    """Write where a moment of a run stands on its time axis, for an SVG attribute: ``12.500%``."""
    return _percent(waterfall.drawn_at(ms) / waterfall.drawn_ms) if waterfall.drawn_ms else "0%"


@register.simple_tag
def extent_on(waterfall: queries.Waterfall, start: float, end: float) -> str:
    """Write the extent between two moments of a run on its time axis, never too thin to be seen."""
    if not waterfall.drawn_ms:
        return "0%"
    return _percent(max(0.003, (waterfall.drawn_at(end) - waterfall.drawn_at(start)) / waterfall.drawn_ms))


@register.simple_tag
def ticks(waterfall: queries.Waterfall) -> list[Tick]:
    """Mark a time axis at round steps, about nine of them; after each break anew from its end."""
    step = next((s for s in _steps() if waterfall.drawn_ms / s <= 8), 3_600_000)
    starts = [0, *(end for _, end in waterfall.idle)]
    ends = [*(start for start, _ in waterfall.idle), waterfall.width_ms]
    marks = [ms for start, end in zip(starts, ends, strict=True) for ms in range(start, int(end) + 1, step)]
    return [Tick(place_on(waterfall, ms), ms, is_named=ms < ends[0] or ms in starts) for ms in marks]


@register.filter
def middle(span: tuple[int, int]) -> float:
    """Return the moment in the middle of two."""
    return (span[0] + span[1]) / 2


@register.filter
def span_ms(span: tuple[int, int]) -> int:
    """Return the time between two moments."""
    return span[1] - span[0]


@register.simple_tag
def label_of(column: queries.Column, status: str) -> str:
    """Write what a column would say in this status, for pages that see it change."""
    return queries.status_label(parallel=column.parallel, status=status, waiting_for=column.waiting_for)


def _percent(share: float) -> str:
    return f"{100 * share:.3f}%"


def _steps() -> list[int]:
    return [scale * digit for scale in (10, 100, 1_000, 10_000, 100_000) for digit in (1, 2, 5)]
