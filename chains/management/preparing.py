"""However many processes start at once, one at a time prepares what they share."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator

from django.conf import settings
from django.db import Error, connection

# Any number, as long as every process of every version names the same one.
LOCK = 0x636861696E
LOOK_EVERY_S = 0.1


@contextlib.contextmanager
def database_to_oneself() -> Iterator[None]:
    """Wait until no other process prepares the database, and keep others out meanwhile."""
    if connection.vendor != "postgresql":
        # Whoever shares the file shares its folder.
        with files_to_oneself():
            yield
        return
    # Asked again and again: a statement that waits for the lock holds up indexes that are built concurrently.
    while not _is_told_yes("SELECT pg_try_advisory_lock(%s)"):
        time.sleep(LOOK_EVERY_S)
    try:
        yield
    finally:
        # A connection that broke has given the lock back already.
        with contextlib.suppress(Error):
            _is_told_yes("SELECT pg_advisory_unlock(%s)")


@contextlib.contextmanager
def files_to_oneself() -> Iterator[None]:
    """The same for what stands under ``VAR_DIR``."""
    with (settings.VAR_DIR / "preparing.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_told_yes(sql: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql, [LOCK])
        return bool(cursor.fetchone()[0])
