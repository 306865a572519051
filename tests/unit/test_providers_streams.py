"""The three wire formats over real sockets, with every fault before and after the first token."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chains.providers import http
from chains.providers.base import (
    ChatMessage,
    ChatRequest,
    Completion,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    TimeLimits,
    Usage,
)
from chains.providers.errors import ErrorKind, ProviderError
from chains.providers.registry import open_provider
from tests.loopback import Fault, LoopbackProvider, Script

pytest_plugins = ["tests.loopback.fixtures"]
pytestmark = pytest.mark.usefixtures("http_client")

WIRES = ["openai", "anthropic", "gemini"]
every_wire = pytest.mark.parametrize("wire", WIRES)
SHORT = TimeLimits(connect=2.0, first_token=0.25, idle=0.25, total=5.0)
AMPLE = TimeLimits(connect=5.0, first_token=10.0, idle=10.0, total=30.0)


class Conversation:
    """A call to a scripted model, and what came of it."""

    def __init__(
        self, loopback: LoopbackProvider, wire: str, script: Script, limits: TimeLimits = AMPLE
    ) -> None:
        self.server = loopback
        self.model = loopback.script(f"{wire}-model", script)
        self.provider = open_provider(loopback.endpoint(wire, limits))
        self.chunks: list[TextChunk | ReasoningChunk] = []

    async def ask(self, prompt: str = "one two three") -> Completion:
        request = ChatRequest(self.model, (ChatMessage("user", prompt),))
        return await self.provider.chat(request, self.chunks.append)

    async def ask_in_vain(self) -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            await self.ask()
        assert "loopback-key" not in caught.value.sentence
        assert caught.value.sentence.startswith(f"Loopback {self.provider._endpoint.kind}")  # type: ignore[attr-defined]
        return caught.value

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks if isinstance(chunk, TextChunk))

    @property
    def calls(self) -> int:
        return len(self.server.calls_of(self.model))


@contextlib.contextmanager
def full_backlog() -> Iterator[str]:
    """Give an address that lets nobody in: its queue of one is taken and never worked off."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def tokens(model: str, count: int) -> str:
    return "".join(f"{model}-{number} " for number in range(count))


# A good answer


@every_wire
async def test_an_answer_arrives_whole_with_reason_and_usage(loopback: LoopbackProvider, wire: str) -> None:
    conversation = Conversation(loopback, wire, Script(tokens=30))
    assert await conversation.ask() == Completion(FinishReason.STOP, Usage(3, 30))
    assert conversation.text == tokens(conversation.model, 30)
    assert conversation.calls == 1


@every_wire
async def test_tokens_arrive_one_by_one_while_the_answer_goes_on(
    loopback: LoopbackProvider, wire: str
) -> None:
    conversation = Conversation(loopback, wire, Script(tokens=10, tps=50))
    began = time.monotonic()
    arrivals: list[float] = []
    request = ChatRequest(conversation.model, (ChatMessage("user", "x"),))
    await conversation.provider.chat(request, lambda chunk: arrivals.append(time.monotonic()))
    assert len(arrivals) == 10
    assert arrivals[0] - began < (arrivals[-1] - began) / 2


@every_wire
@pytest.mark.parametrize(
    "script",
    [
        Script(text="žluťoučký kůň 🐎", split=1),
        Script(text="žluťoučký kůň 🐎", split=1, crlf=True),
        Script(text="žluťoučký kůň 🐎", split=7, crlf=True),
    ],
    ids=["bytes", "bytes with crlf", "pieces with crlf"],
)
async def test_characters_cut_in_two_and_crlf_change_nothing(
    loopback: LoopbackProvider, wire: str, script: Script
) -> None:
    conversation = Conversation(loopback, wire, script)
    assert (await conversation.ask()).reason is FinishReason.STOP
    assert conversation.text == "žluťoučký kůň 🐎"


@every_wire
async def test_a_line_of_ten_megabytes_is_read(loopback: LoopbackProvider, wire: str) -> None:
    conversation = Conversation(loopback, wire, Script(long_line=10_000_000))
    await conversation.ask()
    assert len(conversation.text) > 10_000_000


