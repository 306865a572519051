"""What a server leaves behind that is killed or told to go: real processes, a provider that counts."""

from __future__ import annotations

import hashlib
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.integration.authors import LAST, Author, group
from tests.integration.visitors import RunShown, Visitor, Window
from tests.loopback import LoopbackProvider, Script
from tests.servers import Server

COLUMNS = [agent.name for agent in group(4)]
TPS = 40
# A minute of text: nobody waits for its end.
ENDLESS = Script(tps=TPS, tokens=60 * TPS)
# A checkpoint falls due every 0.5 s; twice that leaves room for a busy machine.
MAY_BE_LOST = 1.0

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def loopback() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as running:
        yield running


@pytest.fixture
def site(loopback: LoopbackProvider, start_server: Callable[..., Server]) -> Server:
    loopback.reset()
    return start_server(**loopback.environment())


@pytest.fixture
def alice(site: Server) -> Iterator[Visitor]:
    visitor = Visitor(site)
    with closing(visitor.http):
        yield visitor


@pytest.fixture
def session(site: Server, alice: Visitor, loopback: LoopbackProvider) -> int:
    """Open a session with a chain of four parallel columns and a last agent."""
    author = Author(site, loopback)
    author.writes(five=[*group(4), LAST])
    author.plays(ENDLESS, *COLUMNS)
    return alice.opens("five")


@pytest.fixture
def streaming(alice: Visitor, loopback: LoopbackProvider, session: int) -> RunShown:
    """Send a message and let all four columns stream for a while."""
    run = alice.sent(session)
    for name in COLUMNS:
        loopback.wait_for_first_token(name)
    time.sleep(2.0)
    return run


def begins_again(site: Server, *, is_separate: bool) -> None:
    if is_separate:
        site.start_worker()
    else:
        site.start()


def sent_by(loopback: LoopbackProvider, name: str, moment: float) -> str:
    """Return what the provider had sent of an answer by a moment of its clock."""
    [call] = loopback.calls_of(name)
    return "".join(f"{name}-{number} " for number in range(call.sent_by(moment)))


def stop_runner(site: Server, how: signal.Signals) -> tuple[float, int]:
    """End the process that carries out runs; return when it was told so and its exit code."""
    at = time.monotonic()
    code = site.runner.end(how)
    return at, code


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_lost_its_server_ends_as_interrupted_with_its_text(
    site: Server,
    alice: Visitor,
    loopback: LoopbackProvider,
    session: int,
    streaming: RunShown,
    how: signal.Signals,
) -> None:
    is_separate = site.worker is not None
    with Window(alice, session) as window:
        window.wait_for(lambda: len(window.told) > 1, "what is live")
        at, code = stop_runner(site, how)
        if how is signal.SIGTERM and not is_separate:
            assert window.wait_until_closed() == 4012
    assert code == (-signal.SIGKILL if how is signal.SIGKILL else 0)
    begins_again(site, is_separate=is_separate)
    run = alice.waits(session)

    assert run.status == "interrupted"
    assert run.statuses == ["interrupted"] * 4 + ["skipped"]
    assert "The server stopped" in run.words
    may_be_lost = MAY_BE_LOST if how is signal.SIGKILL else 0.2
    for name, column in zip(COLUMNS, run.columns, strict=False):
        text = alice.text_of(column)
        assert text == "".join(f"{name}-{number} " for number in range(text.count(" ")))
        assert text.startswith(sent_by(loopback, name, at - may_be_lost))
        assert (column.length, column.sha256) == (len(text), hashlib.sha256(text.encode()).hexdigest())
    # Nothing goes on by itself that somebody would have to pay for.
    assert len(loopback.calls) == 4
    check_that_the_session_goes_on(alice, session, loopback, streaming.id)


def check_that_the_session_goes_on(
    alice: Visitor, session: int, loopback: LoopbackProvider, interrupted: int
) -> None:
    """Keep the interrupted run and send another message: what had come of it is part of the history."""
    assert alice.posts(f"/runs/{interrupted}/keep", kept="1").status_code == 200
    for name in (*COLUMNS, "last"):
        loopback.script(name, Script(tokens=3))
    alice.sent(session, "go on")
    assert alice.waits(session).status == "completed"
    messages = loopback.calls_of(COLUMNS[0])[-1].body["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert f"{COLUMNS[0]}-10 " in messages[1]["content"]


@pytest.mark.alone
def test_what_was_stopped_hangs_up_at_the_provider_within_a_second(
    alice: Visitor, loopback: LoopbackProvider, session: int, streaming: RunShown
) -> None:
    first, second = streaming.columns[:2]
    for column, name in ((first, COLUMNS[0]), (second, COLUMNS[1])):
        asked = time.monotonic()
        assert alice.posts(f"/steps/{column.step}/stop").status_code < 300
        hung_up = loopback.wait_for_hang_up(name).hung_up_at
        assert hung_up is not None
        assert hung_up - asked <= 1.0
    # The others go on until the whole run is stopped.
    assert all(loopback.calls_of(name)[0].hung_up_at is None for name in COLUMNS[2:])
    asked = time.monotonic()
    alice.posts(f"/runs/{streaming.id}/stop")
    for name in COLUMNS[2:]:
        hung_up = loopback.wait_for_hang_up(name).hung_up_at
        assert hung_up is not None
        assert hung_up - asked <= 1.0
    run = alice.waits(session)
    assert (run.status, run.statuses) == ("cancelled", ["cancelled"] * 4 + ["skipped"])
    assert all("was closed within" in column.words for column in run.columns[:4])
