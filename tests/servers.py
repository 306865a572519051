"""Real installations for tests: the shipped commands as processes of their own, ended by their process ids.

An installation follows the set-up that the suite runs on: SQLite and memory in one process, or a database and
a Redis of its own with the runs in a separate ``chain_worker``.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import psycopg

from tests import environment
from tests.services import Redis, free_port

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT = 60.0
STOP_LIMIT = 20.0
LOG_IN = """
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from chains.models import User
email = {username!r} + "@example.org"
user, _ = User.objects.get_or_create(username={username!r}, defaults={{"email": email}})
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
print(session.session_key)
"""


PREPARE = """
from django.core.management import call_command
from chains.static_files import collect_when_changed
call_command("migrate", verbosity=0, interactive=False)
collect_when_changed()
"""
# Does one piece of code after another, so that only the first waits for Django.
HAND = """
import contextlib, io, json, sys, traceback
import django
from django.db import connections
django.setup()
for line in sys.stdin:
    said, fault = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(said):
            exec(json.loads(line), {"__name__": "hand"})
    except Exception:
        fault = traceback.format_exc()
    for connection in connections.all():
        connection.close()
        getattr(connection, "close_pool", bool)()
    print(json.dumps([said.getvalue(), fault]), flush=True)
"""


class ServerError(Exception):
    """A process did not come up; the text ends with the last lines of its log."""


class CommandProcess:
    """One ``manage.py`` command that keeps running; ``log`` is where its stdout and stderr go."""

    def __init__(self, command: str, variables: dict[str, str], log: Path) -> None:
        self.log = log
        # A process that was started before has said the same things.
        self._begins = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", command], cwd=ROOT, env=variables, stdout=output, stderr=output
            )

    def wait_for(self, sign: str) -> None:
        """Wait until it has printed this. Raises ``ServerError`` if it ends or takes too long."""
        deadline = time.monotonic() + START_LIMIT
        while sign not in self._said():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise ServerError(f"No {sign!r} in {self.log}:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.02)

    def _said(self) -> str:
        return self.log.read_bytes()[self._begins :].decode()

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait until it is gone, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            # It writes where each of its threads stands before it goes.
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            raise ServerError(
                f"{self.log.stem} did not end after {how.name}:\n{self._said()[-6000:]}"
            ) from None


class Server:
    """An installation in a folder of its own, and the processes that serve it."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "serve.log"
        self.worker_log = folder / "chain_worker.log"
        own = {
            "VAR_DIR": str(folder),
            "PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
            "PYTHONFAULTHANDLER": "1",
        }
        self.environment = {**os.environ, **environment.PINNED, **own, **variables}
        self.web: CommandProcess | None = None
        self.worker: CommandProcess | None = None
        self._hand: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start ``serve``, and ``chain_worker`` where runs have a process of their own."""
        self.start_web()
        if self.environment["RUN_WORKERS"] == "separate":
            self.start_worker()

    def start_web(self, **variables: str) -> None:
        """Start ``serve`` alone; a test may do it again after it ended, with additions to its environment."""
        self.web = CommandProcess("serve", self.environment | variables, self.log)
        self.web.wait_for(f"Open {self.url}/")

    def start_worker(self, **variables: str) -> None:
        """Start a ``chain_worker``; a test may start it before or after the runs it is for."""
        self.worker = CommandProcess("chain_worker", self.environment | variables, self.worker_log)
        self.worker.wait_for("Worker ready")

    @property
    def runner(self) -> CommandProcess:
        """The process that executes runs in this set-up."""
        process = self.worker or self.web
        assert process is not None, "the server was not started"
        return process

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End its processes with a signal: SIGTERM as an operator would, SIGKILL as a crash would."""
        with contextlib.ExitStack() as ends:
            for process in filter(None, (self.web, self.worker)):
                ends.callback(process.end, how)
            ends.callback(self._let_go)
        self.web = self.worker = None

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a ``manage.py`` command of this installation to its end."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def do(self, code: str) -> str:
        """Carry out some code where the installation's database is, and return what it printed."""
        if self._hand is None:
            variables = {**self.environment, "DJANGO_SETTINGS_MODULE": "chainchat.settings"}
            self._hand = subprocess.Popen(
                [sys.executable, "-c", HAND],
                cwd=ROOT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        assert self._hand.stdin
        assert self._hand.stdout
        self._hand.stdin.write(json.dumps(code) + "\n")
        self._hand.stdin.flush()
        said, fault = json.loads(self._hand.stdout.readline())
        assert not fault, fault
        return str(said).strip()

    def _let_go(self) -> None:
        if self._hand:
            self._hand.communicate()
        self._hand = None

    def session_cookie(self, username: str) -> str:
        """Log a person in, made on first use, and return the value of the ``sessionid`` cookie."""
        return self.do(LOG_IN.format(username=username))

    def client_for(self, username: str) -> httpx.Client:
        """Return an HTTP client that is logged in as this person."""
        client = httpx.Client(base_url=self.url, trust_env=False, follow_redirects=True, timeout=20)
        client.cookies.set("sessionid", self.session_cookie(username), domain="127.0.0.1")
        return client


@contextlib.contextmanager
def installation(folder: Path, variables: Mapping[str, str], *, is_fresh: bool = False) -> Iterator[Server]:
    """Serve an installation of the suite's set-up; variables add to its environment or replace parts.

    A fresh one makes its tables and collects its files by itself; others get a copy of prepared ones.
    """
    with contextlib.ExitStack() as stack:
        if not is_fresh:
            lay_out(folder)
        if environment.has_services():
            # Redis PubSub knows no databases: two installations on one Redis would hear each other.
            redis = stack.enter_context(Redis())
            database = own_database(is_fresh=is_fresh)
            services = {"DATABASE_URL": database, "REDIS_URL": redis.url, "RUN_WORKERS": "separate"}
            variables = {**services, **variables}
        server = Server(folder, variables)
        stack.callback(server.stop)
        server.start()
        yield server


def own_database(*, is_fresh: bool = False) -> str:
    """Make a database in a PostgreSQL that others use too; return its address."""
    name = f"server_{uuid.uuid4().hex}"
    make = f"CREATE DATABASE {name}" if is_fresh else f"CREATE DATABASE {name} TEMPLATE {prepared()[1]}"
    with psycopg.connect(cluster(), autocommit=True) as connection:
        connection.execute(make)
    return f"{cluster().rpartition('/')[0]}/{name}"


def lay_out(folder: Path) -> None:
    """Copy to an empty folder what the first start of a server makes."""
    if not any(folder.iterdir()):
        shutil.copytree(prepared()[0], folder, dirs_exist_ok=True)


@functools.cache
def prepared() -> tuple[Path, str]:
    """Return the folder and the database's name of an installation that others are copies of.

    The first process of a test run that needs it makes it; the others wait for that.
    """
    shared = environment.shared()
    folder, name = shared / "prepared", shared / "database"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not name.exists():
            _prepare(folder, name)
    return folder, name.read_text()


def _prepare(folder: Path, name: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    variables = {"DATABASE_URL": own_database(is_fresh=True)} if environment.has_services() else {}
    server = Server(folder, variables)
    server.do(PREPARE)
    server.stop()
    name.write_text(variables.get("DATABASE_URL", "").rpartition("/")[2])


def cluster() -> str:
    """Return the address of the PostgreSQL that the suite runs on."""
    return os.environ[environment.DATABASE_VARIABLE]
