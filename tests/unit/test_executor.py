"""What a run does, sentence by sentence."""

from __future__ import annotations

import asyncio
import logging

import pytest

from chains.engine.events import AttemptEnded, RunEnded, StepStarted, StepStreaming, TextDelta
from chains.providers.base import ChatRequest, Completion, FinishReason, ReasoningChunk, Sink, TextChunk
from chains.providers.errors import ErrorKind, ProviderError
from tests.unit.engine_cast import Agent, hangs, raises, says, stage, until


def overloaded(retry_after: float | None = None) -> ProviderError:
    return ProviderError(ErrorKind.OVERLOADED, "The provider is overloaded.", retry_after=retry_after)


def refused_key() -> ProviderError:
    return ProviderError(ErrorKind.AUTH, "Refused the key (401).", http_status=401)


def cut() -> ProviderError:
    return ProviderError(ErrorKind.CUT, "The answer was cut.")


class TestStages:
    async def test_agents_run_one_after_another_and_pass_their_text_on(self):
        chain = stage(
            Agent("draft", says("a draft")), Agent("edit", says("better"), prompt="Improve: {{previous}}")
        )
        assert await chain.run() == "completed"
        assert chain.provider.prompts("edit") == ["Improve: a draft"]
        assert chain.journal.finished == ("completed", "better", "")

    async def test_members_of_a_group_are_all_called_before_any_of_them_ends(self):
        members = [Agent(f"m{i}", says("x", each=0.01), "parallel") for i in range(16)]
        chain = stage(*members)
        await chain.run()
        assert chain.provider.most_live == 16

    async def test_a_group_is_recorded_by_one_start_before_any_call(self):
        seen: list[int] = []

        async def looks(request: ChatRequest, sink: Sink) -> Completion:
            seen.append(len(chain.journal.starts[0]))
            sink(TextChunk("x"))
            return Completion(FinishReason.STOP)

        chain = stage(*[Agent(f"m{i}", looks, "parallel") for i in range(4)])
        await chain.run()
        assert seen == [4, 4, 4, 4]
        assert len(chain.journal.starts) == 1

    async def test_members_of_a_group_see_the_same_context_and_never_each_other(self):
        chain = stage(
            Agent("first", says("seed")),
            Agent("b", says("from b"), "parallel", prompt="{{previous}}"),
            Agent("c", says("from c"), "parallel", prompt="{{previous}}"),
        )
        await chain.run()
        assert chain.provider.prompts("b") == chain.provider.prompts("c") == ["seed"]

    async def test_the_stage_after_a_group_receives_every_member_under_its_name(self):
        chain = stage(
            Agent("b", says("from b"), "parallel"),
            Agent("c", raises(refused_key()), "parallel"),
            Agent("last", says("done"), prompt="{{previous}}"),
        )
        await chain.run()
        (prompt,) = chain.provider.prompts("last")
        assert prompt.startswith("--- Parallel Analysis Results ---")
        assert "**B** (test/b):\nfrom b" in prompt
        assert "**C** (test/c):\nFAILED: Refused the key (401)." in prompt

    async def test_an_agent_that_did_not_complete_is_empty_for_those_who_name_it(self):
        chain = stage(
            Agent("b", says("from b"), "parallel"),
            Agent("c", raises(refused_key()), "parallel"),
            Agent("last", says("done"), prompt="[{{agents.b}}][{{agents.c}}]"),
        )
        await chain.run()
        assert chain.provider.prompts("last") == ["[from b][]"]

    async def test_one_failing_member_does_not_take_its_siblings_along(self):
        chain = stage(
            Agent("b", raises(refused_key()), "parallel"), Agent("c", says("a", "b", each=0.01), "parallel")
        )
        assert await chain.run() == "completed"
        assert (chain.status("b"), chain.status("c")) == ("failed", "completed")

    async def test_a_provider_with_a_bug_fails_its_own_member_only(self):
        chain = stage(
            Agent("b", raises(KeyError("bug")), "parallel"), Agent("c", says("fine", each=0.01), "parallel")
        )
        assert await chain.run() == "completed"
        assert chain.status("b") == "failed"
        assert "KeyError" not in chain.attempts("b")[0].error

    async def test_a_failed_stage_ends_the_run_and_the_rest_is_not_reached(self):
        chain = stage(Agent("a", raises(refused_key())), Agent("b", says("x")), Agent("c", says("y")))
        assert await chain.run() == "failed"
        assert chain.status("b") == chain.status("c") == "skipped"
        assert chain.journal.skips[chain.step("b").id].verdict is None
        assert chain.journal.finished == ("failed", "", "A (test/a): Refused the key (401).")

    async def test_a_chain_set_to_continue_passes_on_what_the_failed_stage_received(self):
        chain = stage(
            Agent("a", says("kept")),
            Agent("b", raises(refused_key())),
            Agent("c", says("z"), prompt="{{previous}}"),
            continue_on_failure=True,
        )
        assert await chain.run() == "completed"
        assert chain.provider.prompts("c") == ["kept"]

    async def test_a_chain_set_to_continue_still_fails_when_its_last_stage_does(self):
        chain = stage(Agent("a", says("x")), Agent("b", raises(refused_key())), continue_on_failure=True)
        assert await chain.run() == "failed"

    async def test_a_single_interrupted_agent_ends_the_run_as_interrupted(self):
        chain = stage(Agent("a", raises(cut(), "half of ")), Agent("b", says("x")))
        assert await chain.run() == "interrupted"
        assert chain.status("b") == "skipped"
        assert str(chain.attempts("a")[0].text) == "half of "


