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


def database_settings(url: str, default_file: Path) -> dict[str, Any]:
    """Return Django's settings for a ``DATABASE_URL``, or for a SQLite file when it is empty."""
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
        settings.setdefault("OPTIONS", {})["pool"] = {"min_size": 1, "max_size": 32, "timeout": 20}
    return settings
