"""What a process says of its own state: to load balancers, to systemd, by the age of a file."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.servers import CommandProcess, Server
from tests.services import PostgreSQL, Redis

pytestmark = pytest.mark.once

PATIENCE_S = 30.0
SECRETS = ("postgres", "127.0.0.1", "redis", "Traceback", "Error", "password")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL() as running:
        yield running


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL, redis: Redis) -> Iterator[Server]:
    """A web process whose services a test may stop, if it starts them again."""
    variables = {"DATABASE_URL": postgresql.url, "REDIS_URL": redis.url, "RUN_WORKERS": "separate"}
    server = Server(tmp_path_factory.mktemp("health"), variables)
    server.start_web()
    yield server
    server.stop()


def ask(site: Server, path: str = "/readyz", method: str = "GET", **headers: str) -> httpx.Response:
    with httpx.Client(base_url=site.url, trust_env=False, timeout=PATIENCE_S) as client:
        return client.request(method, path, headers=headers)


def wait_until_ready(site: Server) -> dict[str, Any]:
    """Ask until it says that it is ready."""
    deadline = time.monotonic() + PATIENCE_S
    while (response := ask(site)).status_code != 200:
        assert time.monotonic() < deadline, response.text
        time.sleep(0.1)
    return response.json()


class TestHealthz:
    def test_it_answers_whatever_name_it_is_called_by_and_sets_nothing(self, server: Server):
        for host in (f"127.0.0.1:{server.port}", "10.0.0.7:8000", "evil.example", "a b"):
            response = ask(server, "/healthz", Host=host)
            assert (response.status_code, response.json()) == (200, {"alive": True})
            assert response.headers["Cache-Control"] == "no-store"
            assert "Set-Cookie" not in response.headers
            assert host not in response.text

    @pytest.mark.parametrize("path", ["/healthz", "/readyz"])
    def test_head_has_the_same_head_and_no_body(self, server: Server, path: str):
        asked, whole = ask(server, path, "HEAD"), ask(server, path)
        assert asked.content == b""
        for name in ("Content-Length", "Content-Type", "Cache-Control"):
            assert asked.headers[name] == whole.headers[name]
        assert asked.status_code == whole.status_code == 200

    @pytest.mark.parametrize("path", ["/healthz", "/readyz"])
    def test_nothing_else_can_be_done_with_it(self, server: Server, path: str):
        response = ask(server, path, "POST")
        assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


class TestReadyz:
    def test_it_names_every_part_that_is_well(self, start_server: Callable[..., Server]):
        server = start_server(RUN_WORKERS="web")
        parts = {"process": "ok", "database": "ok", "channel_layer": "ok", "runs": "ok"}
        assert ask(server, Host="10.0.0.7").json() == {"ready": True, **parts}

    def test_where_runs_have_processes_of_their_own_it_does_not_speak_of_them(self, site: Server):
        parts = {"process": "ok", "database": "ok", "channel_layer": "ok"}
        assert wait_until_ready(site) == {"ready": True, **parts}

    def test_a_database_that_is_away_is_named_and_nothing_else_is_told(
        self, site: Server, postgresql: PostgreSQL
    ):
        wait_until_ready(site)
        postgresql.stop(signal.SIGQUIT)
        try:
            response = ask(site)
            assert response.status_code == 503
            parts = {"process": "ok", "database": "does not answer", "channel_layer": "ok"}
            assert response.json() == {"ready": False, **parts}
            assert not [word for word in SECRETS if word in response.text]
            assert ask(site, "/healthz").status_code == 200
            page = ask(site, "/", Cookie=f"sessionid={'x' * 32}")
            assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
            assert "The database does not answer" in page.text
            assert re.search(r'<a class="[^"]*\bbutton-primary\b[^"]*" href="/">Try again</a>', page.text)
        finally:
            postgresql.start()
        wait_until_ready(site)

    def test_a_channel_layer_that_is_away_is_named(self, site: Server, redis: Redis):
        wait_until_ready(site)
        redis.stop()
        try:
            response = ask(site)
            assert response.status_code == 503
            parts = {"process": "ok", "database": "ok", "channel_layer": "does not answer"}
            assert response.json() == {"ready": False, **parts}
        finally:
            redis.start()
        wait_until_ready(site)

    def test_a_database_without_the_newest_tables_is_not_ready(self, site: Server, postgresql: PostgreSQL):
        newest = "app = 'chains' AND name = (SELECT max(name) FROM django_migrations WHERE app = 'chains')"
        with psycopg.connect(postgresql.url, autocommit=True) as database:
            row = database.execute(f"DELETE FROM django_migrations WHERE {newest} RETURNING *").fetchone()
            response = ask(site)
            database.execute("INSERT INTO django_migrations VALUES (%s, %s, %s, %s)", row)
        assert response.status_code == 503
        assert response.json()["database"] == "not migrated"
        wait_until_ready(site)


class Watcher:
    """What systemd is: it hears what a process says of itself."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self.heard: list[str] = []
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind(self.address)
        self._line.settimeout(PATIENCE_S)

    def hear(self, words: str) -> None:
        """Listen until it is told this."""
        while words not in self.heard:
            self.heard += self._line.recv(4096).decode().splitlines()

    def forget(self) -> None:
        self._line.setblocking(False)
        try:
            while self._line.recv(4096):
                pass
        except BlockingIOError:
            self.heard.clear()
        self._line.settimeout(PATIENCE_S)


