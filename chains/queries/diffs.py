"""What differs between two versions of a chain: agents, their fields, the words in them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from chains.engine.drafts import FIELDS, VERSION_FIELDS
from chains.models import Agent, ChainVersion

FIELD_LABELS = {
    "model_id": "model",
    "system_prompt": "system prompt",
    "connection_type": "connection",
    "condition": "rule",
    "max_output_tokens": "longest answer",
    "on_failure": "when a stage fails",
    "on_interruption": "when an answer is cut off",
}
# Texts, of which words change; of every other field the whole value does.
TEXTS = {"name", "condition", "system_prompt", "prompt"}
SHOWN_OF_NEW = ("model_id", "connection_type", "condition", "system_prompt", "prompt")
# Finding what two sequences have in common takes time by the product of their lengths.
MAX_COMPARED = 2_000
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True)
class FieldDiff:
    """One field that differs."""

    name: str
    before: str
    after: str
    is_text: bool = False

    @cached_property
    def html(self) -> SafeString:
        """What went and what came, of a text word by word. Costly: made when it is shown."""
        if self.is_text:
            return word_diff(self.before, self.after)
        parts = [_marked(self.before, ""), _marked("", self.after)]
        return mark_safe(" ".join(filter(None, parts)))  # noqa: S308 - both are escaped


@dataclass(frozen=True, slots=True)
class AgentDiff:
    """An agent that was ``added``, ``removed``, ``changed`` or only ``moved``."""

    name: str
    kind: str
    fields: tuple[FieldDiff, ...] = ()


def says_the_same(
    one: ChainVersion, one_agents: Sequence[Agent], other: ChainVersion, other_agents: Sequence[Agent]
) -> bool:
    """Whether two versions say the same, with their agents at hand."""
    same_rest = all(getattr(one, name) == getattr(other, name) for name in VERSION_FIELDS)
    return same_rest and list(map(_said, one_agents)) == list(map(_said, other_agents))


def differences(before: ChainVersion | None, after: ChainVersion) -> list[AgentDiff]:
    """List what differs: the settings, then agents in the order of the newer version, then those removed.

    Without a version before everything was added. Reads the agents' models and providers.
    """
    old = list(before.agents.all()) if before else []
    new = list(after.agents.all())
    pairs = _pairs(old, new)
    moved = _moved([pair.slug for pair in pairs.values()], [agent.slug for agent in old], pairs)
    diffs = [_settings_diff(before, after)] if before else []
    diffs += [_agent_diff(pairs.get(agent.slug), agent, is_moved=agent.slug in moved) for agent in new]
    kept = {pair.slug for pair in pairs.values()}
    diffs += [AgentDiff(agent.name, "removed") for agent in old if agent.slug not in kept]
    return [diff for diff in diffs if diff]


def _said(agent: Agent) -> tuple[Any, ...]:
    return tuple(getattr(agent, name) for name in FIELDS)


def _pairs(old: Sequence[Agent], new: Sequence[Agent]) -> dict[str, Agent]:
    """Find what each agent was before: by its slug, or by its place and texts if it was only renamed."""
    before = {agent.slug: agent for agent in old}
    pairs = {agent.slug: before[agent.slug] for agent in new if agent.slug in before}
    places = {agent.index: agent for agent in old if agent.slug not in pairs}
    for agent in new:
        was = places.get(agent.index)
        if agent.slug not in pairs and was and _texts(was) == _texts(agent):
            pairs[agent.slug] = was
    ordered = (agent.slug for agent in new if agent.slug in pairs)
    return {slug: pairs[slug] for slug in ordered}


def _texts(agent: Agent) -> tuple[str, str]:
    return agent.system_prompt, agent.prompt


def _moved(kept: Sequence[str], old: Sequence[str], pairs: dict[str, Agent]) -> set[str]:
    """Return the new slugs of the fewest agents whose move explains the new order."""
    was = [slug for slug in old if slug in set(kept)]
    matcher = difflib.SequenceMatcher(None, was, kept, autojunk=False)
    still = {slug for block in matcher.get_matching_blocks() for slug in kept[block.b : block.b + block.size]}
    return {slug for slug, agent in pairs.items() if agent.slug not in still}


def _agent_diff(old: Agent | None, new: Agent, *, is_moved: bool) -> AgentDiff | None:
    if old is None:
        shown = ((name, _shown(new, name)) for name in SHOWN_OF_NEW)
        return AgentDiff(new.name, "added", tuple(_field(name, "", text) for name, text in shown if text))
    pairs = ((name, _shown(old, name), _shown(new, name)) for name in FIELDS if name != "slug")
    fields = [_field(name, before, after) for name, before, after in pairs if before != after]
    if fields and is_moved:
        fields.append(FieldDiff("place", str(old.index + 1), str(new.index + 1)))
    if not fields and not is_moved:
        return None
    return AgentDiff(new.name, "changed" if fields else "moved", tuple(fields))


def _settings_diff(before: ChainVersion, after: ChainVersion) -> AgentDiff | None:
    said = [[getattr(one, f"get_{name}_display")() for name in VERSION_FIELDS] for one in (before, after)]
    changed = [row for row in zip(VERSION_FIELDS, *said, strict=True) if row[1] != row[2]]
    fields = tuple(_field(name, old, new) for name, old, new in changed)
    return AgentDiff("Chain settings", "changed", fields) if fields else None


def _field(name: str, before: str, after: str) -> FieldDiff:
    return FieldDiff(FIELD_LABELS.get(name, name), before, after, is_text=name in TEXTS)


def _shown(agent: Agent, name: str) -> str:
    if name == "model_id":
        return agent.model.label if agent.model else ""
    value = getattr(agent, name)
    return "" if value is None else str(value)


# Words


def word_diff(before: str, after: str) -> SafeString:
    """Show which words went and which came, escaped: lines first, then the words of lines that differ."""
    parts: list[str] = []
    for old, new in _pieces(before.splitlines(keepends=True), after.splitlines(keepends=True)):
        words = [(old, new)] if old == new else _pieces(_WORDS.findall(old), _WORDS.findall(new))
        parts += [_marked(went, came) for went, came in words]
    return mark_safe("".join(parts))  # noqa: S308 - every part is escaped


def _pieces(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Walk through both at once, in passages that are equal or differ."""
    if max(len(old), len(new)) > MAX_COMPARED:
        yield "".join(old), "".join(new)
        return
    for _, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        yield "".join(old[a:b]), "".join(new[c:d])


def _marked(went: str, came: str) -> str:
    if went == came:
        return escape(came)
    return (format_html("<del>{}</del>", went) if went else "") + (
        format_html("<ins>{}</ins>", came) if came else ""
    )