@every_wire
async def test_reasoning_is_kept_apart_from_the_text(loopback: LoopbackProvider, wire: str) -> None:
    conversation = Conversation(loopback, wire, Script(tokens=2, reasoning=3))
    await conversation.ask()
    kinds = [type(chunk) for chunk in conversation.chunks]
    assert kinds == [ReasoningChunk] * 3 + [TextChunk] * 2
    assert "thought" not in conversation.text


@every_wire
@pytest.mark.parametrize(
    ("finish", "reasons"),
    [
        ("length", {FinishReason.LENGTH}),
        ("refusal", {FinishReason.REFUSAL, FinishReason.CONTENT_FILTER}),
        ("content_filter", {FinishReason.REFUSAL, FinishReason.CONTENT_FILTER}),
        ("blocked_prompt", {FinishReason.REFUSAL, FinishReason.CONTENT_FILTER}),
    ],
)
async def test_why_an_answer_ended_is_told(
    loopback: LoopbackProvider, wire: str, finish: str, reasons: set[FinishReason]
) -> None:
    conversation = Conversation(loopback, wire, Script(tokens=3, finish=finish))
    assert (await conversation.ask()).reason in reasons
    assert conversation.text.startswith(tokens(conversation.model, 3))


@every_wire
async def test_an_answer_without_text_is_complete_and_empty(loopback: LoopbackProvider, wire: str) -> None:
    conversation = Conversation(loopback, wire, Script(tokens=0))
    assert (await conversation.ask()).reason is FinishReason.STOP
    assert conversation.chunks == []


@every_wire
async def test_usage_that_the_provider_keeps_to_itself_is_unknown(
    loopback: LoopbackProvider, wire: str
) -> None:
    completion = await Conversation(loopback, wire, Script(usage=False)).ask()
    assert None in (completion.usage.input_tokens, completion.usage.output_tokens) or wire == "anthropic"
    assert completion.usage.output_tokens in (None, 1)


@every_wire
async def test_a_finish_marker_suffices_where_the_end_marker_is_missing(
    loopback: LoopbackProvider, wire: str
) -> None:
    conversation = Conversation(loopback, wire, Script(tokens=3, end_marker=False))
    assert (await conversation.ask()).reason is FinishReason.STOP


@every_wire
async def test_a_server_that_forgets_to_close_does_not_cost_the_answer(
    loopback: LoopbackProvider, wire: str
) -> None:
    script = Script(tokens=3, end_marker=False, linger=60.0)
    conversation = Conversation(loopback, wire, script, SHORT)
    assert (await conversation.ask()).reason is FinishReason.STOP
    loopback.wait_for_hang_up(conversation.model)


@every_wire
async def test_a_server_that_compresses_unasked_is_understood(loopback: LoopbackProvider, wire: str) -> None:
    conversation = Conversation(loopback, wire, Script(tokens=5, compress=True))
    await conversation.ask()
    assert conversation.text == tokens(conversation.model, 5)


@every_wire
async def test_the_connection_is_used_again(loopback: LoopbackProvider, wire: str) -> None:
    conversation = Conversation(loopback, wire, Script(tokens=3))
    await conversation.ask()
    await conversation.ask()
    first, second = loopback.calls_of(conversation.model)
    assert first.port == second.port


@every_wire
async def test_the_key_travels_in_a_header_and_never_in_the_address(
    loopback: LoopbackProvider, wire: str
) -> None:
    conversation = Conversation(loopback, wire, Script())
    await conversation.ask()
    (call,) = loopback.calls_of(conversation.model)
    assert any("loopback-key" in value for value in call.headers.values())
    assert "loopback-key" not in call.path


async def test_half_a_surrogate_pair_can_be_sent(loopback: LoopbackProvider) -> None:
    conversation = Conversation(loopback, "openai", Script(tokens=1))
    await conversation.ask("half \ud83d horse")
    (call,) = loopback.calls_of(conversation.model)
    assert call.body["messages"][0]["content"] == "half \ud83d horse"


