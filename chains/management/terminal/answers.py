"""The answers of a run that has ended, in chain order, and what the run took."""

from __future__ import annotations

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

from chains.management.terminal.panels import colour_of
from chains.management.terminal.progress import printable
from chains.queries import Band, Column, Totals, duration_text


def print_answers(console: Console, band: Band) -> None:
    """Print every answer in full: as panels in a terminal, else as plain text under headings."""
    for column in band.columns:
        if console.is_terminal:
            console.print(_panel(column))
        else:
            _say(console, f"\n## {heading(column)}\n\n{_plain(column)}")
    _say(console, f"\n{summary(band)}")


def heading(column: Column) -> str:
    """Name an answer: agent, model, state, time, tokens, cost."""
    parts = [printable(column.step.name), column.model_label, column.label]
    if metrics := column.metrics:
        parts.append(duration_text(metrics.duration_ms))
        parts += [f"{metrics.output_tokens} tokens"] if metrics.output_tokens is not None else []
        parts.append(f"cost {metrics.cost}" if metrics.cost == "unknown" else metrics.cost)
    if column.simulated:
        parts.append("simulated")
    return " · ".join(parts)


def summary(band: Band) -> str:
    """Say how the run ended and what it took."""
    status = band.run.get_status_display()
    return f"{status} in {_figures(band.totals)}." if band.totals else f"{status}."


def _figures(totals: Totals) -> str:
    saved = f", saved {duration_text(totals.saved_ms)}" if totals.saved_ms else ""
    wall, total = duration_text(totals.wall_ms), duration_text(totals.sum_ms)
    return f"{wall} (sum {total}{saved}), {totals.cost}"


def _panel(column: Column) -> Panel:
    body = Group(Markdown(_text(column), hyperlinks=False), Text(_notes(column)))
    return Panel(body, title=Text(heading(column)), title_align="left", border_style=colour_of(column.step))


def _plain(column: Column) -> str:
    return "\n\n".join(part for part in (_text(column), _notes(column)) if part)


def _text(column: Column) -> str:
    return printable(column.attempt.text) if column.attempt else ""


def _notes(column: Column) -> str:
    """Return whatever explains why there is not more text."""
    return printable("\n".join(filter(None, (column.error, column.receipt, _skipped(column)))))


def _skipped(column: Column) -> str:
    if column.skip is None:
        return ""
    if column.skip.reason != "condition":
        return "Not reached."
    tested = f"Tested on {column.skip.subject}: {column.skip.excerpt}"
    return f"Its condition was false: {column.skip.condition}\n{tested}"


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True, emoji=False)
