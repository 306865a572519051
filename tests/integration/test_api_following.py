"""How an answer reaches a program when frames are late, missing or wrong: the rows have the last word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import connections
from django.utils import timezone

from chains import actions
from chains.api import runs, wire
from chains.api.runs import BegunRun
from chains.api.views import stream
from chains.engine.prompts import MemberResult, group_output
from chains.live import encode, session_group
from chains.models import AgentStep, ChatSession, Run, StepAttempt, User
from tests.integration.pages_cast import CONDITIONAL, PARALLEL, agent, chain_of
from tests.integration.run_cast import in_db, until

pytestmark = pytest.mark.django_db(transaction=True)

ANSWER = "Ja, so ist es – 🌍 und zwar überall."
KEEP_ALIVE = ": keep-alive"


@pytest_asyncio.fixture(autouse=True)
async def no_connection_left() -> AsyncIterator[None]:
    """Close what Django's own async queries opened, or PostgreSQL could not drop the test database."""
    yield
    await sync_to_async(connections.close_all)()


class Engine:
    """Plays the process that carries out a run: writes rows, and sends frames when a test wants it to."""

    def __init__(self, run: BegunRun) -> None:
        self.run = run
        self.step = run.live_step or 0
        self.attempt = 0

    async def send(self, *notices: list[Any]) -> None:
        await get_channel_layer().group_send(session_group(self.run.session), encode(list(notices)))

    async def say(self, offset: int, text: str) -> None:
        """Send a frame with a piece of the live step's text."""
        await self.send(["text", self.run.id, self.step, self.attempt, offset, text])

    async def begin_attempt(self) -> None:
        self.attempt += 1
        await in_db(self._begin_attempt)

    async def store(self, text: str) -> None:
        """Checkpoint the live step's text."""
        await StepAttempt.objects.filter(step=self.step, number=self.attempt).aupdate(text=text)

    async def end(self, status: str = "completed", output: str = "", error: str = "") -> None:
        """End the run and say so."""
        rows = Run.objects.filter(pk=self.run.id)
        await rows.aupdate(status=status, output=output, error=error, finished_at=timezone.now())
        await self.send(["run", self.run.id, status])

    def _begin_attempt(self) -> None:
        step = AgentStep.objects.get(pk=self.step)
        step.status, step.current_attempt = "running", self.attempt
        step.save()
        StepAttempt.objects.create(step=step, number=self.attempt, started_at=timezone.now())


class Program:
    """Reads a stream as a program does, in a task of its own."""

    def __init__(self, run: BegunRun, keep_alive: float = 60.0) -> None:
        self.text = ""
        self.lines: list[str] = []
        self._events = stream(run, keep_alive)
        self.task = asyncio.create_task(self._read())

    @property
    def error(self) -> dict[str, Any]:
        """Return the error that the stream ended with."""
        return json.loads(self.lines[-1].removeprefix("data: "))["error"]

    async def ended(self) -> Program:
        await asyncio.wait_for(self.task, 10)
        return self

    async def has(self, text: str) -> None:
        await until(lambda: self.text == text)

    async def _read(self) -> None:
        async for event in self._events:
            line = event.decode().rstrip("\n")
            self.lines.append(line)
            if line.startswith("data: {"):
                for choice in json.loads(line.removeprefix("data: ")).get("choices", []):
                    self.text += choice["delta"].get("content", "")


def begin(owner: User, *agents: Any) -> BegunRun:
    """Begin a run of a chain of these agents; no process is there to take it."""
    chain = chain_of(owner, *agents)
    body = {"model": f"chain/{chain.slug}", "messages": [{"role": "user", "content": "Is it so?"}]}
    question = wire.read_question(json.dumps(body | {"stream_options": {"include_usage": True}}).encode())
    run = runs.begin(owner, question)
    Run.objects.filter(pk=run.id).update(status="running")
    return run


@pytest_asyncio.fixture
async def engine(alice: User) -> Engine:
    return Engine(await in_db(lambda: begin(alice, agent("Ada"), agent("Ben"))))


@pytest_asyncio.fixture
async def program(engine: Engine) -> AsyncIterator[Program]:
    program = Program(engine.run)
    await until(lambda: program.lines)
    yield program
    program.task.cancel()
    await asyncio.gather(program.task, return_exceptions=True)


