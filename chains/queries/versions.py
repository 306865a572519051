"""The versions of a chain, what each changed, and which sessions ran it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, QuerySet, prefetch_related_objects

from chains.models import Chain, ChainVersion, ChatSession, Run
from chains.queries.diffs import AgentDiff, differences, says_the_same

SHOWN_SESSIONS = 5
LATEST_SESSIONS = 500
SUMMARISED = 50  # newest versions
SHOWN_CHANGES = 4
AGENTS = "agents__model__provider"


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A published version. ``sessions`` are the latest of the owner's that ran it.

    ``is_draft`` tells of the newest ones whether the draft says the same.
    """

    number: int
    published_at: datetime
    changed: str
    session_count: int
    sessions: tuple[ChatSession, ...]
    current: bool
    is_draft: bool


def version_list(chain: Chain) -> list[VersionRow]:
    """Return the published versions, newest first, each with what it changed and the sessions that ran it."""
    rows = list(chain.versions.order_by("-number"))
    versions = [version for version in rows if version.number]
    drafts = [version for version in rows if not version.number]
    prefetch_related_objects([*versions[: SUMMARISED + 1], *drafts], AGENTS)
    counts, latest = _counts(chain), _latest_sessions(chain)
    return [
        VersionRow(
            number=version.number or 0,
            published_at=version.published_at or version.created_at,
            changed=_summary(versions, place) if place < SUMMARISED else "",
            session_count=counts.get(version.pk, 0),
            sessions=tuple(latest.get(version.pk, [])),
            current=place == 0,
            is_draft=place < SUMMARISED and any(_same(draft, version) for draft in drafts),
        )
        for place, version in enumerate(versions)
    ]


def compare_versions(chain: Chain, before: int | None, after: int | None) -> list[AgentDiff]:
    """Return what differs between two versions by their numbers; None stands for the draft.

    Before a chain's first version there was nothing: everything was added.
    """
    versions = chain.versions.published().filter(number__in=[number for number in (before, after) if number])
    found = {version.number: version for version in versions.prefetch_related(AGENTS)}
    newer = found.get(after) if after else chain.versions.drafts().prefetch_related(AGENTS).first()
    return differences(found.get(before), newer) if newer else []


def _same(one: ChainVersion, other: ChainVersion) -> bool:
    return says_the_same(one, list(one.agents.all()), other, list(other.agents.all()))


def _counts(chain: Chain) -> dict[int, int]:
    return dict(_runs(chain).values_list("chain_version").annotate(Count("session", distinct=True)))


def _latest_sessions(chain: Chain) -> dict[int, list[ChatSession]]:
    """Return some sessions that ran each version, latest first, from among the chain's latest ones."""
    pairs = _runs(chain).values_list("chain_version", "session").annotate(latest=Max("pk"))
    found: dict[int, list[int]] = {}
    for version, session, _ in pairs.order_by("-latest")[:LATEST_SESSIONS]:
        found.setdefault(version, []).append(session)
    shown = {version: sessions[:SHOWN_SESSIONS] for version, sessions in found.items()}
    rows = ChatSession.objects.in_bulk({pk for sessions in shown.values() for pk in sessions})
    return {version: [rows[pk] for pk in sessions] for version, sessions in shown.items()}


def _runs(chain: Chain) -> QuerySet[Run]:
    """Return the owner's runs of a chain. If it is shared, other people's are theirs alone."""
    return Run.objects.filter(chain_version__chain=chain, session__owner=chain.owner_id).order_by()


def _summary(versions: Sequence[ChainVersion], place: int) -> str:
    """Say what a version changed, in a line."""
    if place + 1 == len(versions):
        count = len(versions[place].agents.all())
        return f"The first version, with {count} agent{'' if count == 1 else 's'}"
    changes = differences(versions[place + 1], versions[place])
    shown = [f"{change.name} {change.kind}" for change in changes[:SHOWN_CHANGES]]
    more = len(changes) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
