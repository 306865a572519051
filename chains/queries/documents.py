"""A run as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chains.models import Attachment
from chains.models.run import SkipReason
from chains.queries.columns import Column, SkipView
from chains.queries.figures import Metrics, duration_text, size_text
from chains.queries.labels import spoken_count
from chains.queries.reading import Prompts, Reading, ReadingColumn

_FENCES = re.compile(r"^ *(`{3,})", re.MULTILINE)


def answers_markdown(reading: Reading) -> str:
    """Write the answers alone, each under its agent's name."""
    texts = ((shown.column.step.name, _text(shown.column)) for shown in reading.columns)
    return _document(f"## {name}\n\n{text}" for name, text in texts if text)


def run_markdown(reading: Reading) -> str:
    """Write a run with its message, answers, figures and reasons."""
    return _document(_run(reading))


def _document(parts: Iterator[str]) -> str:
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _run(reading: Reading) -> Iterator[str]:
    run, totals = reading.run, reading.band.totals
    yield f"# {reading.chain_name}"
    yield _quoted(run.input)
    if reading.band.files:
        yield "\n".join(_file(file) for file in reading.band.files)
    facts = [run.get_status_display(), f"{run.created_at:%Y-%m-%d %H:%M} UTC"]
    if totals:
        facts += [f"{duration_text(totals.wall_ms)} in all", f"cost {totals.cost}"]
    yield " · ".join(facts)
    if reading.band.error:
        yield f"**{run.get_status_display()}:** {reading.band.error}"
    for shown in reading.columns:
        yield from _agent(shown)


def _file(file: Attachment) -> str:
    # No name has a backtick.
    return f"- `{file.name}` ({', '.join(_file_facts(file))})"


def _file_facts(file: Attachment) -> Iterator[str]:
    yield file.get_kind_display().lower()
    if file.is_image:
        yield f"{file.width} × {file.height}"
    yield size_text(file.size)


def _agent(shown: ReadingColumn) -> Iterator[str]:
    column = shown.column
    yield f"## {column.step.name}"
    yield f"*{' · '.join(_facts(column))}*"
    if shown.prompts:
        yield from _prompts(shown.prompts)
    if text := _text(column):
        yield text
    yield from (f"**{label}** {words}".rstrip() for label, words in _findings(column))


def _facts(column: Column) -> list[str]:
    step = column.step
    facts = [column.model_label, step.get_connection_type_display().lower(), column.label.lower()]
    if column.simulated:
        facts.insert(1, "simulated")
    return facts + (_figures(column.metrics) if column.metrics and not step.reused_from_id else [])


def _figures(metrics: Metrics) -> list[str]:
    tokens = "{} → {} tokens".format(
        *("?" if count is None else f"{count:,}" for count in (metrics.input_tokens, metrics.output_tokens))
    )
    return [duration_text(metrics.duration_ms), tokens, f"cost {metrics.cost}"]


def _findings(column: Column) -> Iterator[tuple[str, str]]:
    """Say in a line each what is to be known of how it ended: a label, and the rest of the sentence."""
    if column.attempt and column.attempt.is_truncated:
        yield "Truncated:", "the model stopped at its length limit."
    if column.error:
        yield f"{column.interruption or column.label}:", column.error
    if column.receipt:
        yield column.receipt, ""
    if column.skip:
        yield _skipped(column.skip)


def _skipped(skip: SkipView) -> tuple[str, str]:
    if skip.reason != SkipReason.CONDITION:
        return "Not reached:", "the run ended before it came to this agent."
    if skip.is_otherwise:
        return "Skipped:", f"another branch ran, because {skip.decided_by} was true."
    tested = f" Tested on {skip.subject}: “{' '.join(skip.excerpt.split())}”" if skip.excerpt else ""
    return "Skipped:", f"{skip.condition} was false.{tested}"


def _prompts(prompts: Prompts) -> Iterator[str]:
    if prompts.system:
        yield f"System prompt:\n\n{_fenced(prompts.system)}"
    if prompts.earlier:
        yield f"({spoken_count(prompts.earlier, 'earlier message')} left out)"
    yield f"Prompt:\n\n{_fenced(prompts.prompt)}\n\nAnswer:"


def _text(column: Column) -> str:
    return column.attempt.text.strip("\n") if column.attempt else ""


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _fenced(text: str) -> str:
    """Put a text between fences that nothing in it can close."""
    longest = max((len(fence) for fence in _FENCES.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}text\n{text}\n{fence}"
