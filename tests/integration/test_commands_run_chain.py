"""``run_chain``: a run in a process of its own, for people at a terminal and for programs."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from chains.engine import takeover
from chains.engine.lease import LEASE
from chains.models import ChatSession, LanguageModel, Run, User
from tests.integration.pages_cast import CONDITIONAL, PARALLEL, agent, chain_of
from tests.loopback import Fault, LoopbackProvider, Script
from tests.servers import ROOT, Server

pytestmark = pytest.mark.django_db(transaction=True)

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PURPLE = "38;5;141"


@pytest.fixture
def provider(alice: User, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as running:
        for variable, value in running.environment().items():
            monkeypatch.setenv(variable, value)
        yield running


@pytest.fixture
def scripted(provider: LoopbackProvider) -> Callable[..., str]:
    """Add a model that answers as its script says, and return its label."""
    from chains.actions import load_defaults
    from chains.models import Provider

    load_defaults()
    openai = Provider.objects.get(slug="openai")

    def add(name: str, **script: Any) -> str:
        provider.script(name, Script(**script))
        LanguageModel.objects.create(
            provider=openai, model_id=name, name=name, input_price=1_000, output_price=2_000
        )
        return f"openai/{name}"

    return add


def run_json(slug: str, text: str = "Is it so?") -> dict[str, Any]:
    out = io.StringIO()
    try:
        call_command("run_chain", slug, "--owner", "alice", "--input", text, "--json", stdout=out)
    except CommandError as error:
        return {"failure": str(error), **json.loads(out.getvalue())}
    return {"failure": "", **json.loads(out.getvalue())}


class TestForPrograms:
    def test_one_object_says_what_became_of_every_step(self, alice: User, scripted: Callable[..., str]):
        ada, ben = scripted("ada", text="Yes."), scripted("ben", text="No.")
        chain_of(
            alice,
            replace(agent("Ada", PARALLEL), model=ada),
            replace(agent("Ben", PARALLEL), model=ben),
            replace(agent("Editor", CONDITIONAL, 'contains("perhaps")'), model=ada),
        )
        result = run_json("critics")
        run = Run.objects.get()
        assert (result["run_id"], result["status"], result["failure"]) == (run.pk, "completed", "")
        first, second, last = result["steps"]
        assert (first["name"], first["index"], first["stage"]) == ("Ada", 0, 1)
        assert (first["model"], first["connection_type"]) == ("openai/ada", "parallel")
        assert (first["status"], first["text"], first["error"]) == ("completed", "Yes.", None)
        assert (second["text"], second["skip_reason"]) == ("No.", None)
        assert (last["status"], last["skip_reason"], last["text"]) == ("skipped", "condition", "")
        assert (last["started_at"], last["duration_ms"], last["cost_usd"]) == (None, None, None)

    def test_times_tokens_and_costs_are_those_that_were_recorded(
        self, alice: User, scripted: Callable[..., str]
    ):
        chain_of(alice, replace(agent("Ada"), model=scripted("ada", tokens=5)))
        result = run_json("critics")
        [step] = result["steps"]
        started, first, finished = (
            datetime.fromisoformat(step[key]) for key in ("started_at", "first_token_at", "finished_at")
        )
        assert started <= first <= finished
        assert step["duration_ms"] <= result["wall_ms"]
        attempt = Run.objects.get().steps.get().attempts.get()
        assert (step["input_tokens"], step["output_tokens"]) == (attempt.input_tokens, attempt.output_tokens)
        assert step["cost_usd"] == float(attempt.cost_usd or 0) > 0

    def test_what_is_unknown_is_null(self, alice: User, scripted: Callable[..., str]):
        chain_of(alice, replace(agent("Ada"), model=scripted("ada", tokens=5, usage=False)))
        [step] = run_json("critics")["steps"]
        assert (step["input_tokens"], step["output_tokens"], step["cost_usd"]) == (None, None, None)

    def test_a_run_that_fails_says_why_and_exits_with_an_error(
        self, alice: User, scripted: Callable[..., str]
    ):
        bad = scripted("bad", fault=Fault.STATUS, status=401)
        chain_of(alice, replace(agent("Ada"), model=bad), agent("Ben"))
        result = run_json("critics")
        assert result["status"] == "failed"
        assert "Ada" in result["failure"]
        failed, rest = result["steps"]
        assert (failed["status"], failed["http_status"]) == ("failed", 401)
        assert "401" in failed["error"]
        assert (rest["status"], rest["skip_reason"]) == ("skipped", "not_reached")

    def test_it_has_a_session_of_its_own_in_the_side_bar(self, alice: User, scripted: Callable[..., str]):
        chain_of(alice, replace(agent("Ada"), model=scripted("ada")))
        run_json("critics", "First words of it")
        session = ChatSession.objects.visible_to(alice).get()
        assert session.title == "First words of it"
        assert session.runs.get().is_detached

    def test_the_message_can_come_from_standard_input(
        self, alice: User, scripted: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ):
        chain_of(alice, replace(agent("Ada"), model=scripted("ada", echo=True)))
        monkeypatch.setattr(sys, "stdin", io.StringIO("from a pipe"))
        assert "from a pipe" in run_json("critics", "-")["steps"][0]["text"]


class TestRefusing:
    def test_another_persons_chain_is_not_there(self, alice: User, bob: User):
        chain_of(bob, agent("Ada"))
        with pytest.raises(CommandError, match="alice has no chain “critics”"):
            call_command("run_chain", "critics", "--owner", "alice", "--input", "Hello")

    def test_an_empty_message_starts_nothing(self, alice: User):
        chain_of(alice)
        with pytest.raises(CommandError, match="Type a message first"):
            call_command("run_chain", "critics", "--owner", "alice", "--input", " ")
        assert not ChatSession.objects.exists()


class Broken(io.StringIO):
    """An output that cannot even be asked what it is."""

    def isatty(self) -> bool:
        raise OSError("gone")


def test_a_command_that_ends_before_it_begins_its_run_leaves_it_leased_and_the_server_finds_it(alice: User):
    chain_of(alice)
    with pytest.raises(OSError, match="gone"):
        call_command("run_chain", "critics", "--owner", "alice", "--input", "Hello", stdout=Broken())
    run = Run.objects.get()
    assert run.status == "queued"
    assert Run.objects.filter(lease_expires_at__gt=Now(), lease_expires_at__lte=Now() + LEASE).exists()
    Run.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
    assert takeover.lapsed_runs() == [run.pk]
    takeover.take_over(run.pk, "server")
    run.refresh_from_db()
    assert (run.status, run.is_waiting) == ("interrupted", True)


class TestForPeople:
    def test_a_pipe_gets_plain_lines_and_every_answer(self, alice: User, scripted: Callable[..., str]):
        chain_of(
            alice,
            replace(agent("Ada", PARALLEL), model=scripted("ada", text="Yes.\x1b[31m")),
            replace(agent("Ben", PARALLEL), model=scripted("ben", text="No.")),
        )
        out = io.StringIO()
        call_command("run_chain", "critics", "--owner", "alice", "--input", "Is it so?", stdout=out)
        said = out.getvalue()
        assert "Ada (openai/ada) started\n" in said
        assert "Ben (openai/ben) completed after" in said
        assert said.index("## Ada") < said.index("Yes.") < said.index("## Ben") < said.index("No.")
        assert "Completed in" in said
        assert "\x1b" not in said

    def test_a_failure_is_told_with_its_attempts(self, alice: User, scripted: Callable[..., str]):
        chain_of(alice, replace(agent("Ada"), model=scripted("bad", fault=Fault.STATUS, status=500)))
        out = io.StringIO()
        with pytest.raises(CommandError, match="failed"):
            call_command("run_chain", "critics", "--owner", "alice", "--input", "Hello", stdout=out)
        assert "attempt 1 failed" in out.getvalue()
        assert "started again (attempt 3)" in out.getvalue()
        assert "(500)" in out.getvalue()


FILE = {
    "format": "chainchat/1",
    "name": "Pair",
    "agents": [
        {"name": "Ada", "model": "simulated/slow", "connection_type": "parallel"},
        {"name": "Ben", "model": "simulated/slow", "connection_type": "parallel"},
        {"name": "Editor", "model": "simulated/fast"},
    ],
}


class TestInAProcessOfItsOwn:
    @pytest.fixture
    def command(self, server: Server, tmp_path: Path) -> list[str]:
        server.session_cookie("alice")
        path = tmp_path / "pair.json"
        path.write_text(json.dumps(FILE))
        assert server.manage("import_chain", str(path), "--owner", "alice").returncode == 0
        return [sys.executable, "manage.py", "run_chain", "pair", "--owner", "alice", "--input", "Is it so?"]

    def test_ctrl_c_stops_it_and_keeps_what_had_come(self, server: Server, command: list[str]):
        with subprocess.Popen(
            [*command, "--json"],
            cwd=ROOT, env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stderr is not None
            for line in process.stderr:
                if "Agent 2 (Ben) starting" in line:
                    break
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
        assert process.returncode != 0
        result = json.loads(out)
        assert result["status"] == "cancelled"
        assert [step["status"] for step in result["steps"]] == ["cancelled", "cancelled", "skipped"]
        assert "Traceback" not in err

    def test_what_a_killed_command_leaves_is_found_by_the_server(self, server: Server, command: list[str]):
        with subprocess.Popen(
            [*command, "--json"],
            cwd=ROOT, env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stderr is not None
            for line in process.stderr:
                if "Agent 2 (Ben) starting" in line:
                    break
            process.kill()
        status = "from chains.models import Run; print(Run.objects.latest('id').status)"
        found = ""
        while found != "interrupted":
            time.sleep(0.5)
            found = server.do(status)
            assert found in ("running", "interrupted")

    def test_a_terminal_shows_the_members_of_a_group_streaming_side_by_side(
        self, server: Server, command: list[str]
    ):
        both = "Parallel streaming….*Parallel streaming…"
        screen = on_a_terminal(command, server, until=lambda text: bool(re.search(both, CODES.sub("", text))))
        plain = CODES.sub("", screen)
        assert re.search(both, plain), "the two columns of the group never streamed in one picture"
        assert PURPLE in screen
        assert "Editor  Waiting for Ada and Ben…" in plain


def on_a_terminal(command: list[str], server: Server, until: Callable[[str], bool]) -> str:
    """Run a command on a terminal of 120 × 40 until its output satisfies, stop it, return the output."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    variables = server.environment | {"TERM": "xterm-256color"}
    seen = b""
    with subprocess.Popen(command, cwd=ROOT, env=variables, stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        try:
            while chunk := os.read(ours, 65_536):
                seen += chunk
                if until(seen.decode(errors="replace")):
                    process.send_signal(signal.SIGINT)
                    until = lambda text: False  # noqa: E731
        except OSError:
            pass  # the other end is closed
    os.close(ours)
    return seen.decode(errors="replace")