async def test_an_answer_of_each_of_many_calls_at_once_is_its_own(loopback: LoopbackProvider) -> None:
    conversations = []
    for number in range(64):
        wire = WIRES[number % 3]
        conversation = Conversation(loopback, wire, Script())
        conversation.model = f"loop:tokens=20,tps=200,tag=T{number}"
        conversations.append(conversation)
    await asyncio.gather(*(conversation.ask() for conversation in conversations))
    for number, conversation in enumerate(conversations):
        assert conversation.text == tokens(f"T{number}", 20)


# Refused or broken before the stream


@every_wire
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429, 500, 502, 503, 529])
async def test_a_refusal_is_told_with_its_status_after_one_call(
    loopback: LoopbackProvider, wire: str, status: int
) -> None:
    conversation = Conversation(
        loopback, wire, Script(fault=Fault.STATUS, status=status, message="not today")
    )
    error = await conversation.ask_in_vain()
    assert error.http_status == status
    assert str(status) in error.sentence
    assert error.retryable == (status in (429, 500, 502, 503, 529))
    assert "not today" in error.sentence
    assert conversation.calls == 1
    assert conversation.chunks == []


@every_wire
async def test_a_wish_to_wait_is_passed_on(loopback: LoopbackProvider, wire: str) -> None:
    script = Script(fault=Fault.STATUS, status=429, retry_after="3600")
    assert (await Conversation(loopback, wire, script).ask_in_vain()).retry_after == 3600


@every_wire
async def test_a_redirect_is_not_followed(loopback: LoopbackProvider, wire: str) -> None:
    conversation = Conversation(loopback, wire, Script(fault=Fault.REDIRECT))
    error = await conversation.ask_in_vain()
    assert (error.http_status, error.retryable) == (307, False)
    assert len(loopback.calls) == 1


@every_wire
async def test_a_server_that_never_answers_is_given_up(loopback: LoopbackProvider, wire: str) -> None:
    conversation = Conversation(loopback, wire, Script(fault=Fault.HANG_HEADERS), SHORT)
    error = await conversation.ask_in_vain()
    assert (error.kind, error.retryable) == (ErrorKind.TIMEOUT_FIRST_TOKEN, True)
    loopback.wait_for_hang_up(conversation.model)
    assert conversation.calls == 1


@every_wire
async def test_an_error_document_instead_of_a_stream_is_an_error(
    loopback: LoopbackProvider, wire: str
) -> None:
    script = Script(fault=Fault.JSON_ERROR, message="model is loading")
    error = await Conversation(loopback, wire, script).ask_in_vain()
    assert "model is loading" in error.sentence


@every_wire
async def test_a_page_of_html_is_not_an_answer(loopback: LoopbackProvider, wire: str) -> None:
    error = await Conversation(loopback, wire, Script(fault=Fault.HTML_PAGE)).ask_in_vain()
    assert (error.kind, error.retryable) == (ErrorKind.PROTOCOL, False)


@every_wire
async def test_a_page_of_html_that_claims_to_be_a_stream_is_not_an_empty_answer(
    loopback: LoopbackProvider, wire: str
) -> None:
    error = await Conversation(loopback, wire, Script(fault=Fault.HTML)).ask_in_vain()
    assert error.kind is ErrorKind.PROTOCOL


@every_wire
async def test_a_wrong_key_names_the_variable_to_check(loopback: LoopbackProvider, wire: str) -> None:
    endpoint = replace(loopback.endpoint(wire), api_key="loopback-key-that-is-wrong")
    with pytest.raises(ProviderError) as caught:
        await open_provider(endpoint).chat(ChatRequest("m", (ChatMessage("user", "x"),)), lambda chunk: None)
    assert caught.value.kind is ErrorKind.AUTH
    assert f"check {wire.upper()}_API_KEY." in caught.value.sentence
    assert "that-is-wrong" not in caught.value.sentence


@every_wire
async def test_nobody_at_the_address_is_told_with_the_address(loopback: LoopbackProvider, wire: str) -> None:
    endpoint = replace(loopback.endpoint(wire), base_url="http://127.0.0.1:9")
    with pytest.raises(ProviderError, match=r"127\.0\.0\.1:9") as caught:
        await open_provider(endpoint).chat(ChatRequest("m", (ChatMessage("user", "x"),)), lambda chunk: None)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.CONNECTION, True)