class TestConditions:
    async def test_a_false_condition_skips_and_keeps_rule_and_text_as_evidence(self):
        chain = stage(
            Agent("review", says("all GOOD")),
            Agent("revise", says("x"), "conditional", condition='contains("REVISE")'),
            Agent("last", says("end"), prompt="{{previous}}"),
        )
        assert await chain.run() == "completed"
        skip = chain.journal.skips[chain.step("revise").id]
        assert skip.verdict is not None
        assert "all GOOD" in skip.verdict.excerpt
        assert chain.provider.prompts("last") == ["all GOOD"]

    async def test_a_skipped_first_stage_passes_on_the_message(self):
        chain = stage(
            Agent("a", says("x"), "conditional", condition='contains("never")'),
            Agent("b", says("y"), prompt=""),
        )
        await chain.run()
        assert chain.provider.prompts("b") == ["the message"]

    async def test_exclusive_branches_run_one_member_and_otherwise_runs_when_none_held(self):
        def router(answer: str):
            return stage(
                Agent("router", says(answer)),
                Agent("code", says("code"), "parallel", condition='contains("CODE")'),
                Agent("prose", says("prose"), "parallel", condition='contains("PROSE")'),
                Agent("other", says("other"), "parallel", condition="otherwise"),
            )

        first, second = router("CODE"), router("???")
        await first.run()
        await second.run()
        assert [first.status(s) for s in ("code", "prose", "other")] == ["completed", "skipped", "skipped"]
        assert [second.status(s) for s in ("code", "prose", "other")] == ["skipped", "skipped", "completed"]

    async def test_after_a_group_the_tested_text_has_no_headings(self):
        chain = stage(
            Agent("b", says("one"), "parallel"),
            Agent("c", says("two"), "parallel"),
            Agent("d", says("x"), "conditional", condition='starts_with("one") and not contains("Parallel")'),
        )
        await chain.run()
        assert chain.status("d") == "completed"


