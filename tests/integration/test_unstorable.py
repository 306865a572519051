"""What providers say and no database stores: the run is kept all the same, and so is what they said."""

from __future__ import annotations

import pytest

from chains.models import Run, StepAttempt, User
from chains.providers.registry import open_provider
from tests.integration.run_cast import Agent, carry_out, in_db, make_run, make_session, open_journal, statuses
from tests.loopback import Fault, LoopbackProvider, Script
from tests.unit.engine_cast import says

pytest_plugins = ["tests.loopback.fixtures"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("http_client")]

HALF = Script(fault=Fault.STATUS, status=400, message="your prompt is cut \ud83d")
BINARY = Script(fault=Fault.STATUS, status=502, raw=b"upstream\x00\x01\xff died")


@pytest.fixture
def group(alice: User) -> Run:
    """Have three agents side by side; the second is the one that the provider refuses."""
    names = ("first", "refused", "last")
    return make_run(make_session(alice), *[Agent(name, says(), "parallel") for name in names])


@pytest.mark.parametrize(
    ("script", "said"),
    [(HALF, "“your prompt is cut \ufffd”"), (BINARY, "“upstream\ufffd\x01\ufffd died”")],
    ids=["half a surrogate pair", "NUL"],
)
async def test_an_error_that_cannot_be_stored_fails_its_own_agent_with_what_was_said(
    loopback: LoopbackProvider, group: Run, script: Script, said: str
) -> None:
    loopback.script("refused", script)
    async with open_journal() as journal:
        assert await carry_out(journal, group, open_provider(loopback.endpoint("openai"))) == "completed"
    assert await in_db(statuses, group) == {"first": "completed", "refused": "failed", "last": "completed"}
    refusal = await in_db(lambda: StepAttempt.objects.filter(step__run=group, step__slug="refused").last())
    assert refusal.http_status == script.status
    assert said in refusal.error