@pytest.mark.parametrize("address", ["", "localhost:11434", "http://", "http://[::bad", "ftp://x"])
async def test_an_address_that_is_none_is_told_and_not_tried_again(
    loopback: LoopbackProvider, address: str
) -> None:
    endpoint = replace(loopback.endpoint("openai"), base_url=address)
    with pytest.raises(ProviderError) as caught:
        await open_provider(endpoint).chat(ChatRequest("m", (ChatMessage("user", "x"),)), lambda chunk: None)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.CONNECTION, False)


async def test_a_connection_that_nobody_accepts_reaches_the_connect_limit(loopback: LoopbackProvider) -> None:
    with full_backlog() as address:
        limits = TimeLimits(connect=0.2, first_token=5.0)
        endpoint = replace(loopback.endpoint("openai", limits), base_url=address)
        with pytest.raises(ProviderError) as caught:
            await open_provider(endpoint).chat(
                ChatRequest("m", (ChatMessage("user", "x"),)), lambda chunk: None
            )
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.TIMEOUT_CONNECT, True)


# Broken inside the stream, before the first token and after the fifth

BROKEN = [
    (Fault.STALL, {0: ErrorKind.TIMEOUT_FIRST_TOKEN, 5: ErrorKind.TIMEOUT_IDLE}),
    (Fault.PINGS, {0: ErrorKind.TIMEOUT_FIRST_TOKEN, 5: ErrorKind.TIMEOUT_IDLE}),
    (Fault.CUT, {0: ErrorKind.CUT, 5: ErrorKind.CUT}),
    (Fault.DROP, {0: ErrorKind.CUT, 5: ErrorKind.CUT}),
    (Fault.RESET, {0: ErrorKind.CUT, 5: ErrorKind.CUT}),
    (Fault.MALFORMED, {0: ErrorKind.PROTOCOL, 5: ErrorKind.PROTOCOL}),
    (Fault.WRONG_SHAPE, {0: ErrorKind.PROTOCOL, 5: ErrorKind.PROTOCOL}),
    (Fault.HUGE, {0: ErrorKind.PROTOCOL, 5: ErrorKind.PROTOCOL}),
]


@every_wire
@pytest.mark.parametrize("after", [0, 5])
@pytest.mark.parametrize(("fault", "kinds"), BROKEN, ids=[fault.value for fault, _ in BROKEN])
async def test_a_stream_that_breaks_is_told_and_what_came_before_is_kept(
    loopback: LoopbackProvider, wire: str, fault: Fault, kinds: dict[int, ErrorKind], after: int
) -> None:
    limits = AMPLE if fault is Fault.HUGE else SHORT
    conversation = Conversation(loopback, wire, Script(tokens=9, fault=fault, after=after), limits)
    error = await conversation.ask_in_vain()
    assert error.kind is kinds[after]
    assert conversation.text == tokens(conversation.model, after)
    assert conversation.calls == 1


@every_wire
@pytest.mark.parametrize("after", [0, 5])
async def test_overloaded_inside_a_stream_that_began_with_200_is_told(
    loopback: LoopbackProvider, wire: str, after: int
) -> None:
    word = "UNAVAILABLE" if wire == "gemini" else "overloaded_error"
    script = Script(tokens=9, fault=Fault.ERROR_EVENT, after=after, error=word, message="Overloaded")
    conversation = Conversation(loopback, wire, script)
    error = await conversation.ask_in_vain()
    assert (error.kind, error.retryable) == (ErrorKind.OVERLOADED, True)
    assert conversation.text == tokens(conversation.model, after)
    assert conversation.calls == 1


