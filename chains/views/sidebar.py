"""The side bar of a page, by the days of whoever reads it."""

from __future__ import annotations

from datetime import UTC, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from chains import queries
from chains.queries import SidebarGroup
from chains.views.access import Request

# Set by zone.js: only the browser knows.
ZONE_COOKIE = "timezone"


def sidebar(request: Request, *, words: str = "", with_chains: bool = False) -> list[SidebarGroup]:
    """Return the user's newest sessions by day, all of them or those that contain the words."""
    zone = _zone(request.COOKIES.get(ZONE_COOKIE, ""))
    return queries.sidebar(request.user, zone=zone, words=words, with_chains=with_chains)


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # Nothing was told, nobody knows it, it is no name of a zone, or it names a folder of zones.
        return UTC