class TestText:
    async def test_comes_as_it_is_said_and_is_the_stored_text_in_the_end(
        self, engine: Engine, program: Program
    ):
        await engine.begin_attempt()
        await engine.say(0, ANSWER[:10])
        await program.has(ANSWER[:10])
        await engine.say(10, ANSWER[10:])
        await program.has(ANSWER)
        await engine.end(output=ANSWER)

        assert (await program.ended()).text == ANSWER
        assert json.loads(program.lines[-3].removeprefix("data: "))["choices"][0]["finish_reason"] == "stop"
        assert program.lines[-1] == "data: [DONE]"

    async def test_of_a_lost_frame_is_taken_from_the_rows(self, engine: Engine, program: Program):
        await engine.begin_attempt()
        await engine.say(0, ANSWER[:10])
        await program.has(ANSWER[:10])
        await engine.say(20, ANSWER[20:])
        await engine.store(ANSWER[:22])
        await program.has(ANSWER)

    async def test_that_is_said_twice_is_given_once(self, engine: Engine, program: Program):
        await engine.begin_attempt()
        for offset, end in [(0, 10), (0, 10), (5, 20), (20, len(ANSWER))]:
            await engine.say(offset, ANSWER[offset:end])
        await program.has(ANSWER)

    async def test_is_found_by_a_program_that_hears_nothing(self, engine: Engine, program: Program):
        await engine.begin_attempt()
        await engine.store(ANSWER[:10])
        await program.has(ANSWER[:10])
        await Run.objects.filter(pk=engine.run.id).aupdate(
            status="completed", output=ANSWER, finished_at=timezone.now()
        )

        assert (await program.ended()).text == ANSWER

    async def test_of_a_second_attempt_takes_the_place_of_a_first_that_said_nothing(
        self, engine: Engine, program: Program
    ):
        await engine.begin_attempt()
        await engine.begin_attempt()
        await engine.say(0, ANSWER)
        await program.has(ANSWER)

    async def test_that_is_not_the_stored_text_ends_as_an_error(self, engine: Engine, program: Program):
        await engine.begin_attempt()
        await engine.say(0, "Something else")
        await program.has("Something else")
        await engine.begin_attempt()
        await engine.say(0, ANSWER)
        await engine.end(output=ANSWER)

        assert (await program.ended()).text == "Something else"
        assert program.error["code"] == "answer_changed"

    async def test_of_other_agents_is_not_given(self, engine: Engine, program: Program):
        first = await AgentStep.objects.aget(run=engine.run.id, index=0)
        await engine.send(["text", engine.run.id, first.pk, 1, 0, "not the answer"])
        await engine.end(output=ANSWER)

        assert (await program.ended()).text == ANSWER


class TestOutput:
    async def test_of_a_group_comes_whole(self, alice: User):
        run = await in_db(lambda: begin(alice, agent("Ada", PARALLEL), agent("Ben", PARALLEL)))
        output = group_output([MemberResult(name, "m", "completed", name, "") for name in ("Ada", "Ben")])
        program = Program(run)
        await Engine(run).end(output=output)

        assert run.live_step is None
        assert (await program.ended()).text == output

    async def test_of_an_earlier_agent_comes_whole_when_the_last_one_is_skipped(self, alice: User):
        run = await in_db(lambda: begin(alice, agent("Ada"), agent("Ben", CONDITIONAL, 'contains("no")')))
        program = Program(run)
        await Engine(run).end(output=ANSWER)

        assert (await program.ended()).text == ANSWER

    async def test_that_hit_a_length_limit_says_so(self, engine: Engine, program: Program):
        await engine.begin_attempt()
        await StepAttempt.objects.aupdate(status="completed", is_truncated=True)
        await engine.end(output=ANSWER)
        await program.ended()

        assert '"finish_reason":"length"' in program.lines[-3]

    async def test_counts_the_tokens_of_every_call_and_those_that_nobody_counted(
        self, engine: Engine, program: Program
    ):
        for tokens in (None, 3, 5):
            await engine.begin_attempt()
            attempts = StepAttempt.objects.filter(number=engine.attempt)
            await attempts.aupdate(input_tokens=tokens, output_tokens=tokens and tokens * 2)
        await engine.end(output=ANSWER)
        await program.ended()

        usage = json.loads(program.lines[-2].removeprefix("data: "))["usage"]
        assert usage == {
            "prompt_tokens": 8, "completion_tokens": 16, "total_tokens": 24, "calls_without_usage": 1,
        }  # fmt: skip

    async def test_without_any_count_has_no_usage_rather_than_zero(self, engine: Engine, program: Program):
        await engine.begin_attempt()
        await engine.end(output=ANSWER)
        await program.ended()

        assert json.loads(program.lines[-2].removeprefix("data: "))["usage"] is None


class TestOtherEnds:
    async def test_a_failed_run_ends_with_its_sentence_and_without_done(
        self, engine: Engine, program: Program
    ):
        sentence = (
            "Ben (openai/gpt): OpenAI refused the key (401): an administrator must check OPENAI_API_KEY."
        )
        await engine.end("failed", error=sentence)

        assert (await program.ended()).error["message"] == sentence
        assert program.error["code"] == "run_failed"
        assert "data: [DONE]" not in program.lines

    async def test_a_run_that_somebody_stops_says_so(self, engine: Engine, program: Program):
        await engine.end("cancelled")

        assert (await program.ended()).error["code"] == "run_cancelled"

    async def test_a_run_whose_session_is_deleted_ends(self, engine: Engine, program: Program):
        session = await ChatSession.objects.aget(pk=engine.run.session)
        await in_db(actions.delete_session, session=session)

        assert "deleted" in (await program.ended()).error["message"]

    async def test_while_nothing_comes_the_connection_is_kept_alive(self, engine: Engine):
        program = Program(engine.run, keep_alive=0.05)
        await until(lambda: program.lines.count(KEEP_ALIVE) >= 2)
        await engine.end(output=ANSWER)

        assert (await program.ended()).text == ANSWER

    async def test_a_program_that_hangs_up_stops_the_run(self, engine: Engine, program: Program):
        program.task.cancel()
        await asyncio.gather(program.task, return_exceptions=True)

        assert (await Run.objects.aget(pk=engine.run.id)).stop_requested_at

    async def test_a_program_that_has_its_answer_stops_nothing(self, engine: Engine, program: Program):
        await engine.end(output=ANSWER)
        await program.ended()

        assert not (await Run.objects.aget(pk=engine.run.id)).stop_requested_at