class TestOutcomes:
    @pytest.mark.parametrize(
        ("script", "status", "kind"),
        [
            (says("text"), "completed", ""),
            (says("text", reason=FinishReason.LENGTH), "completed", ""),
            (says(reason=FinishReason.LENGTH), "failed", "length"),
            (says(), "failed", "empty"),
            (says("  \n"), "failed", "empty"),
            (says("I will not", reason=FinishReason.REFUSAL), "failed", "refusal"),
            (says("part", reason=FinishReason.CONTENT_FILTER), "failed", "content_filter"),
            (raises(refused_key()), "failed", "auth"),
            (raises(cut(), "half"), "interrupted", "cut"),
        ],
    )
    async def test_each_end_of_an_answer_has_its_outcome(self, script, status, kind):
        chain = stage(Agent("a", script))
        await chain.run()
        attempt = chain.attempts("a")[-1]
        assert (chain.status("a"), attempt.error_kind) == (status, kind)

    async def test_a_length_finish_with_text_is_marked_truncated(self):
        chain = stage(Agent("a", says("text", reason=FinishReason.LENGTH)))
        await chain.run()
        assert chain.attempts("a")[0].is_truncated

    async def test_a_refusal_keeps_its_text(self):
        chain = stage(Agent("a", says("I will not", reason=FinishReason.REFUSAL)))
        await chain.run()
        assert str(chain.attempts("a")[0].text) == "I will not"

    async def test_reasoning_alone_is_no_answer(self):
        async def thinks(request: ChatRequest, sink: Sink) -> Completion:
            sink(ReasoningChunk("hmm"))
            return Completion(FinishReason.STOP)

        chain = stage(Agent("a", thinks))
        assert await chain.run() == "failed"
        assert str(chain.attempts("a")[0].reasoning) == "hmm"


class TestRetries:
    async def test_before_the_first_token_a_call_is_tried_three_times(self):
        chain = stage(Agent("a", raises(overloaded())))
        assert await chain.run() == "failed"
        assert len(chain.provider.requests) == 3
        assert [a.number for a in chain.attempts("a")] == [1, 2, 3]
        assert [a.status for a in chain.attempts("a")] == ["failed"] * 3

    async def test_a_retry_that_succeeds_completes_the_step(self):
        chain = stage(Agent("a", raises(overloaded(), times=2, then=says("at last"))))
        assert await chain.run() == "completed"
        ends = [(e.status, e.will_retry) for e in chain.events if isinstance(e, AttemptEnded)]
        assert ends == [("failed", True), ("failed", True), ("completed", False)]

    async def test_after_the_first_token_nothing_is_tried_again(self):
        chain = stage(Agent("a", raises(cut(), "begun")))
        await chain.run()
        assert len(chain.provider.requests) == 1

    async def test_an_error_that_is_not_retryable_is_not_tried_again(self):
        chain = stage(Agent("a", raises(refused_key())))
        await chain.run()
        assert len(chain.provider.requests) == 1

    async def test_a_provider_that_wishes_an_hour_is_not_waited_for(self):
        chain = stage(Agent("a", raises(overloaded(retry_after=3600.0))))
        await chain.run()
        assert len(chain.provider.requests) == 1


