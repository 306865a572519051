"""Runs over HTTP, as a person's browser has them: real processes, and a provider that tells what it saw."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from threading import Event

import pytest

from chains.engine.lease import LEASE
from tests.integration.authors import LAST, Agent, Author, group
from tests.integration.visitors import RunShown, Visitor, Window
from tests.loopback import Fault, LoopbackProvider, Script
from tests.loopback.server import KEY
from tests.servers import Server, installation

FOUR = [agent.name for agent in group(4)]
TPS = 40
# Fifteen seconds of text, which nobody waits for; and one of text, to its end.
LONG, SHORT = Script(tps=TPS, tokens=15 * TPS), Script(tps=TPS, tokens=TPS)
# Sets the flag as an action does whose hint is lost, and says when by the clock of this machine.
FLAG = """
import time
from django.db.models import F
from django.utils import timezone
from chains.models import Run
Run.objects.filter(pk={run}).update(stop_requested_at=timezone.now(), stop_signals=F("stop_signals") + 1)
print(time.monotonic())
"""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def loopback() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as running:
        yield running


@pytest.fixture(scope="module")
def site(loopback: LoopbackProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with installation(tmp_path_factory.mktemp("real"), loopback.environment()) as running:
        yield running


@pytest.fixture(scope="module")
def alice(site: Server) -> Iterator[Visitor]:
    visitor = Visitor(site)
    with closing(visitor.http):
        yield visitor


@pytest.fixture(scope="module")
def alice_elsewhere(site: Server, alice: Visitor) -> Iterator[Visitor]:
    """The same person at another device."""
    visitor = Visitor(site)
    with closing(visitor.http):
        yield visitor


@pytest.fixture(scope="module")
def bob(site: Server) -> Iterator[Visitor]:
    visitor = Visitor(site, "bob")
    with closing(visitor.http):
        yield visitor


@pytest.fixture(scope="module")
def chains(site: Server, loopback: LoopbackProvider, alice: Visitor) -> Author:
    author = Author(site, loopback)
    author.writes(solo=[Agent("solo", "direct")], four=[*group(4), LAST])
    return author


@pytest.fixture
def author(chains: Author, loopback: LoopbackProvider) -> Author:
    loopback.reset()
    return chains


def all_of(name: str, tokens: int) -> str:
    return "".join(f"{name}-{number} " for number in range(tokens))


def hang_up_of(author: Author, name: str) -> float:
    moment = author.provider.wait_for_hang_up(name).hung_up_at
    assert moment is not None
    return moment


class TestSending:
    def test_the_same_request_again_is_the_same_run(self, author: Author, alice: Visitor) -> None:
        session = alice.opens("four")
        answers = [alice.sends(session, request_id="once") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        alice.waits(session)
        again = alice.sends(session, request_id="once")
        assert again.status_code == 200
        assert [run.status for run in alice.sees(session)] == ["completed"]
        assert sorted(call.model for call in author.provider.calls) == sorted([*FOUR, "last"])

    def test_eight_at_the_same_time_with_one_request_are_one_run(
        self, author: Author, alice: Visitor
    ) -> None:
        session = alice.opens("four")
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: alice.sends(session, request_id="at-once"), range(8)))
        assert [answer.status_code for answer in answers] == [200] * 8
        assert len({run for answer in answers for run in re.findall(r'data-run="(\d+)"', answer.text)}) == 1
        alice.waits(session)
        assert len(alice.sees(session)) == 1
        assert sorted(call.model for call in author.provider.calls) == sorted([*FOUR, "last"])

    def test_a_second_message_waits_in_the_composer_until_the_first_has_been_answered(
        self, author: Author, alice: Visitor
    ) -> None:
        ends = Event()
        author.plays(replace(SHORT, ends=ends), "solo")
        session = alice.opens("solo")
        alice.sent(session, "the first")
        refused = alice.sends(session, "typed too early")
        assert refused.status_code == 409
        ends.set()
        assert re.search(r"<textarea[^>]*>typed too early</textarea>", refused.text)
        run = alice.waits(session)
        assert run.status == "completed"
        assert alice.text_of(run.columns[0]) == all_of("solo", TPS)
        alice.sent(session, "typed too early")
        assert alice.waits(session).status == "completed"
        assert len(alice.sees(session)) == 2
        assert len(author.provider.calls) == 2

    def test_a_run_goes_on_when_nobody_watches(self, author: Author, alice: Visitor, site: Server) -> None:
        author.plays(SHORT, *FOUR)
        leaver = Visitor(site)
        with closing(leaver.http):
            session = leaver.opens("four")
            with Window(leaver, session):
                leaver.sent(session)
                author.provider.wait_for_first_token(FOUR[0])
        # Every tab is closed now. The last agent is called when all four have ended.
        author.provider.wait_for_calls(1, "last")
        run = alice.waits(session)
        assert run.status == "completed"
        assert [alice.text_of(column) for column in run.columns[:4]] == [all_of(name, TPS) for name in FOUR]


class TestStopping:
    """From another device. Seconds are the promise here, by the provider's clock."""

    @pytest.fixture
    def session(self, author: Author, alice: Visitor) -> int:
        author.plays(LONG, *FOUR)
        return alice.opens("four")

    @pytest.fixture
    def streaming(self, author: Author, alice: Visitor, session: int) -> RunShown:
        run = alice.sent(session)
        for name in FOUR:
            author.provider.wait_for_first_token(name)
        return run

    def test_a_run_that_is_stopped_hangs_up_everywhere(
        self, author: Author, alice: Visitor, alice_elsewhere: Visitor, session: int, streaming: RunShown
    ) -> None:
        assert alice_elsewhere.posts(f"/runs/{streaming.id}/stop").status_code == 204
        for name in FOUR:
            hang_up_of(author, name)
        run = alice.waits(session)
        assert (run.status, run.statuses) == ("cancelled", ["cancelled"] * 4 + ["skipped"])
        for column in run.columns[:4]:
            assert re.search(
                r"Stopped after .*; the connection to the provider was closed within .* kept\.", column.words
            )
        assert len(author.provider.calls) == 4

    def test_a_column_that_is_stopped_hangs_up_alone_and_the_chain_goes_on_without_it(
        self, author: Author, alice: Visitor, alice_elsewhere: Visitor, session: int
    ) -> None:
        author.plays(Script(tps=TPS, tokens=2 * TPS), *FOUR[1:])
        author.plays(Script(echo=True), "last")
        run = alice.sent(session)
        author.provider.wait_for_first_token(FOUR[0])
        assert alice_elsewhere.posts(f"/steps/{run.columns[0].step}/stop").status_code == 204
        hung_up = hang_up_of(author, FOUR[0])
        run = alice.waits(session)
        [last] = author.provider.calls_of("last")
        assert hung_up < last.arrived
        assert (run.status, run.statuses) == ("completed", ["cancelled"] + ["completed"] * 4)
        assert "the connection to the provider was closed within" in run.columns[0].words
        texts = [alice.text_of(column) for column in run.columns]
        assert all_of(FOUR[0], len(texts[0].split())) == texts[0] != ""
        assert texts[1:4] == [all_of(name, 2 * TPS) for name in FOUR[1:]]
        assert "STOPPED" in texts[4]

    def test_a_stop_whose_hint_is_lost_is_found_by_the_next_renewal_of_the_lease(
        self, author: Author, alice: Visitor, session: int, streaming: RunShown
    ) -> None:
        flagged = float(author.does(FLAG.format(run=streaming.id)))
        assert max(hang_up_of(author, name) for name in FOUR) - flagged < LEASE.total_seconds()
        assert alice.waits(session).status == "cancelled"

    def test_a_provider_that_says_nothing_is_hung_up_on_too(
        self, author: Author, alice: Visitor, session: int
    ) -> None:
        author.plays(Script(fault=Fault.HANG_HEADERS), *FOUR)
        run = alice.sent(session)
        author.provider.wait_for_calls(4)
        alice.posts(f"/runs/{run.id}/stop")
        for name in FOUR:
            hang_up_of(author, name)
        run = alice.waits(session)
        assert run.status == "cancelled"
        assert all("no text had come" in column.words for column in run.columns[:4])


