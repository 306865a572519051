"""The side bar: a user's sessions by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, timedelta, tzinfo
from itertools import groupby

from django.utils import timezone
from django.utils.dates import MONTHS

from chains.models import ChatSession, User


@dataclass(frozen=True, slots=True)
class SidebarGroup:
    """The sessions of one day or span, newest first."""

    label: str
    sessions: list[ChatSession]


def sidebar(
    user: User, *, zone: tzinfo = UTC, words: str = "", limit: int = 200, with_chains: bool = False
) -> list[SidebarGroup]:
    """Return the user's newest sessions by day in that zone, all of them or those that contain the words."""
    rows = ChatSession.objects.visible_to(user).only("id", "title", "active_at", "owner")
    if with_chains:
        rows = rows.select_related("chain").only("id", "title", "active_at", "owner", "chain__name")
    if words:
        rows = rows.matching(words)
    today = timezone.localdate(timezone=zone)
    grouped = groupby(
        rows.order_by("-active_at", "-id")[:limit],
        key=lambda one: _label(one.active_at.astimezone(zone).date(), today),
    )
    return [SidebarGroup(label, list(sessions)) for label, sessions in grouped]


def _label(day: date, today: date) -> str:
    if day >= today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    if day >= today - timedelta(days=7):
        return "Previous 7 days"
    month = str(MONTHS[day.month])
    return month if day.year == today.year else f"{month} {day.year}"
