"""Commands that are killed or interrupted, and a server that is told to go, with windows open on it.

What a killed server leaves behind has a module of its own.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from threading import Event

import pytest

from tests.integration.authors import LAST, Author, group
from tests.integration.visitors import Visitor, Window
from tests.loopback import Fault, LoopbackProvider, Script
from tests.servers import Server, installation

PAIR = [agent.name for agent in group(2)]
TPS = 40
LONG = Script(tps=TPS, tokens=15 * TPS)
NEWEST = (
    "from chains.models import ChatSession;"
    "print(ChatSession.objects.filter(owner__username='alice').latest('id').pk)"
)

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def loopback() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as running:
        yield running


@pytest.fixture(scope="module")
def site(loopback: LoopbackProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with installation(tmp_path_factory.mktemp("survival"), loopback.environment()) as running:
        yield running


@pytest.fixture(scope="module")
def alice(site: Server) -> Iterator[Visitor]:
    visitor = Visitor(site)
    with closing(visitor.http):
        yield visitor


@pytest.fixture(scope="module")
def chains(site: Server, loopback: LoopbackProvider, alice: Visitor) -> Author:
    author = Author(site, loopback)
    author.writes(three=[*group(2), LAST])
    return author


@pytest.fixture
def author(chains: Author, loopback: LoopbackProvider) -> Author:
    loopback.reset()
    return chains


def all_of(name: str, tokens: int) -> str:
    return "".join(f"{name}-{number} " for number in range(tokens))


class TestACommand:
    @pytest.fixture
    def streaming(self, author: Author) -> Iterator[subprocess.Popen[str]]:
        author.plays(LONG, *PAIR)
        with author.begins("three") as process:
            for name in PAIR:
                author.provider.wait_for_first_token(name)
            yield process
            process.kill()

    def test_that_is_interrupted_hangs_up_and_still_prints_its_one_object(
        self, author: Author, streaming: subprocess.Popen[str]
    ) -> None:
        streaming.send_signal(signal.SIGINT)
        out, err = streaming.communicate()
        assert streaming.returncode != 0
        result = json.loads(out)
        assert result["status"] == "cancelled"
        assert [step["status"] for step in result["steps"]] == ["cancelled", "cancelled", "skipped"]
        for name, step in zip(PAIR, result["steps"], strict=False):
            author.provider.wait_for_hang_up(name)
            assert step["text"] == all_of(name, len(step["text"].split())) != ""
        assert "Traceback" not in err

    def test_that_fails_prints_nothing_on_stdout_but_its_one_object(self, author: Author) -> None:
        author.plays(Script(fault=Fault.STATUS, status=400), *PAIR)
        with author.begins("three") as process:
            out, err = process.communicate()
        assert process.returncode != 0
        result = json.loads(out)
        assert result["status"] == "failed"
        assert [step["http_status"] for step in result["steps"]] == [400, 400, None]
        assert "w0x (openai/w0x): OpenAI did not accept the request (400)" in err

    def test_that_is_killed_leaves_an_interrupted_run_which_nobody_goes_on_with(
        self, author: Author, alice: Visitor, streaming: subprocess.Popen[str]
    ) -> None:
        session = int(author.does(NEWEST))
        alice.waits(session, lambda shown: all(alice.text_of(column) for column in shown.columns[:2]))
        streaming.kill()
        streaming.wait()
        run = alice.waits(session)
        assert (run.status, run.statuses) == ("interrupted", ["interrupted", "interrupted", "skipped"])
        assert "Not reached" in run.columns[2].words
        for name, column in zip(PAIR, run.columns, strict=False):
            text = alice.text_of(column)
            assert text == all_of(name, len(text.split())) != ""
        assert sorted(call.model for call in author.provider.calls) == PAIR


def test_a_server_that_is_told_to_go_says_so_to_its_windows_and_gives_its_leases_back(
    author: Author, alice: Visitor, site: Server
) -> None:
    ends = Event()
    author.plays(Script(tps=TPS, tokens=5 * TPS, ends=ends), *PAIR)
    session = alice.opens("three")
    with Window(alice, session) as one, Window(alice, session) as other:
        sent = alice.sent(session)
        for name in PAIR:
            author.provider.wait_for_first_token(name)
        assert site.web is not None
        assert site.web.end(signal.SIGTERM) == 0
        ends.set()
        assert (one.wait_until_closed(), other.wait_until_closed()) == (4012, 4012)
    owner = author.does(f"from chains.models import Run; print(Run.objects.get(pk={sent.id}).lease_owner)")
    site.start_web()
    if site.worker:
        # Runs have a process of their own: they go on while nobody is there to ask for them.
        run = alice.waits(session)
        assert run.status == "completed"
        assert [alice.text_of(column) for column in run.columns[:2]] == [
            all_of(name, 5 * TPS) for name in PAIR
        ]
    else:
        # Nothing had to lapse before the next start took it up.
        assert owner.strip() == ""
        run = alice.waits(session)
        assert run.status == "interrupted"
        assert run.statuses == ["interrupted", "interrupted", "skipped"]
