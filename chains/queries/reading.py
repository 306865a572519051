"""A run for reading: all that an export or a shared page shows of it, and nothing of its session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from django.db.models import F

from chains.models import Run, StepAttempt, User
from chains.providers.errors import WITHOUT_SETUP, without_quotes
from chains.queries.columns import Column
from chains.queries.runs import Band, bands


@dataclass(frozen=True, slots=True)
class Prompts:
    """What an agent was told. ``earlier`` counts the messages of other runs before it, which are left out."""

    system: str
    prompt: str
    earlier: int


@dataclass(frozen=True, slots=True)
class ReadingColumn:
    """One agent's part, with its prompts where they are shown."""

    column: Column
    prompts: Prompts | None


@dataclass(frozen=True, slots=True)
class ReadingStage:
    """The agents of one stage, side by side."""

    number: int
    parallel: bool
    columns: list[ReadingColumn]


@dataclass(frozen=True, slots=True)
class Reading:
    """A run with everything that is read of it."""

    band: Band
    stages: list[ReadingStage]

    @property
    def run(self) -> Run:
        """The run itself."""
        return self.band.run

    @property
    def columns(self) -> list[ReadingColumn]:
        """All columns, in chain order."""
        return [column for stage in self.stages for column in stage.columns]

    @property
    def title(self) -> str:
        """A line that names it: the beginning of its message."""
        line = " ".join(self.run.input.split())
        return line if len(line) <= 80 else f"{line[:79]}…"

    @property
    def chain_name(self) -> str:
        """Which chain answered, in which version."""
        chain = self.band.chain
        return "Quick compare" if chain.is_unnamed else f"{chain.name} v{self.band.version_number}"


def reading(run: Run, *, viewer: User, with_prompts: bool = False, is_public: bool = False) -> Reading:
    """Read a run. Prompts are there when they are wanted and the viewer may read them.

    Where anybody may read it, what providers said of a fault goes with the prompts: it may repeat them.
    How the site is set up is not in it: a reading is handed on.
    """
    [band] = bands(session=run.session, run_ids=[run.pk])
    reasons = _reasons_without_setup(band)
    band = _changed_errors(band, lambda error: _said_otherwise(error, reasons))
    shows_prompts = with_prompts and run.shows_prompts_to(viewer)
    if is_public and not shows_prompts:
        band = _changed_errors(band, without_quotes)
    prompts = _prompts(run, reasons) if shows_prompts else {}
    stages = [
        ReadingStage(
            stage.number,
            stage.parallel,
            [ReadingColumn(column, prompts.get(column.step.pk)) for column in stage.columns],
        )
        for stage in band.stages
    ]
    return Reading(band, stages)


def _reasons_without_setup(band: Band) -> dict[str, str]:
    """Map sentences about how the site is set up to what is said instead."""
    told = [call for call in _calls(band) if call.error and call.error_kind in WITHOUT_SETUP]
    return {call.error: WITHOUT_SETUP[call.error_kind] for call in told}


def _said_otherwise(text: str, reasons: Mapping[str, str]) -> str:
    for sentence, reason in reasons.items():
        text = text.replace(sentence, reason)
    return text


def _changed_errors(band: Band, change: Callable[[str], str]) -> Band:
    for call in _calls(band):
        call.error = change(call.error)
    return replace(band, error=change(band.error))


def _calls(band: Band) -> Iterator[StepAttempt]:
    for column in band.columns:
        yield from filter(None, (column.attempt, *column.earlier))


def _prompts(run: Run, reasons: Mapping[str, str]) -> dict[int, Prompts]:
    current = StepAttempt.objects.filter(step__run=run, number=F("step__current_attempt"))
    return {
        step: _prompts_of(
            [(message["role"], _said_otherwise(message["content"], reasons)) for message in messages]
        )
        for step, messages in current.values_list("step_id", "messages")
        if messages
    }


def _prompts_of(messages: list[tuple[str, str]]) -> Prompts:
    system = "\n\n".join(content for role, content in messages if role == "system")
    earlier = sum(role != "system" for role, _ in messages) - 1
    return Prompts(system, messages[-1][1], earlier)
