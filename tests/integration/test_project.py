"""The project as a newcomer meets it: documents that are complete, scripts that say what is missing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from django.core.management import call_command

from tests.environment import PINNED
from tests.servers import ROOT, Server

StartServer = Callable[..., Server]
SETTINGS = (ROOT / "chainchat" / "settings.py").read_text()
PROVIDERS = "".join(path.read_text() for path in (ROOT / "chains" / "providers").glob("*.py"))
READ_BY_SETTINGS = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', SETTINGS))
READ_BY_PROVIDERS = set(re.findall(r'"([A-Z]+_(?:API_KEY|BASE_URL))"', PROVIDERS))
VARIABLES = READ_BY_SETTINGS | READ_BY_PROVIDERS


def run(*command: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.once
class TestVariables:
    def test_they_are_found(self):
        assert {"DATABASE_URL", "PORT", "OPENAI_API_KEY", "OLLAMA_BASE_URL"} <= VARIABLES

    def test_the_readme_lists_each(self):
        assert set(re.findall(r"`([A-Z_]+)`", (ROOT / "README.md").read_text())) >= VARIABLES

    def test_the_example_file_names_exactly_these(self):
        assert set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M)) == VARIABLES

    def test_no_test_can_read_the_developers_own(self):
        assert set(PINNED) | {"VAR_DIR"} == VARIABLES


@pytest.mark.once
class TestLock:
    @pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
    def test_every_package_has_its_version_and_hashes(self, name: str):
        packages = re.split(r"\n(?=[a-z])", (ROOT / name).read_text())[1:]
        assert len(packages) > 20
        assert all(re.match(r"[\w.\[\],-]+==\S+", package) for package in packages)
        assert all("--hash=sha256:" in package for package in packages)

    def test_the_lock_holds_what_the_project_asks_for(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        locked = (ROOT / "requirements.txt").read_text()
        for requirement in project["project"]["dependencies"]:
            name = re.match(r"[\w-]+", requirement)
            assert name
            assert re.search(rf"^{name[0]}(\[.*\])?==", locked, re.M), f"run make lock for {requirement}"


class TestTables:
    @pytest.mark.django_db
    def test_the_migrations_make_the_models(self):
        call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.once
class TestEnvironmentScript:
    """``make run`` on a machine where something is missing."""

    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        (tmp_path / "scripts").mkdir()
        shutil.copy(ROOT / "scripts" / "environment", tmp_path / "scripts")
        (tmp_path / "requirements.txt").write_text("")
        return tmp_path

    def test_a_missing_python_is_named(self, checkout: Path):
        done = run("scripts/environment", "requirements.txt", folder=checkout, PYTHON="/usr/bin/false")
        assert done.returncode == 1
        assert "Python 3.11 or newer is missing" in done.stderr
        assert not (checkout / ".venv").exists()

    def test_an_environment_is_made_once(self, checkout: Path):
        command = ("scripts/environment", "requirements.txt")
        first = run(*command, folder=checkout, PYTHON=sys.executable)
        assert first.returncode == 0, first.stderr
        assert "installing the packages" in first.stderr
        again = run(*command, folder=checkout, PYTHON=sys.executable)
        assert (again.returncode, again.stderr) == (0, "")

    def test_changed_requirements_are_installed(self, checkout: Path):
        command = ("scripts/environment", "requirements.txt")
        run(*command, folder=checkout, PYTHON=sys.executable)
        (checkout / "requirements.txt").write_text("not-to-be-had @ file:///nowhere\n")
        changed = run(*command, folder=checkout, PYTHON=sys.executable)
        assert changed.returncode == 1
        assert "could not install the packages of requirements.txt" in changed.stderr


@pytest.mark.once
class TestSystemPackagesScript:
    def test_it_names_one_command_where_it_may_not_install(self, tmp_path: Path):
        for tool in ("id", "ls", "sh"):
            (tmp_path / tool).symlink_to(shutil.which(tool) or "")
        done = run("scripts/system-packages", PATH=str(tmp_path))
        assert done.returncode == 1
        assert re.search(r"sudo apt-get install chromium-headless-shell .*redis-server$", done.stderr, re.M)

    def test_it_is_silent_when_nothing_is_missing(self):
        done = run("scripts/system-packages")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.once
class TestServices:
    def test_they_live_as_long_as_the_command_and_pass_on_its_exit_code(self):
        show = "import os; print(os.environ['CHAINCHAT_TEST_REDIS_URL']); raise SystemExit(3)"
        done = run(sys.executable, "-m", "tests.services", "--", sys.executable, "-c", show)
        assert done.returncode == 3, done.stderr
        port = re.search(r":(\d+)/", done.stdout)
        assert port
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(port[1])), timeout=1)

    def test_a_command_is_needed(self):
        done = run(sys.executable, "-m", "tests.services")
        assert done.returncode == 2
        assert "usage:" in done.stderr


class TestServe:
    """``manage.py serve``, which is what ``make run`` starts."""

    def test_the_first_start_prints_a_link_that_makes_the_administrator(self, start_server: StartServer):
        server = start_server(is_fresh=True)
        assert server.web
        server.web.wait_for("works once")
        link = re.search(rf"works once\): ({server.url}/setup/\S+/)", server.log.read_text())
        assert link
        assert httpx.get(link[1], trust_env=False).status_code == 200

    @pytest.mark.once
    def test_the_page_of_a_stranger_comes_with_its_styles(self, start_server: StartServer):
        server = start_server(is_fresh=True)
        page = httpx.get(f"{server.url}/", trust_env=False, follow_redirects=True)
        assert page.status_code == 200
        styles = re.findall(r'href="(/static/[^"]+\.css)"', page.text)
        assert styles
        for address in styles:
            sheet = httpx.get(server.url + address, trust_env=False)
            assert sheet.status_code == 200
            # No second round for what it imports.
            assert "@import" not in sheet.text
            assert ".landing" in sheet.text
            assert "immutable" in sheet.headers["cache-control"]
            assert sheet.headers["x-content-type-options"] == "nosniff"
            assert sheet.headers["content-encoding"] == "gzip"
        assert httpx.get(f"{server.url}/static/css/none.css", trust_env=False).status_code == 404

    def test_the_next_start_keeps_what_people_made_and_prints_no_link(self, start_server: StartServer):
        server = start_server()
        made = server.manage(
            "shell", "--no-imports", "-c",
            "from chains.models import User; User.objects.create_superuser('root', 'root@example.org', 'pw')",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        server.stop()
        server.log.write_text("")
        server.start()
        assert "/setup/" not in server.log.read_text()
        with server.client_for("root") as root:
            assert root.get("/admin/").status_code == 200

    def test_a_signal_ends_it_in_good_order(self, start_server: StartServer):
        server = start_server()
        processes = [process for process in (server.web, server.worker) if process]
        assert [process.end(signal.SIGTERM) for process in processes] == [0] * len(processes)

    @pytest.mark.once
    def test_a_port_that_is_taken_is_named_with_the_way_out(self, start_server: StartServer):
        server = start_server()
        second = server.manage("serve")
        assert second.returncode == 1
        assert f"Port {server.port}" in second.stderr
        assert "PORT=" in second.stderr
