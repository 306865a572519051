"""What an agent receives, and what a stage hands on.

A prompt names its sources: ``{{input}}``, ``{{previous}}``, ``{{agents.slug}}``, with spaces around the name
if one likes. They are put in by one literal pass, so a value that contains ``{{…}}`` stays text. ``\\{{``
writes a literal ``{{``; an opening without a closing is text too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chains.providers.base import Passage

_PLACEHOLDER = re.compile(r"(?P<escaped>\\\{\{)|\{\{(?P<name>[^{}]*)\}\}")
_NAME = re.compile(r"input|previous|agents\.[A-Za-z0-9_-]+")

GROUP_START = "--- Parallel Analysis Results ---"
GROUP_END = "--- End Parallel Results ---"


class PromptError(ValueError):
    """A prompt that names what does not exist."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a prompt can name. ``agents`` maps slugs to outputs; one that did not complete is missing.

    ``passages`` are what ``previous`` consists of, where that is known.
    """

    input: str
    previous: str
    agents: Mapping[str, str]
    passages: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in a prompt, and where its braces stand, in code points."""

    name: str
    start: int
    end: int

    @property
    def is_known(self) -> bool:
        """Whether it is one of the names that prompts have; its agent may still be missing."""
        return _NAME.fullmatch(self.name) is not None

    @property
    def slug(self) -> str:
        """The agent's slug, empty if no agent is named."""
        return self.name.removeprefix("agents.") if self.is_known and "." in self.name else ""


@dataclass(frozen=True, slots=True)
class Part:
    """A passage of a rendered prompt. ``source`` is ``input``, ``previous``, ``agents.slug`` or None."""

    text: str
    source: str | None = None


def references(prompt: str) -> tuple[Reference, ...]:
    """List the names in a prompt, known or not, in their order."""
    return tuple(
        Reference(found["name"].strip(), found.start(), found.end())
        for found in _PLACEHOLDER.finditer(prompt)
        if found["name"] is not None
    )


def rename_agent(prompt: str, old: str, new: str) -> str:
    """Rewrite the references to an agent's slug."""
    pieces, at = [], 0
    for reference in references(prompt):
        if reference.slug == old:
            pieces += [prompt[at : reference.start], "{{agents.", new, "}}"]
            at = reference.end
    return "".join([*pieces, prompt[at:]])


def render_prompt(prompt: str, sources: Sources, *, first_stage: bool) -> str:
    """Make the user message of an agent. Raises ``PromptError`` for an unknown name."""
    return joined(render_parts(prompt, sources, first_stage=first_stage))


def render_parts(prompt: str, sources: Sources, *, first_stage: bool) -> list[Part]:
    """Make the user message of an agent as passages that know where they come from.

    A prompt that names nothing follows its context: the message in the first stage, the text of the stage
    before under "Previous output:" in a later one. An empty prompt is that context alone.
    """
    if references(prompt):
        parts = list(_substituted(prompt, sources, first_stage=first_stage))
    else:
        parts = _context(sources, first_stage=first_stage)
        if prompt.strip():
            parts += [Part("\n\n"), *_substituted(prompt, sources, first_stage=first_stage)]
    return [part for part in parts if part.text]


def _context(sources: Sources, *, first_stage: bool) -> list[Part]:
    if first_stage:
        return [Part(sources.input, "input")]
    return [Part("Previous output:\n\n"), *_previous(sources)]


def _substituted(prompt: str, sources: Sources, *, first_stage: bool) -> Iterator[Part]:
    at = 0
    for found in _PLACEHOLDER.finditer(prompt):
        yield Part(prompt[at : found.start()])
        yield from [Part("{{")] if found["escaped"] else _value(found["name"].strip(), sources, first_stage)
        at = found.end()
    yield Part(prompt[at:])


def _value(name: str, sources: Sources, first_stage: bool) -> Sequence[Part]:
    if not _NAME.fullmatch(name):
        raise PromptError(unknown_name(name))
    if name == "input" or (name == "previous" and first_stage):
        return [Part(sources.input, "input")]
    if name == "previous":
        return _previous(sources)
    return [Part(sources.agents.get(name.removeprefix("agents."), ""), name)]


def _previous(sources: Sources) -> Sequence[Part]:
    return sources.passages or [Part(sources.previous, "previous")]


def joined(parts: Sequence[Part]) -> str:
    """Return the text that the parts make."""
    return "".join(part.text for part in parts)


def passages_of(parts: Sequence[Part]) -> tuple[Passage, ...]:
    """Say which places of the joined text came from elsewhere."""
    passages, at = [], 0
    for part in parts:
        if part.source and part.text:
            passages.append((part.source, at, at + len(part.text)))
        at += len(part.text)
    return tuple(passages)


def unknown_name(name: str) -> str:
    """Say that a prompt cannot name this, and what it can."""
    shown = name if len(name) <= 40 else f"{name[:39]}…"
    return (
        f"{{{{{shown}}}}} is not a name that a prompt knows: use {{{{input}}}}, {{{{previous}}}} or "
        "{{agents.name}}, or write \\{{ for literal braces"
    )


# --- What a stage hands on ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MemberResult:
    """How one member of a stage ended. ``status`` is a final step status, ``reason`` that of a failure."""

    name: str
    model: str
    status: str
    text: str
    reason: str


def group_output(members: Sequence[MemberResult]) -> str:
    """Join a group's results in chain order: a block per member that ran."""
    return joined(group_parts(members, [""] * len(members)))


def group_parts(members: Sequence[MemberResult], slugs: Sequence[str]) -> list[Part]:
    """Return a group's output as parts: each member's block knows whose it is."""
    parts = [Part(f"{GROUP_START}\n\n")]
    for member, slug in zip(members, slugs, strict=True):
        if member.status != "skipped":
            block = f"**{member.name}** ({member.model}):\n{_result(member)}"
            parts += [Part(block, agent_source(slug)), Part("\n\n")]
    return [*parts, Part(GROUP_END)]


def agent_source(slug: str) -> str:
    """Return an agent's name as a source."""
    return f"agents.{slug}"


def _result(member: MemberResult) -> str:
    if member.status == "completed":
        return member.text
    return "STOPPED" if member.status == "cancelled" else f"FAILED: {member.reason}"


def condition_text(members: Sequence[MemberResult]) -> str:
    """Join the texts of the members that completed, without headings: what a condition tests."""
    return "\n\n".join(member.text for member in members if member.status == "completed")


def stage_outcome(statuses: Sequence[str]) -> str:
    """Say how a stage ended from its members' final statuses: the run's status if it goes no further.

    One completed member is enough. A stop that left nothing cancels. A cut by the provider or a dead worker
    interrupts only an agent that stands alone; in a group it counts as failed.
    """
    if "completed" in statuses:
        return "completed"
    if all(status == "skipped" for status in statuses):
        return "skipped"
    if "cancelled" in statuses:
        return "cancelled"
    return "interrupted" if list(statuses) == ["interrupted"] else "failed"


def otherwise_holds(verdicts: Sequence[bool | None]) -> bool:
    """Say whether no condition of a group held. None stands for a member without one, or ``otherwise``."""
    return not any(verdicts)
