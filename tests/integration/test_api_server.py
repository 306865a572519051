"""The API over a real wire: a served installation, real runs, a program's HTTP client."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.integration.programs import SHORT, Answer, Program, question
from tests.servers import Server


@pytest.fixture(scope="module")
def ada(server: Server) -> Iterator[Program]:
    """A program of somebody who owns the chains."""
    program = Program(server, "api-ada")
    program.import_chains()
    with program.http:
        yield program


class TestAnswers:
    def test_a_stream_is_exactly_the_stored_text_of_the_last_agent_as_it_came(self, ada: Program):
        answer = ada.stream("chain/pair", stream_options={"include_usage": True})
        run = ada.run(answer.run)

        assert answer.is_done
        assert answer.text == run["output"] == run["texts"][1]
        # Live: most of the pieces came while the agent was still answering.
        assert len(answer.texts) > 10
        assert (
            answer.times[len(answer.times) // 2] - answer.times[0] > (answer.times[-1] - answer.times[0]) / 5
        )
        usage = answer.objects[-1]["usage"]
        assert usage["completion_tokens"] > SHORT
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        assert [chunk["model"] for chunk in answer.objects] == ["chain/pair@1"] * len(answer.objects)

    def test_without_streaming_it_is_one_object_with_the_same_text(self, ada: Program):
        whole = ada.ask("chain/pair").json()
        choice = whole["choices"][0]

        assert choice["message"]["content"] == ada.stream("chain/pair").text
        assert (whole["object"], choice["finish_reason"]) == ("chat.completion", "stop")
        assert whole["usage"]["completion_tokens"] > SHORT

    def test_a_group_answers_with_its_joined_output_and_says_that_it_was_cut_short(self, ada: Program):
        answer = ada.stream("chain/critics")

        assert len(answer.texts) == 1
        assert answer.text == ada.run(answer.run)["output"]
        assert answer.text.startswith("--- Parallel Analysis Results ---")
        assert answer.objects[-1]["choices"][0]["finish_reason"] == "length"

    def test_when_the_last_agent_is_skipped_the_one_before_it_answers(self, ada: Program):
        answer = ada.stream("chain/gate")
        run = ada.run(answer.run)

        assert [answer.text] == run["texts"] == [run["output"]]


class TestFailures:
    def test_a_failed_run_names_agent_provider_and_reason_either_way(self, ada: Program):
        whole = ada.ask("chain/broken")
        streamed = ada.stream("chain/broken")

        assert whole.status_code == 502
        # The engine has tried again by itself: the client must not.
        assert whole.headers["x-should-retry"] == "false"
        message = whole.json()["error"]["message"]
        assert "Ada (simulated/broken)" in message
        assert "500" in message
        assert streamed.objects[-1]["error"]["message"] == message
        assert not streamed.is_done

    @pytest.mark.parametrize("model", ["chain/slow", "chain/pair"])
    def test_hanging_up_stops_the_run_wherever_it_is(self, ada: Program, model: str):
        answer = ada.stream(model, until=lambda answer: bool(answer.objects))
        run = ada.ended_run(answer.run)

        assert run["status"] == "cancelled"
        assert run["output"] == ""

    def test_hanging_up_in_the_middle_keeps_what_had_come(self, ada: Program):
        answer = ada.stream("chain/slow", until=lambda answer: len(answer.texts) > 3)
        run = ada.ended_run(answer.run)

        assert run["status"] == "cancelled"
        assert run["texts"][0].startswith(answer.text)

    def test_hanging_up_stops_a_run_without_streaming_too(self, ada: Program):
        known = len(ada.runs())
        with pytest.raises(httpx.ReadTimeout):
            ada.http.post("/v1/chat/completions", json=question("chain/slow"), timeout=1.5)

        assert ada.ended_run(ada.runs()[known]["id"])["status"] == "cancelled"


class TestPeople:
    def test_anothers_chain_is_not_there_until_it_is_shared(self, ada: Program, server: Server):
        bob = Program(server, "api-bob")
        with bob.http:
            assert bob.http.get("/v1/models").json()["data"] == []
            assert bob.ask("chain/api-ada/gate").status_code == 404

            share = (
                "from chains.models import Chain; Chain.objects.filter(slug='gate').update(is_shared=True)"
            )
            server.do(share)

            assert [model["id"] for model in bob.http.get("/v1/models").json()["data"]] == [
                "chain/api-ada/gate"
            ]
            answer = bob.stream("chain/api-ada/gate")
            assert [run["output"] for run in bob.runs()] == [answer.text]
            assert bob.ask("gate").status_code == bob.ask("chain/gate").status_code == 404

    def test_whoever_asks_sees_the_run_in_the_browser(self, ada: Program, server: Server):
        answer = ada.stream("chain/gate")
        with server.client_for(ada.person) as browser:
            page = browser.get("/").text

        assert "Is it so?" in page
        assert answer.is_done

    def test_no_token_reaches_a_log(self, ada: Program, server: Server):
        ada.http.get("/v1/models", headers={"Authorization": "Bearer cc-mistyped-token-0123456789"})
        ada.http.get(f"/v1/models/{ada.token}")
        log = server.log.read_text()

        assert "/v1/models" in log
        assert ada.token not in log
        assert "cc-mistyped-token" not in log


def test_a_server_that_stops_does_not_stop_the_runs_that_programs_wait_for(
    start_server: Callable[..., Server],
):
    server = start_server()
    program = Program(server, "api-ada")
    program.import_chains()
    answer = Answer()
    asked = program.http.stream("POST", "/v1/chat/completions", json=question("chain/slow", stream=True))
    with program.http, contextlib.suppress(httpx.HTTPError), asked as response:
        for line in response.iter_lines():
            answer.take(line)
            if len(answer.texts) == 3 and server.web:
                server.web.end()
                server.web = None

    assert not answer.is_done
    assert program.run(answer.run)["status"] != "cancelled"