class TestTryingAgain:
    @pytest.fixture
    def session(self, author: Author, alice: Visitor) -> int:
        return alice.opens("solo")

    def test_two_failures_before_the_first_token_are_two_attempts_that_stay_to_be_seen(
        self, author: Author, alice: Visitor, session: int
    ) -> None:
        author.plays(Script(fault=Fault.STATUS, status=503, fail_times=2), "solo")
        alice.sent(session)
        run = alice.waits(session)
        [column] = run.columns
        assert (run.status, column.status, column.attempt) == ("completed", "completed", 3)
        assert len(author.provider.calls) == 3
        for number in (1, 2):
            assert re.search(rf"Attempt {number}\s.*OpenAI is overloaded \(503\)", column.words)
        assert alice.text_of(column) == all_of("solo", 12)

    def test_a_provider_that_names_a_time_is_not_asked_before_it(
        self, author: Author, alice: Visitor, session: int
    ) -> None:
        author.plays(Script(fault=Fault.STATUS, status=429, retry_after="2", fail_times=1), "solo")
        alice.sent(session)
        assert alice.waits(session).status == "completed"
        first, second = author.provider.calls
        assert second.arrived - first.arrived >= 2.0

    def test_nobody_waits_for_an_hour(self, author: Author, alice: Visitor, session: int) -> None:
        author.plays(Script(fault=Fault.STATUS, status=429, retry_after="3600"), "solo")
        alice.sent(session)
        run = alice.waits(session)
        assert (run.status, run.statuses) == ("failed", ["failed"])
        assert "OpenAI limits how often it may be asked (429)" in run.words
        assert len(author.provider.calls) == 1

    def test_a_column_can_be_stopped_while_it_waits_to_try_again(
        self, author: Author, alice: Visitor, session: int
    ) -> None:
        author.plays(Script(fault=Fault.STATUS, status=429, retry_after="30"), "solo")
        run = alice.sent(session)
        author.provider.wait_for_calls(1)
        alice.posts(f"/steps/{run.columns[0].step}/stop")
        run = alice.waits(session)
        assert (run.status, run.statuses) == ("cancelled", ["cancelled"])
        assert len(author.provider.calls) == 1

    def test_a_refused_key_is_tried_once_named_and_never_shown(
        self, author: Author, alice: Visitor, session: int, site: Server
    ) -> None:
        refusal = Script(fault=Fault.STATUS, status=401, message=f"Incorrect API key provided: {KEY}")
        author.plays(refusal, "solo")
        alice.sent(session)
        run = alice.waits(session)
        assert run.status == "failed"
        assert (
            "OpenAI refused the key (401): an administrator must check OPENAI_API_KEY."
            in run.columns[0].words
        )
        assert len(author.provider.calls) == 1
        with author.begins("solo") as command:
            said = command.communicate()
        page = alice.http.get(f"/sessions/{session}/").text
        database = site.manage("dumpdata", "--all").stdout
        logs = [site.log.read_text(), site.worker_log.read_text() if site.worker else ""]
        assert "check OPENAI_API_KEY" in said[0]
        assert "check OPENAI_API_KEY" in database
        assert not [text for text in (page, database, *logs, *said) if KEY in text]


