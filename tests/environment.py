"""The environment of every test: nothing of the developer's own settings, keys or data reaches it."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# tests/services.py sets these when it starts a PostgreSQL and a Redis for the suite.
DATABASE_VARIABLE = "CHAINCHAT_TEST_DATABASE_URL"
REDIS_VARIABLE = "CHAINCHAT_TEST_REDIS_URL"
# A folder of the whole test run: the processes that it is spread over inherit it from the one that began.
SHARED_VARIABLE = "CHAINCHAT_TEST_SHARED"

# All of them are set, if only to "": a variable that is missing would be read from the developer's .env.
PINNED = {
    "ALLOWED_HOSTS": "127.0.0.1,localhost,[::1]",
    "ANTHROPIC_API_KEY": "",
    "ANTHROPIC_BASE_URL": "",
    "DATABASE_POOL_SIZE": "20",
    "DATABASE_URL": "",
    "DEBUG": "0",
    "DEFAULT_FROM_EMAIL": "chain-chat@localhost",
    "EMAIL_URL": "consolemail://",
    "ENCRYPTION_KEYS": "",
    "GEMINI_API_KEY": "",
    "GEMINI_BASE_URL": "",
    "HEARTBEAT_FILE": "",
    "HOST": "127.0.0.1",
    "LOG_JSON": "0",
    "LOG_LEVEL": "INFO",
    "OLLAMA_BASE_URL": "",
    "OPENAI_API_KEY": "",
    "OPENAI_BASE_URL": "",
    "PORT": "8000",
    "PUBLIC_URL": "",
    "REDIS_URL": "",
    "RUNS_PER_WORKER": "100",
    "RUN_WORKERS": "web",
    "SECRET_KEY": "only-for-tests",
    "SIGNUP": "open",
    "TRUSTED_PROXIES": "0",
    "WORKER_GRACE": "0",
    "XAI_API_KEY": "",
}


def enter() -> None:
    """Give this process, and every process that it starts, the environment of the tests."""
    os.environ.update(PINNED, VAR_DIR=_folder("tests"))
    shared()
    os.environ["DATABASE_URL"] = os.environ.get(DATABASE_VARIABLE, "")
    os.environ["REDIS_URL"] = os.environ.get(REDIS_VARIABLE, "")


def has_services() -> bool:
    """Whether the suite runs on PostgreSQL and Redis instead of SQLite and memory."""
    return bool(os.environ.get(DATABASE_VARIABLE))


def shared() -> Path:
    """Return the folder of the whole run; the first process makes it, and takes it along when it ends."""
    if SHARED_VARIABLE not in os.environ:
        os.environ[SHARED_VARIABLE] = _folder("shared")
    return Path(os.environ[SHARED_VARIABLE])


def _folder(what: str) -> str:
    """Make a folder that is gone when this process has ended."""
    folder = tempfile.mkdtemp(prefix=f"chain-chat-{what}-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
