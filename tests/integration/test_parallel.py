"""Parallel means parallel: real processes, a real provider on this machine, and its clock as the judge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from tests.integration.authors import LAST, Agent, Author, group
from tests.integration.visitors import Visitor, Window
from tests.loopback import Call, Fault, LoopbackProvider, Script
from tests.servers import Server, installation

SIZES = (2, 4, 8, 16, 64)
LIMIT = 1.05  # wall ÷ slowest
# A machine that is busy with something else may spoil a measurement.
TRIES = 3
# One call's answer: some three seconds, as a real one takes.
TOKENS = 126
PACE = Script(first=0.2, tps=45, tokens=TOKENS)
FAULTY = ("broken", "silent", "cut")
FAULTS = {
    "broken": Script(fault=Fault.STATUS, status=500),
    "silent": Script(fault=Fault.HANG_HEADERS),
    "cut": Script(tokens=20, fault=Fault.CUT, after=5),
    "fine": Script(tokens=12, tps=20),
    "last": Script(echo=True),
}
REASONS = {
    "broken": "OpenAI had an error of its own (500)",
    "silent": "OpenAI sent no text within 1 s",
    "cut": "OpenAI closed the connection before the answer was complete",
}
LIMITS = (
    "from chains.models import Provider;"
    "Provider.objects.filter(slug='openai').update(first_token_limit=1.0, idle_limit=1.0)"
)
# From the moment that the message was accepted until the run had its final status.
WALL = (
    "from chains.models import Run;"
    "run = Run.objects.get(pk={run});"
    "print((run.finished_at - run.created_at).total_seconds())"
)

pytestmark = [pytest.mark.timeout(180), pytest.mark.alone]


@pytest.fixture(scope="module")
def loopback() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as running:
        yield running


@pytest.fixture(scope="module")
def site(loopback: LoopbackProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with installation(tmp_path_factory.mktemp("parallel"), loopback.environment()) as running:
        yield running


@pytest.fixture(scope="module")
def alice(site: Server) -> Iterator[Visitor]:
    visitor = Visitor(site)
    with closing(visitor.http):
        yield visitor


@pytest.fixture(scope="module")
def author(site: Server, loopback: LoopbackProvider, alice: Visitor) -> Author:
    author = Author(site, loopback)
    faulty = [*(Agent(name) for name in (*FAULTY, "fine")), LAST]
    author.writes(**{f"group-of-{count}": group(count) for count in SIZES}, faulty=faulty)
    # What a process does only once, it has done.
    session = alice.opens("group-of-2")
    alice.sent(session)
    alice.waits(session)
    return author


@pytest.fixture
def provider(loopback: LoopbackProvider) -> LoopbackProvider:
    """Give the provider without the scripts and calls of other tests."""
    loopback.reset()
    return loopback


def slowest_s(calls: list[Call]) -> float:
    """The provider's clock: from the first request that came to the last byte that left."""
    return max(call.last_byte_at or 0.0 for call in calls) - min(call.arrived for call in calls)


@dataclass
class Watched:
    """A message to a group that was watched in a window to its end. Times are seconds."""

    count: int
    wall: float
    slowest: float
    calls: int
    status: str
    texts: list[str]


@pytest.fixture(scope="module", params=SIZES)
def watched(
    request: pytest.FixtureRequest, author: Author, alice: Visitor, loopback: LoopbackProvider
) -> Watched:
    """Send a message to a group, again when something else kept the machine busy."""
    for _ in range(TRIES):
        seen = watch(request.param, author, alice, loopback)
        if seen.wall <= LIMIT * seen.slowest:
            break
    return seen


def watch(count: int, author: Author, alice: Visitor, loopback: LoopbackProvider) -> Watched:
    loopback.reset()
    author.plays(PACE, *(agent.name for agent in group(count)))
    session = alice.opens(f"group-of-{count}")
    with Window(alice, session) as window:
        window.end_of(alice.sent(session).id)
    run = alice.sees(session)[-1]
    wall = float(author.does(WALL.format(run=run.id)))
    texts = [alice.text_of(column) for column in run.columns]
    return Watched(count, wall, slowest_s(loopback.calls), len(loopback.calls), run.status, texts)