@pytest.fixture(scope="module")
def mine(chains: Author, loopback: LoopbackProvider, alice: Visitor) -> dict[str, int]:
    """Have a run of alice's that has ended; return its ids and that of its session and step."""
    loopback.reset()
    session = alice.opens("solo")
    alice.sent(session)
    run = alice.waits(session)
    return {"session": session, "run": run.id, "step": run.columns[0].step}


class TestOthers:
    @pytest.mark.parametrize(
        "address",
        [
            "GET /sessions/{session}/",
            "GET /sessions/{session}/older?before={run}",
            "GET /sessions/{session}/delete",
            "GET /steps/{step}/text",
            "POST /sessions/{session}/send",
            "POST /sessions/{session}/rename",
            "POST /sessions/{session}/delete",
            "POST /runs/{run}/stop",
            "POST /runs/{run}/keep",
            "POST /steps/{step}/stop",
        ],
    )
    def test_what_is_alices_is_to_bob_as_if_it_were_not_there(
        self, bob: Visitor, mine: dict[str, int], address: str
    ) -> None:
        method, path = address.split()
        fields = {"input": "mine now", "request_id": "r", "title": "mine now", "kept": "1"}
        ask = bob.http.get if method == "GET" else lambda path: bob.posts(path, **fields)
        hers = ask(path.format(**mine))
        nobodys = ask(path.format(session=999_999, run=999_999, step=999_999))
        assert hers.status_code == nobodys.status_code == 404
        assert without_tokens(hers.text) == without_tokens(nobodys.text)

    def test_her_socket_closes_on_bob_like_one_that_leads_nowhere(
        self, bob: Visitor, mine: dict[str, int]
    ) -> None:
        with Window(bob, mine["session"]) as hers, Window(bob, 999_999) as nobodys:
            assert hers.wait_until_closed() == nobodys.wait_until_closed() == 4003
        assert [told for _, told in hers.told if told] == []


def without_tokens(page: str) -> str:
    """Leave out what differs each time that a form is rendered."""
    return re.sub(r"\b\w{64}\b", "", page)
