"""Several processes on one PostgreSQL: they start at once, share its connections, and go without a loss."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import psycopg
import pytest

from chainchat.databases import POOL_TIMEOUT_S
from tests.integration.programs import Answer, Program, question
from tests.servers import CommandProcess, Server
from tests.services import PostgreSQL, Redis

pytestmark = pytest.mark.once

PATIENCE_S = 60.0
POOL = 3
COOKIE = {"Cookie": f"sessionid={'x' * 32}"}


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL() as running:
        yield running


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as running:
        yield running


def new_database(postgresql: PostgreSQL, name: str) -> str:
    with psycopg.connect(postgresql.url, autocommit=True) as cluster:
        cluster.execute(f"CREATE DATABASE {name}")
    return postgresql.url_of(name)


def get(address: str) -> httpx.Response:
    return httpx.get(address, trust_env=False, timeout=PATIENCE_S)


def test_processes_that_start_at_once_on_an_empty_database_prepare_it_once(
    postgresql: PostgreSQL, redis: Redis, tmp_path_factory: pytest.TempPathFactory
):
    url = new_database(postgresql, "fresh")
    common = {"DATABASE_URL": url, "REDIS_URL": redis.url}
    first, other = (Server(tmp_path_factory.mktemp("host"), common) for _ in range(2))
    # Two on one host, one on another; each would like to be the first.
    beside = Server(first.folder, common)
    beside.log = first.folder / "beside.log"
    servers = (first, beside, other)
    for server in servers:
        server.web = CommandProcess("serve", server.environment, server.log)
    try:
        for server in servers:
            assert server.web
            server.web.wait_for(f"Open {server.url}/")
            assert get(f"{server.url}/readyz").json()["ready"] is True
            assert "Traceback" not in server.log.read_text()
            page = get(f"{server.url}/welcome/").text
            style = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
            assert get(server.url + style).status_code == 200
    finally:
        for server in servers:
            server.stop()
    with psycopg.connect(url) as database:
        applied = database.execute("SELECT app, name FROM django_migrations").fetchall()
        models = database.execute("SELECT provider_id, model_id FROM chains_languagemodel").fetchall()
    assert len(applied) == len(set(applied)) > 0
    assert len(models) == len(set(models)) > 0


@pytest.fixture(scope="module")
def small(postgresql: PostgreSQL, redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A process that may open few connections, and carries out runs too."""
    variables = {
        "DATABASE_URL": new_database(postgresql, "small"),
        "REDIS_URL": redis.url,
        "DATABASE_POOL_SIZE": str(POOL),
    }
    server = Server(tmp_path_factory.mktemp("small"), variables)
    # The test's own processes have connections, too.
    server.start_web(PGAPPNAME="web")
    yield server
    server.stop()


class TestPool:
    def test_many_requests_at_once_share_few_connections(self, small: Server):
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'small' AND application_name = 'web'"
        with (
            small.client_for("alice") as alice,
            ThreadPoolExecutor(30) as people,
            psycopg.connect(small.environment["DATABASE_URL"], autocommit=True) as database,
        ):
            asked = [people.submit(alice.get, "/") for _ in range(90)]
            most = 0
            while not all(answer.done() for answer in asked):
                [number] = database.execute(count).fetchone() or [0]
                most = max(most, number)
        assert {answer.result().status_code for answer in asked} == {200}
        assert 1 <= most <= POOL

    def test_when_all_are_taken_for_too_long_one_is_told_to_come_back(self, small: Server):
        with (
            psycopg.connect(small.environment["DATABASE_URL"]) as database,
            ThreadPoolExecutor(POOL + 1) as people,
        ):
            database.execute("LOCK TABLE django_session IN ACCESS EXCLUSIVE MODE")
            began = time.monotonic()

            def ask() -> Future[httpx.Response]:
                return people.submit(
                    httpx.get, small.url, headers=COOKIE, trust_env=False, timeout=PATIENCE_S
                )

            asked = [ask() for _ in range(POOL + 1)]
            while not any(answer.done() for answer in asked):
                time.sleep(0.1)
            # The runtime's journal has one of them: it must not be pushed out by pages.
            late = [answer.result() for answer in asked if answer.done()]
            assert time.monotonic() - began >= POOL_TIMEOUT_S
            for answer in late:
                assert answer.status_code == 503
                assert "It may be restarting, or busy." in answer.text
                assert answer.headers["Retry-After"] == "5"
            assert get(f"{small.url}/healthz").status_code == 200
            told = get(f"{small.url}/readyz").json()
            assert (told["ready"], told["database"], told["runs"]) == (False, "does not answer", "ok")
            api = httpx.get(
                f"{small.url}/v1/models", trust_env=False, timeout=PATIENCE_S,
                headers={"Authorization": "Bearer cc-nobodys"},
            )  # fmt: skip
            assert (api.status_code, api.json()["error"]["code"]) == (503, "unavailable")
            database.rollback()
        # Those that had a connection were not disturbed.
        assert [answer.result().status_code for answer in asked].count(302) == POOL - 1
        assert get(f"{small.url}/readyz").json()["ready"] is True


class TestGoing:
    """A web process beside separate workers is told to go while a program reads an answer from it."""

    @pytest.fixture
    def site(
        self, postgresql: PostgreSQL, redis: Redis, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Server]:
        folder = tmp_path_factory.mktemp("going")
        variables = {
            "DATABASE_URL": new_database(postgresql, folder.name.replace("-", "_")),
            "REDIS_URL": redis.url,
            "RUN_WORKERS": "separate",
            "WORKER_GRACE": "60",
        }
        server = Server(folder, variables)
        server.start()
        yield server
        server.stop()

    @pytest.fixture
    def program(self, site: Server) -> Iterator[Program]:
        program = Program(site, "api-ada")
        program.import_chains()
        with program.http:
            yield program

    def test_it_finishes_the_answer_and_sends_everybody_else_elsewhere(self, site: Server, program: Program):
        answer = Answer()
        web = site.web
        assert web
        asked = program.http.stream("POST", "/v1/chat/completions", json=question("chain/slow", stream=True))
        with asked as response:
            lines = response.iter_lines()
            while len(answer.texts) < 3:
                answer.take(next(lines))
            web.process.terminate()
            self.sees_it_leave(site)
            refused = program.ask("chain/slow")
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
            assert "ask again" in refused.json()["error"]["message"]
            for line in lines:
                answer.take(line)
        assert answer.is_done
        assert web.process.wait(PATIENCE_S) == 0
        run = program.run(answer.run)
        assert (run["status"], run["output"]) == ("completed", answer.text)

    def sees_it_leave(self, site: Server) -> None:
        deadline = time.monotonic() + PATIENCE_S
        with httpx.Client(trust_env=False, timeout=PATIENCE_S) as balancer:
            while (told := balancer.get(f"{site.url}/readyz")).status_code == 200:
                assert time.monotonic() < deadline
            assert told.status_code == 503
            assert told.json()["process"] == "goes away"
            assert balancer.get(f"{site.url}/healthz").status_code == 200