@every_wire
async def test_an_answer_that_takes_too_long_is_given_up_although_it_goes_on(
    loopback: LoopbackProvider, wire: str
) -> None:
    limits = TimeLimits(first_token=5.0, idle=5.0, total=0.3)
    conversation = Conversation(loopback, wire, Script(tokens=500, tps=50), limits)
    error = await conversation.ask_in_vain()
    assert (error.kind, error.retryable) == (ErrorKind.TIMEOUT_TOTAL, False)
    assert conversation.text
    loopback.wait_for_hang_up(conversation.model)


@every_wire
async def test_a_slow_answer_outlives_the_idle_limit_many_times(
    loopback: LoopbackProvider, wire: str
) -> None:
    conversation = Conversation(loopback, wire, Script(tokens=12, tps=12), SHORT)
    assert (await conversation.ask()).reason is FinishReason.STOP


async def test_a_model_that_fails_once_answers_the_next_call(loopback: LoopbackProvider) -> None:
    script = Script(tokens=3, fault=Fault.STATUS, status=503, fail_times=1)
    conversation = Conversation(loopback, "openai", script)
    await conversation.ask_in_vain()
    await conversation.ask()
    assert conversation.calls == 2


# Stopping


@every_wire
@pytest.mark.parametrize("after", [0, 3], ids=["before the first token", "in the middle"])
async def test_a_cancelled_call_closes_the_connection_at_once(
    loopback: LoopbackProvider, wire: str, after: int
) -> None:
    conversation = Conversation(loopback, wire, Script(tokens=9, fault=Fault.STALL, after=after))
    task = asyncio.create_task(conversation.ask(), name="call")
    await asyncio.to_thread(loopback.wait_for_calls, 1, conversation.model)
    if after:
        await asyncio.to_thread(loopback.wait_for_first_token, conversation.model)
    stopped = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # This event loop stands still meanwhile: the socket was closed before the cancellation came out.
    call = loopback.wait_for_hang_up(conversation.model)
    assert call.hung_up_at is not None
    assert call.hung_up_at - stopped < SHORT.idle * 2
    assert not call.finished


async def test_an_exception_of_the_receiver_goes_through_and_closes_the_connection(
    loopback: LoopbackProvider,
) -> None:
    conversation = Conversation(loopback, "openai", Script(tokens=9, fault=Fault.STALL, after=5))

    def refuse(chunk: object) -> None:
        raise LookupError("the receiver is broken")

    request = ChatRequest(conversation.model, (ChatMessage("user", "x"),))
    with pytest.raises(LookupError):
        await conversation.provider.chat(request, refuse)
    loopback.wait_for_hang_up(conversation.model)


# The client and the lists


@every_wire
async def test_a_providers_own_list_is_read_without_what_cannot_chat(
    loopback: LoopbackProvider, wire: str
) -> None:
    loopback.script("model-b", Script())
    loopback.script("model-a", Script())
    listed = await open_provider(loopback.endpoint(wire)).list_models()
    assert [model.model_id for model in listed] == ["model-a", "model-b"]


@every_wire
async def test_a_list_that_is_refused_is_told_like_a_call(loopback: LoopbackProvider, wire: str) -> None:
    endpoint = replace(loopback.endpoint(wire), api_key="wrong-key-0123456789")
    with pytest.raises(ProviderError) as caught:
        await open_provider(endpoint).list_models()
    assert caught.value.kind is ErrorKind.AUTH


async def test_the_client_is_one_for_the_loop_and_a_closed_one_is_replaced(
    loopback: LoopbackProvider,
) -> None:
    await http.warm()
    client = http._shared_client()
    assert http._shared_client() is client
    await http.aclose()
    assert client.is_closed
    assert (await Conversation(loopback, "openai", Script()).ask()).reason is FinishReason.STOP


async def test_nothing_is_left_open_after_good_and_bad_answers(loopback: LoopbackProvider) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await Conversation(loopback, "openai", Script()).ask()
        for fault in (Fault.MALFORMED, Fault.CUT, Fault.STATUS, Fault.STALL):
            await Conversation(loopback, "openai", Script(fault=fault, after=2), SHORT).ask_in_vain()
        await http.aclose()
        gc.collect()
        await asyncio.sleep(0)
    assert [str(warning.message) for warning in caught if issubclass(warning.category, ResourceWarning)] == []
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