class TestAMessageToAGroup:
    def test_takes_as_long_as_its_slowest_member(self, watched: Watched) -> None:
        assert (watched.status, watched.calls) == ("completed", watched.count)
        assert watched.wall <= LIMIT * watched.slowest

    def test_fills_each_column_with_its_own_text_and_nothing_of_the_others(self, watched: Watched) -> None:
        own = ["".join(f"w{n}x-{token} " for token in range(TOKENS)) for n in range(watched.count)]
        assert watched.texts == own

    def test_reaches_the_provider_with_all_requests_of_sixteen_together(
        self, author: Author, alice: Visitor, loopback: LoopbackProvider
    ) -> None:
        spreads = []
        for _ in range(TRIES):
            loopback.reset()
            author.plays(Script(first=0.3, tokens=3), *(agent.name for agent in group(16)))
            session = alice.opens("group-of-16")
            alice.sent(session)
            assert alice.waits(session).status == "completed"
            arrivals = [call.arrived for call in loopback.calls]
            spreads.append(max(arrivals) - min(arrivals))
        assert min(spreads) <= 0.020


@pytest.mark.parametrize("count", [2, 16])
def test_a_group_in_a_command_takes_as_long_as_its_slowest_member(
    author: Author, provider: LoopbackProvider, count: int
) -> None:
    ratios: list[float] = []
    while len(ratios) < TRIES and min(ratios, default=2.0) > LIMIT:
        provider.reset()
        author.plays(PACE, *(agent.name for agent in group(count)))
        result, _ = author.runs(f"group-of-{count}")
        assert result["status"] == "completed"
        ratios.append(result["wall_ms"] / 1000 / slowest_s(provider.calls))
    assert min(ratios) <= LIMIT


class TestAGroupWithFaults:
    @pytest.fixture(autouse=True)
    def faults(self, author: Author, provider: LoopbackProvider) -> None:
        author.does(LIMITS)
        for name, script in FAULTS.items():
            author.plays(script, name)

    def test_goes_on_with_what_succeeded_and_the_page_and_the_log_name_each_fault(
        self, author: Author, alice: Visitor, provider: LoopbackProvider
    ) -> None:
        session = alice.opens("faulty")
        alice.sent(session)
        run = alice.waits(session)
        assert run.status == "completed"
        assert run.statuses == ["failed", "failed", "interrupted", "completed", "completed"]
        columns = dict(zip(FAULTS, run.columns, strict=True))
        log = author.site.runner.log.read_text()
        for name, reason in REASONS.items():
            assert reason in columns[name].words
            assert f"openai/{name}" in columns[name].words
            assert f"({name}) failed after" in log
            assert reason in log
        assert "HTTP 500" in columns["broken"].words
        assert alice.text_of(columns["cut"]).split() == [f"cut-{n}" for n in range(5)]
        self.check_what_the_next_stage_got(alice.text_of(columns["last"]))
        # The exact number of calls: what brought no token is tried three times, what was cut is not.
        calls = {name: len(provider.calls_of(name)) for name in FAULTS}
        assert calls == {"broken": 3, "silent": 3, "cut": 1, "fine": 1, "last": 1}

    def test_the_command_names_each_fault_to_programs_and_in_its_log(self, author: Author) -> None:
        result, log = author.runs("faulty")
        steps = {step["name"]: step for step in result["steps"]}
        statuses = [step["status"] for step in result["steps"]]
        assert statuses == ["failed", "failed", "interrupted", "completed", "completed"]
        for name, reason in REASONS.items():
            assert steps[name]["error"].startswith(reason)
            assert steps[name]["model"] == f"openai/{name}"
            assert f"({name}) failed after" in log
            assert reason in log
        assert [steps[name]["http_status"] for name in FAULTS] == [500, None, None, None, None]
        self.check_what_the_next_stage_got(steps["last"]["text"])

    def check_what_the_next_stage_got(self, heard: str) -> None:
        assert heard.count("FAILED: OpenAI ") == 3
        assert "fine-11" in heard
        assert "cut-4" not in heard
