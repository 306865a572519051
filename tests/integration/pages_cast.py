"""A stage for tests of pages: alice's chains, sessions and runs, made the way that people make them."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from chains import actions
from chains.chainfile import ChainFile, ChainFileAgent
from chains.engine.plan import ConnectionType
from chains.models import AgentStep, Chain, ChatSession, LanguageModel, Provider, Run, StepAttempt, User
from chains.providers.base import Endpoint
from chains.providers.errors import ErrorKind, error_of_kind

_ENDPOINT = Endpoint("acme", "Acme", "openai", "http://models.internal:8080/v1", key_variable="ACME_API_KEY")
SETUP = ("ACME_API_KEY", "models.internal", "Incorrect key")
DIRECT, PARALLEL, CONDITIONAL = ConnectionType.DIRECT, ConnectionType.PARALLEL, ConnectionType.CONDITIONAL


def model(name: str = "fast") -> LanguageModel:
    """Return a simulated model, made on first use."""
    provider, _ = Provider.objects.get_or_create(
        slug="simulated", defaults={"name": "Simulated", "kind": "simulated"}
    )
    return LanguageModel.objects.get_or_create(
        provider=provider, model_id=name, defaults={"name": f"Simulated {name}"}
    )[0]


def agent(name: str, connection: ConnectionType = DIRECT, condition: str = "") -> ChainFileAgent:
    """Return an agent of a chain file."""
    return ChainFileAgent(
        name=name,
        slug=name.lower(),
        model=model().label,
        connection_type=connection,
        condition=condition,
    )


def chain_of(owner: User, *agents: ChainFileAgent, name: str = "Critics") -> Chain:
    """Make a published chain; without agents given it has two parallel critics and an editor."""
    critics = (agent("Ada", PARALLEL), agent("Ben", PARALLEL), agent("Editor"))
    return actions.create_chain(owner=owner, file=ChainFile(name=name, agents=agents or critics))


def session_of(owner: User, *agents: ChainFileAgent) -> ChatSession:
    """Make an empty session."""
    return actions.start_session(owner=owner, chain=chain_of(owner, *agents))


def run_in(session: ChatSession, text: str = "Is it so?") -> Run:
    """Send a message; no process is there to take the run."""
    assert session.chain is not None
    return actions.start_run(session=session, chain=session.chain, text=text, request_id=uuid.uuid4().hex)


def complete(run: Run, answer: str = "It is **so**.") -> Run:
    """Let every agent of a run answer, one second after the other."""
    begun = timezone.now()
    for number, step in enumerate(run.steps.all()):
        attempt(step, text=answer, started_at=begun + timedelta(seconds=number))
    run.status, run.output = "completed", answer
    run.started_at, run.finished_at = begun, begun + timedelta(seconds=run.steps.count())
    run.save()
    return run


def end(run: Run, status: str = "completed", error: str = "") -> Run:
    """End a run as it is."""
    run.status, run.error, run.finished_at = status, error, timezone.now()
    run.save()
    return run


def fail_by_setup(run: Run) -> Run:
    """Let the first agent fail by its key, the second by its address, and the third be told of it."""
    ada, ben, editor = run.steps.all()
    key = error_of_kind(ErrorKind.AUTH, _ENDPOINT, said="Incorrect key: a…z", status=401)
    address = error_of_kind(ErrorKind.CONNECTION, _ENDPOINT)
    attempt(ada, number=2, status="failed", error_kind=key.kind, error=key.sentence)
    attempt(ben, status="failed", error_kind=address.kind, error=address.sentence)
    told = f"FAILED: {key.sentence}\nFAILED: {address.sentence}"
    attempt(editor, text="Nobody answered.", messages=[{"role": "user", "content": told}])
    return end(run, "failed", f"Ada (acme/a): {key.sentence}\nBen (acme/b): {address.sentence}")


def attempt(step: AgentStep, *, text: str = "", status: str = "completed", **columns: object) -> StepAttempt:
    """Give a step a call that ended, and the step its status."""
    started_at: Any = columns.pop("started_at", timezone.now())
    facts: dict[str, Any] = {
        "number": 1,
        "first_token_at": started_at + timedelta(milliseconds=250),
        "finished_at": started_at + timedelta(seconds=1),
        "text_length": len(text),
        "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "input_tokens": 12,
        "output_tokens": 30,
        "cost_usd": 0,
        **columns,
    }
    step.status, step.current_attempt = status, facts["number"]
    step.save()
    return StepAttempt.objects.create(step=step, text=text, status=status, started_at=started_at, **facts)
