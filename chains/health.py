"""What a process says of its own state, to load balancers and to whatever watches over it.

``/healthz`` and ``/readyz`` stand before Django: no host name, log-in, session or cookie is looked at. That
is safe because an answer has nothing of the request in it, no link, and nothing but fixed words.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from chains import runtime

OK, SILENT = "ok", "does not answer"
LIMIT_S = 3.0

Send = Callable[[dict[str, Any]], Awaitable[None]]
_is_leaving = False


def leave() -> None:
    """Say from now on that this process goes away: nobody may send it anything new."""
    global _is_leaving
    _is_leaving = True


def is_leaving() -> bool:
    """Whether this process goes away, so that what breaks off now is nobody's wish."""
    return _is_leaving


async def state(*, carries_out_runs: bool) -> dict[str, str]:
    """Return each part that work needs, with ``ok`` or what is wrong with it in a few words."""
    tables, layer = await asyncio.gather(_database(), _channel_layer())
    parts = {"process": "goes away" if _is_leaving else OK, "database": tables, "channel_layer": layer}
    if carries_out_runs:
        parts["runs"] = OK if runtime.takes_runs() else "not taken"
    return parts


def faults(parts: Mapping[str, str]) -> list[str]:
    """Return what of a state is not well; of one that is ready, nothing."""
    return [f"{part}: {words}" for part, words in parts.items() if words != OK]


class Look:
    """Looks at one part, once at a time: whoever asks meanwhile, however often, shares the answer."""

    def __init__(self, look: Callable[[], Awaitable[str]]) -> None:
        self._look = look
        self._task: asyncio.Future[str] | None = None

    async def __call__(self) -> str:
        """Return what it found, or that there was no answer within three seconds."""
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._look())
        done, _ = await asyncio.wait({self._task}, timeout=LIMIT_S)
        return self._task.result() if done else SILENT


@Look
async def _database() -> str:
    try:
        found: str = await database_sync_to_async(database, thread_sensitive=False)()
    except Error:
        return SILENT
    return found


@Look
async def _channel_layer() -> str:
    try:
        # Nobody listens: it only has to be taken.
        await get_channel_layer().group_send("readyz", {"type": "readyz"})
    except Exception:
        return SILENT
    return OK


def database() -> str:
    """Return the state of the database. Blocking. Raises ``django.db.Error`` when it does not answer."""
    applied = MigrationRecorder(connection).applied_migrations()
    return OK if _newest_migrations() <= applied.keys() else "not migrated"


@functools.cache
def _newest_migrations() -> frozenset[tuple[str, str]]:
    # As they stand in the code: a database that is ahead of it serves the rest of a rolling upgrade.
    return frozenset(MigrationLoader(None).graph.leaf_nodes())


async def healthz(scope: Mapping[str, Any], receive: Any, send: Send) -> None:
    """Say that this process answers."""
    await _answer(scope, send, HTTPStatus.OK, {"alive": True})


async def readyz(scope: Mapping[str, Any], receive: Any, send: Send) -> None:
    """Say whether this process can do its work, and if not, what is missing."""
    parts = await state(carries_out_runs=settings.RUN_WORKERS == "web")
    is_ready = not faults(parts)
    status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    await _answer(scope, send, status, {"ready": is_ready, **parts})


async def _answer(scope: Mapping[str, Any], send: Send, status: HTTPStatus, words: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if scope["method"] not in ("GET", "HEAD"):
        status, words = HTTPStatus.METHOD_NOT_ALLOWED, {"error": "Use GET or HEAD."}
        headers.append((b"allow", b"GET, HEAD"))
    body = orjson.dumps(words)
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
