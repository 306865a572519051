"""The reader's time zone, which decides what is today in lists of sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, tzinfo
from functools import lru_cache
from inspect import iscoroutinefunction
from typing import Any, cast
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware

# Set by local_times.js: only the browser knows.
COOKIE = "timezone"


@sync_and_async_middleware
def reader_time_zone(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Let pages be drawn in the zone that the browser told; in UTC before it did."""
    if iscoroutinefunction(get_response):
        answer = cast("Callable[[HttpRequest], Awaitable[HttpResponseBase]]", get_response)

        async def later(request: HttpRequest) -> HttpResponseBase:
            with timezone.override(_zone(request.COOKIES.get(COOKIE, ""))):
                return await answer(request)

        return later

    def now(request: HttpRequest) -> HttpResponseBase:
        with timezone.override(_zone(request.COOKIES.get(COOKIE, ""))):
            return cast("HttpResponseBase", get_response(request))

    return now


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # Unknown here, no name of a zone, or the name of a folder of zones.
        return UTC