class TestStopping:
    async def test_stopping_one_column_leaves_the_others_alone(self):
        chain = stage(
            Agent("b", hangs("begun"), "parallel"),
            Agent("c", says("fi", "ne", each=0.01), "parallel"),
            Agent("last", says("end"), prompt="{{previous}}"),
        )
        running = asyncio.create_task(chain.run())
        await until(lambda: chain.text("b") == "begun")
        chain.execution.stop_step(chain.step("b").id)
        assert await running == "completed"
        assert (chain.status("b"), chain.status("c")) == ("cancelled", "completed")
        assert "STOPPED" in chain.provider.prompts("last")[0]

    async def test_a_stop_records_when_it_was_seen_and_when_the_connection_was_closed(self):
        chain = stage(Agent("a", hangs("begun")))
        running = asyncio.create_task(chain.run())
        await until(lambda: chain.text("a") == "begun")
        chain.execution.stop_step(chain.step("a").id)
        assert await running == "cancelled"
        (attempt,) = chain.attempts("a")
        assert attempt.stop_seen_at
        assert attempt.upstream_closed_at
        assert attempt.stop_seen_at <= attempt.upstream_closed_at
        assert chain.provider.live == 0

    async def test_stopping_the_run_ends_it_as_cancelled_and_reaches_nothing_more(self):
        chain = stage(Agent("b", hangs(), "parallel"), Agent("c", hangs(), "parallel"), Agent("d", says("x")))
        running = asyncio.create_task(chain.run())
        await until(lambda: chain.provider.live == 2)
        chain.execution.stop()
        assert await running == "cancelled"
        assert [chain.status(s) for s in "bcd"] == ["cancelled", "cancelled", "skipped"]

    async def test_a_stop_before_the_run_begins_is_not_lost(self):
        chain = stage(Agent("a", says("x")), Agent("b", says("y")))
        chain.execution.stop()
        assert await chain.run() == "cancelled"
        assert chain.provider.requests == []

    async def test_a_stop_of_a_column_that_waits_keeps_its_call_from_being_made(self):
        chain = stage(Agent("a", says("x")), Agent("b", says("y")))
        chain.execution.stop_step(chain.step("b").id)
        assert await chain.run() == "cancelled"
        assert [request.model for request in chain.provider.requests] == ["a"]

    async def test_a_stop_between_two_attempts_is_not_lost(self):
        chain = stage(Agent("a", raises(overloaded(retry_after=30.0))))
        running = asyncio.create_task(chain.run())
        await until(lambda: chain.journal.statuses.get(100) == "running" and chain.attempts("a")[0].has_ended)
        await asyncio.sleep(0)
        chain.execution.stop()
        assert await running == "cancelled"
        assert len(chain.provider.requests) == 1

    async def test_stopping_twice_is_stopping_once(self):
        chain = stage(Agent("a", hangs("x")))
        running = asyncio.create_task(chain.run())
        await until(lambda: chain.text("a") == "x")
        chain.execution.stop_step(chain.step("a").id)
        chain.execution.stop_step(chain.step("a").id)
        chain.execution.stop()
        assert await running == "cancelled"

    async def test_a_shutdown_is_no_stop_and_records_no_outcome(self):
        chain = stage(Agent("a", hangs("x")))
        running = asyncio.create_task(chain.run())
        await until(lambda: chain.text("a") == "x")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert chain.status("a") == "running"
        assert not any(isinstance(event, RunEnded) for event in chain.events)


class TestEvents:
    async def test_offsets_count_code_points_and_bad_characters_are_replaced_first(self):
        chain = stage(Agent("a", says("a😀", "\x00b", "c\ud800")))
        await chain.run()
        deltas = [(e.offset, e.text) for e in chain.events if isinstance(e, TextDelta)]
        assert deltas == [(0, "a😀"), (2, "\ufffdb"), (4, "c"), (5, "\ufffd")]

    async def test_the_closing_frame_follows_every_delta_and_names_the_stored_text(self):
        chain = stage(Agent("a", says("one ", "two")))
        await chain.run()
        kinds = [type(event) for event in chain.events]
        (end,) = [event for event in chain.events if isinstance(event, AttemptEnded)]
        assert kinds.index(StepStarted) < kinds.index(StepStreaming) < kinds.index(TextDelta)
        assert kinds.index(AttemptEnded) > max(i for i, kind in enumerate(kinds) if kind is TextDelta)
        assert (end.length, end.sha256) == (7, chain.attempts("a")[0].sha256)

    async def test_the_log_of_a_group_reads_like_a_report(self, caplog):
        caplog.set_level(logging.INFO, "chains.engine")
        await stage(
            Agent("b", says("x"), "parallel"),
            Agent("c", raises(refused_key()), "parallel"),
        ).run()
        lines = [r.getMessage() for r in caplog.records if r.getMessage().startswith("PARALLEL-EXECUTION: ")]
        words = [line.removeprefix("PARALLEL-EXECUTION: ") for line in lines]
        assert words[:5] == [
            "Starting 2 agents concurrently",
            "Creating 2 database records",
            "All 2 database records created",
            "Agent 1 (B) starting",
            "Agent 2 (C) starting",
        ]
        ends = sorted(words[5:7])
        assert ends[0].startswith("Agent 1 (B) completed in ")
        assert ends[0].endswith("ms")
        assert ends[1].startswith("Agent 2 (C) failed after ")
        assert ends[1].endswith("ms: Refused the key (401).")
        assert words[7].startswith("All 2 agents completed in ")
        assert "slowest" in words[7]
        assert "sum" in words[7]
