"""Figures: gathered over repeats, printed as medians, kept in a file, compared with a baseline, drawn.

python -m bench.results compare BASELINE NEW     names what got worse by more than its noise
python -m bench.results plot FILE SVG            draws the medians as bars
"""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

# A change below this share of the baseline is noise, however quiet the repeats were.
LEAST_CHANGE = 0.05
HIGHER_IS_BETTER = ("runs completed", "runs with p95 under 100 ms", "tokens/s")
BAR_HEIGHT, LABEL_WIDTH, WIDTH = 20, 420, 760


@dataclass
class Figures:
    """The figures of one scenario: name → a value for each repeat."""

    name: str
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """Add a repeat's value."""
        self.values.setdefault(name, []).append(value)

    def __str__(self) -> str:
        lines = [f"\n{self.name}"]
        for name, values in self.values.items():
            spread = f"   ({min(values):.4g} to {max(values):.4g})" if len(values) > 1 else ""
            lines.append(f"  {name:38}{statistics.median(values):>12.4g}{spread}")
        return "\n".join(lines)


def keep(file: str | None, figures: Figures) -> None:
    """Add figures to a file of results."""
    if file:
        known = load(file) if Path(file).exists() else {}
        known[figures.name] = figures.values
        Path(file).write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")


def load(file: str) -> dict[str, dict[str, list[float]]]:
    """Read a file of results."""
    found: dict[str, dict[str, list[float]]] = json.loads(Path(file).read_text())
    return found


def worse(before: list[float], after: list[float], *, higher_is_better: bool = False) -> float | None:
    """Return by which share a figure got worse, None if that is within the noise of its repeats."""
    was, now = statistics.median(before), statistics.median(after)
    change = (was - now if higher_is_better else now - was) / abs(was) if was else 0.0
    noise = max(LEAST_CHANGE, *((max(one) - min(one)) / abs(was) if was else 0.0 for one in (before, after)))
    return change if change > noise else None


def compare(baseline: str, new: str) -> list[str]:
    """Name what got worse by more than its noise, a line each."""
    old, found = load(baseline), []
    for scenario, figures in load(new).items():
        for name, values in figures.items():
            before = old.get(scenario, {}).get(name)
            change = before and worse(before, values, higher_is_better=name in HIGHER_IS_BETTER)
            if before and change:
                was, now = statistics.median(before), statistics.median(values)
                found.append(f"{scenario}: {name} {was:.4g} → {now:.4g} ({change:+.0%})")
    return found


def plot(file: str) -> str:
    """Draw the medians as bars, each as long as its share of the longest with the same unit; an SVG."""
    rows = [
        (f"{scenario}: {name}", statistics.median(values))
        for scenario, figures in load(file).items()
        for name, values in figures.items()
    ]
    longest: dict[str, float] = {}
    for name, value in rows:
        longest[_unit(name)] = max(longest.get(_unit(name), 0.0), value)
    bars = [_bar(place, name, value, longest[_unit(name)]) for place, (name, value) in enumerate(rows)]
    height = BAR_HEIGHT * len(rows) + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="11">{"".join(bars)}</svg>\n'
    )


def _unit(name: str) -> str:
    return name.rpartition(", ")[2] if ", " in name else name.rpartition(": ")[2]


def _bar(place: int, name: str, value: float, longest: float) -> str:
    top = BAR_HEIGHT * place + 4
    width = (WIDTH - LABEL_WIDTH - 70) * max(value, 0.0) / longest if longest else 0.0
    return (
        f'<text x="{LABEL_WIDTH - 8}" y="{top + 12}" text-anchor="end" fill="#777">{name}</text>'
        f'<rect x="{LABEL_WIDTH}" y="{top + 2}" width="{max(width, 1):.1f}" height="12" rx="2" '
        'fill="#7c5cd6"/>'
        f'<text x="{LABEL_WIDTH + width + 6:.1f}" y="{top + 12}" fill="#777">{value:.4g}</text>'
    )


def main(arguments: list[str]) -> int:
    """Compare or draw; 1 when something got worse."""
    match arguments:
        case ["compare", baseline, new]:
            found = compare(baseline, new)
            print("\n".join(found) or "Nothing got worse by more than its noise.")
            return 1 if found else 0
        case ["plot", file, svg]:
            Path(svg).write_text(plot(file))
            return 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
