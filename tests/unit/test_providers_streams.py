"""Good answers of the three wire formats over real sockets, stopping them, and the client underneath."""

from __future__ import annotations

import asyncio
import base64
import gc
import threading
import warnings
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
    Usage,
)
from chains.providers.errors import ErrorKind, ProviderError
from chains.providers.registry import open_provider
from tests.loopback import Fault, LoopbackProvider, Script
from tests.loopback.conversation import SHORT_IDLE, Conversation, tokens
from tests.pictures import shown

pytest_plugins = ["tests.loopback.fixtures"]
pytestmark = pytest.mark.usefixtures("http_client")

WIRES = ["openai", "anthropic", "gemini"]
every_wire = pytest.mark.parametrize("wire", WIRES)


# A good answer


@every_wire
async def test_pictures_arrive_as_they_are_stored_in_the_form_of_each_wire(
    loopback: LoopbackProvider, wire: str
) -> None:
    conversation = Conversation(loopback, wire, Script(echo=True))
    images = (shown(), shown("dog.jpg", "JPEG", (20, 10)))
    said = (
        ChatMessage("user", "Earlier", images=images[:1]),
        ChatMessage("assistant", "Yes"),
        ChatMessage("user", "Now", images=images),
    )
    await conversation.provider.chat(ChatRequest(conversation.model, said), conversation.chunks.append)
    [call] = loopback.calls_of(conversation.model)
    assert [(seen.media_type, seen.width, seen.height) for seen in call.pictures] == [
        ("image/png", 8, 6),
        ("image/png", 8, 6),
        ("image/jpeg", 20, 10),
    ]
    assert [base64.b64encode(seen.data).decode() for seen in call.pictures[1:]] == [
        image.data for image in images
    ]
    assert conversation.text.endswith("heard: Now")


@every_wire
async def test_a_provider_that_cannot_read_a_picture_says_so(loopback: LoopbackProvider, wire: str) -> None:
    conversation = Conversation(loopback, wire, Script())
    said = (ChatMessage("user", "Look", images=(replace(shown(), media_type="image/webp"),)),)
    with pytest.raises(ProviderError, match="Invalid picture") as caught:
        await conversation.provider.chat(ChatRequest(conversation.model, said), conversation.chunks.append)
    assert (caught.value.kind, conversation.calls) == (ErrorKind.BAD_REQUEST, 1)


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
    # Its last word leaves only when the first has arrived.
    first = threading.Event()
    conversation = Conversation(loopback, wire, Script(tokens=10, tps=50, ends=first))
    arrivals: list[object] = []

    def take(chunk: object) -> None:
        arrivals.append(chunk)
        first.set()

    request = ChatRequest(conversation.model, (ChatMessage("user", "x"),))
    await conversation.provider.chat(request, take)
    assert len(arrivals) == 10


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
    assert completion == Completion(FinishReason.STOP, Usage(None, None))


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
    conversation = Conversation(loopback, wire, script, SHORT_IDLE)
    assert (await conversation.ask()).reason is FinishReason.STOP
    loopback.wait_for_hang_up(conversation.model)


@every_wire
@pytest.mark.parametrize("unfinished", [False, True], ids=["no JSON", "an error that lacks its end"])
async def test_litter_after_the_finish_marker_does_not_cost_the_answer(
    loopback: LoopbackProvider, wire: str, unfinished: bool
) -> None:
    script = Script(tokens=3, end_marker=False, litter=True, unfinished=unfinished)
    conversation = Conversation(loopback, wire, script)
    assert (await conversation.ask()).reason is FinishReason.STOP


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


@every_wire
async def test_bytes_that_are_no_utf8_do_not_cost_the_answer(loopback: LoopbackProvider, wire: str) -> None:
    conversation = Conversation(loopback, wire, Script(text="half\ud83d horse"))
    assert (await conversation.ask()).reason is FinishReason.STOP
    assert conversation.text.startswith("half\ufffd")


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
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # This event loop stands still meanwhile: the socket was closed before the cancellation came out.
    call = loopback.wait_for_hang_up(conversation.model)
    assert call.hung_up_at is not None
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


async def test_the_transport_is_one_for_the_loop_and_a_closed_one_is_replaced(
    loopback: LoopbackProvider,
) -> None:
    assert (await Conversation(loopback, "openai", Script()).ask()).reason is FinishReason.STOP
    transport = http._shared_transport()
    assert (await Conversation(loopback, "openai", Script()).ask()).reason is FinishReason.STOP
    assert http._shared_transport() is transport
    await http.aclose()
    assert transport.get_client().closed
    assert (await Conversation(loopback, "openai", Script()).ask()).reason is FinishReason.STOP
    assert http._shared_transport() is not transport


async def test_nothing_is_left_open_after_good_and_bad_answers(loopback: LoopbackProvider) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await Conversation(loopback, "openai", Script()).ask()
        for fault in (Fault.MALFORMED, Fault.CUT, Fault.STATUS, Fault.STALL):
            await Conversation(loopback, "openai", Script(fault=fault, after=2), SHORT_IDLE).ask_in_vain()
        await http.aclose()
        gc.collect()
        await asyncio.sleep(0)
    assert [str(warning.message) for warning in caught if issubclass(warning.category, ResourceWarning)] == []
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