class TestWorkers:
    """They have no port: a file's age and systemd's own line say how they are."""

    @pytest.fixture
    def beats(self, tmp_path: Path) -> Path:
        return tmp_path / "worker"

    @pytest.fixture
    def watcher(self, tmp_path: Path) -> Watcher:
        return Watcher(tmp_path)

    @pytest.fixture
    def worker(self, site: Server, tmp_path: Path, watcher: Watcher, beats: Path) -> Iterator[CommandProcess]:
        variables = {"HEARTBEAT_FILE": str(beats), "NOTIFY_SOCKET": watcher.address}
        worker = CommandProcess("chain_worker", site.environment | variables, tmp_path / "worker.log")
        yield worker
        worker.end()

    def test_a_worker_says_when_it_is_ready_when_it_is_not_and_when_it_goes(
        self, worker: CommandProcess, watcher: Watcher, beats: Path, redis: Redis
    ):
        watcher.hear("READY=1")
        watcher.hear("STATUS=Ready")
        watcher.hear("WATCHDOG=1")
        watcher.forget()
        # It goes on beating.
        watcher.hear("WATCHDOG=1")
        assert time.time() - beats.stat().st_mtime < PATIENCE_S

        redis.stop()
        try:
            watcher.hear("STATUS=Not ready: channel_layer: does not answer")
            os.utime(beats, (0, 0))
            watcher.forget()
            watcher.hear("STATUS=Not ready: channel_layer: does not answer")
            assert beats.stat().st_mtime == 0
            # Its loop turns: to start it anew would help nobody.
            assert "WATCHDOG=1" in watcher.heard
        finally:
            redis.start()
        watcher.hear("STATUS=Ready")
        assert beats.stat().st_mtime > 0

        assert worker.end(signal.SIGTERM) == 0
        watcher.hear("STOPPING=1")
        assert not beats.exists()
        assert "Not ready: channel_layer: does not answer" in worker.log.read_text()

    def test_a_worker_waits_until_somebody_has_made_the_tables(
        self, site: Server, postgresql: PostgreSQL, tmp_path: Path
    ):
        with psycopg.connect(postgresql.url, autocommit=True) as database:
            database.execute("CREATE DATABASE empty_yet")
        own = site.environment | {"DATABASE_URL": postgresql.url_of("empty_yet")}
        worker = CommandProcess("chain_worker", own, tmp_path / "early.log")
        try:
            worker.wait_for("Worker waits: the database is not migrated")
            assert "Worker ready" not in worker.log.read_text()
            web = Server(tmp_path, own | {"PORT": "8000"})
            assert web.manage("migrate").returncode == 0
            worker.wait_for("Worker ready")
        finally:
            worker.end()
