"""Versions of a chain, what differs between two of them, and who ran which."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from chains.engine.drafts import FIELDS, VERSION_FIELDS
from chains.models import Agent, Chain, ChainVersion, ChatSession, Run

SHOWN_SESSIONS = 5
LABELS = {
    "model_id": "model",
    "system_prompt": "system prompt",
    "connection_type": "connection",
    "max_output_tokens": "longest answer",
}
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class FieldDiff:
    """One field that differs; ``html`` shows the words that went and came."""

    name: str
    before: str
    after: str
    html: SafeString


@dataclass(frozen=True, slots=True)
class AgentDiff:
    """An agent that was added, removed, changed or moved."""

    name: str
    kind: str
    fields: tuple[FieldDiff, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A published version in the history."""

    number: int
    published_at: datetime
    changed: str
    session_count: int
    sessions: tuple[ChatSession, ...]
    current: bool


def says_the_same(
    one: ChainVersion, one_agents: Sequence[Agent], other: ChainVersion, other_agents: Sequence[Agent]
) -> bool:
    """Say whether two versions say the same."""
    said = [[getattr(version, name) for name in VERSION_FIELDS] for version in (one, other)]
    return said[0] == said[1] and list(map(_said, one_agents)) == list(map(_said, other_agents))


def _said(agent: Agent) -> tuple[Any, ...]:
    return tuple(getattr(agent, name) for name in FIELDS)


def version_list(chain: Chain) -> list[VersionRow]:
    """Return the published versions, newest first, each with what it changed and the sessions that ran it."""
    versions = list(chain.versions.published().prefetch_related("agents__model__provider"))
    sessions = _sessions(versions)
    counted = Run.objects.filter(chain_version__in=versions).values("chain_version")
    counts = {row["chain_version"]: row["n"] for row in counted.annotate(n=Count("session", distinct=True))}
    befores: list[ChainVersion | None] = [*versions[1:], None]
    return [
        VersionRow(
            number=version.number or 0,
            published_at=version.published_at,  # type: ignore[arg-type]
            changed=_summary(before, version),
            session_count=counts.get(version.pk, 0),
            sessions=tuple(sessions.get(version.pk, [])[:SHOWN_SESSIONS]),
            current=version is versions[0],
        )
        for version, before in zip(versions, befores, strict=True)
    ]


def _sessions(versions: Sequence[ChainVersion]) -> dict[int, list[ChatSession]]:
    found: dict[int, list[ChatSession]] = {}
    runs = Run.objects.filter(chain_version__in=versions).select_related("session").order_by("-pk")[:200]
    for run in runs:
        known = found.setdefault(run.chain_version_id, [])
        if run.session not in known:
            known.append(run.session)
    return found


def _summary(before: ChainVersion | None, after: ChainVersion) -> str:
    if before is None:
        count = len(after.agents.all())
        return f"The first version, with {count} agent{'' if count == 1 else 's'}."
    changes = _differences(before, after)
    if not changes:
        return "Only the chain's settings changed."
    return "; ".join(f"{change.name} {change.kind}" for change in changes[:4]) + (
        f" and {len(changes) - 4} more" if len(changes) > 4 else ""
    )


def compare_versions(chain: Chain, before: int | None, after: int | None) -> list[AgentDiff]:
    """Return what differs between two versions by their numbers; None stands for the draft.

    For a chain that was never published everything in the draft is added.
    """
    versions = chain.versions.prefetch_related("agents__model__provider")
    found = {version.number: version for version in versions.filter(number__in=[before or 0, after or 0])}
    draft = versions.filter(number__isnull=True).first() if not (before and after) else None
    new = found.get(after) if after else draft
    old = found.get(before) if before else None
    return _differences(old, new) if new else []


def _differences(before: ChainVersion | None, after: ChainVersion) -> list[AgentDiff]:
    old = {agent.slug: agent for agent in (before.agents.all() if before else [])}
    new = {agent.slug: agent for agent in after.agents.all()}
    old, new = _by_place(old, new)
    kept = [slug for slug in new if slug in old]
    order = [slug for slug in old if slug in new]
    changes = [_agent_diff(slug, old, new, moved=order.index(slug) != kept.index(slug)) for slug in kept]
    settings = _settings_diff(before, after) if before else None
    added = [AgentDiff(agent.name, "added", _whole(agent)) for slug, agent in new.items() if slug not in old]
    removed = [AgentDiff(agent.name, "removed") for slug, agent in old.items() if slug not in new]
    return [change for change in [settings, *changes, *added, *removed] if change]


def _by_place(old: dict[str, Agent], new: dict[str, Agent]) -> tuple[dict[str, Agent], dict[str, Agent]]:
    """Take an agent that was only renamed for the same one: the same place, and the same prompts."""
    for slug, agent in list(new.items()):
        was = next((one for one in old.values() if one.index == agent.index), None)
        is_renamed = was and slug not in old and was.slug not in new
        if was and is_renamed and (was.prompt, was.system_prompt) == (agent.prompt, agent.system_prompt):
            old = {(slug if key == was.slug else key): one for key, one in old.items()}
    return old, new


def _agent_diff(slug: str, old: dict[str, Agent], new: dict[str, Agent], *, moved: bool) -> AgentDiff | None:
    fields = _field_diffs(old[slug], new[slug])
    if not fields and not moved:
        return None
    return AgentDiff(new[slug].name, "changed" if fields else "moved", fields)


def _field_diffs(old: Agent, new: Agent) -> tuple[FieldDiff, ...]:
    pairs = [(name, _shown(old, name), _shown(new, name)) for name in FIELDS if name != "slug"]
    return tuple(
        FieldDiff(LABELS.get(name, name), before, after, word_diff(before, after))
        for name, before, after in pairs
        if before != after
    )


def _whole(agent: Agent) -> tuple[FieldDiff, ...]:
    names = ("model_id", "connection_type", "condition", "prompt", "system_prompt")
    shown = [(name, _shown(agent, name)) for name in names]
    return tuple(
        FieldDiff(LABELS.get(name, name), "", text, word_diff("", text)) for name, text in shown if text
    )


def _settings_diff(before: ChainVersion, after: ChainVersion) -> AgentDiff | None:
    fields = []
    for name in VERSION_FIELDS:
        old, new = (getattr(version, f"get_{name}_display")() for version in (before, after))
        if old != new:
            fields.append(FieldDiff(name.replace("_", " "), old, new, word_diff(old, new)))
    return AgentDiff("Chain settings", "changed", tuple(fields)) if fields else None


def _shown(agent: Agent, name: str) -> str:
    if name == "model_id":
        return agent.model.label if agent.model else ""
    value = getattr(agent, name)
    return "" if value is None else str(value)


def word_diff(before: str, after: str) -> SafeString:
    """Show which words went and which came, escaped."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    parts = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(escape("".join(old[a:b])))
            continue
        if a < b:
            parts.append(format_html("<del>{}</del>", "".join(old[a:b])))
        if c < d:
            parts.append(format_html("<ins>{}</ins>", "".join(new[c:d])))
    return mark_safe("".join(parts))  # noqa: S308  # every part is escaped above
