"""The database's settings: SQLite that many threads may write to, or PostgreSQL behind a pool."""

from pathlib import Path
from typing import Any

import environ

# WAL and IMMEDIATE together end "database is locked"; NORMAL survives a killed process.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}

# A host that vanished without a word is noticed in seconds, not when the system gives up after many minutes.
POSTGRESQL_OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # ms
}
# How long a thread waits for a connection. Somebody looks at a page meanwhile.
POOL_TIMEOUT_S = 10.0
LEAST_POOL = 2  # the journal keeps one


def database_settings(url: str, default_file: Path, *, pool_size: int) -> dict[str, Any]:
    """Return Django's settings for a ``DATABASE_URL``, or for a SQLite file when it is empty.

    Of PostgreSQL a process holds ``pool_size`` connections at most.
    """
    if pool_size < LEAST_POOL:
        raise environ.ImproperlyConfigured(f"DATABASE_POOL_SIZE must be {LEAST_POOL} or more.")
    settings: dict[str, Any] = dict(environ.Env.db_url_config(url or f"sqlite:///{default_file}"))
    settings["CONN_MAX_AGE"] = 0
    settings["ATOMIC_REQUESTS"] = False
    # The pool must not hand out connections that a restart of the database has cut.
    settings["CONN_HEALTH_CHECKS"] = True
    if settings["ENGINE"] == "django.db.backends.sqlite3":
        settings["OPTIONS"] = SQLITE_OPTIONS
        # Threads of one test process must meet in a file, not in a database of their own.
        settings["TEST"] = {"NAME": str(default_file.with_name("test.sqlite3"))}
    elif settings["ENGINE"] == "django.db.backends.postgresql":
        settings["OPTIONS"] = POSTGRESQL_OPTIONS | settings.get("OPTIONS", {}) | {"pool": _pool(pool_size)}
    return settings


def _pool(size: int) -> dict[str, Any]:
    return {
        "min_size": 1,
        "max_size": size,
        "timeout": POOL_TIMEOUT_S,
        # By default its pauses double for five minutes: after an outage it would stay away as long again.
        "reconnect_timeout": POOL_TIMEOUT_S,
    }
