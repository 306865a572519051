"""Every fault of a provider in the three wire formats over real sockets, before and after the first token."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chains.providers.base import (
    ChatMessage,
    ChatRequest,
    FinishReason,
    TimeLimits,
)
from chains.providers.errors import ErrorKind, ProviderError
from chains.providers.registry import open_provider
from tests.loopback import Fault, LoopbackProvider, Script
from tests.loopback.conversation import AMPLE, SHORT, SHORT_IDLE, Conversation, tokens

pytest_plugins = ["tests.loopback.fixtures"]
pytestmark = pytest.mark.usefixtures("http_client")

WIRES = ["openai", "anthropic", "gemini"]
every_wire = pytest.mark.parametrize("wire", WIRES)


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
async def test_an_error_that_is_a_bare_text_is_told_with_it(loopback: LoopbackProvider, wire: str) -> None:
    script = Script(fault=Fault.JSON_ERROR, message="model is loading", plain=True)
    error = await Conversation(loopback, wire, script).ask_in_vain()
    assert (error.kind, error.retryable) == (ErrorKind.SERVER, True)
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


async def test_a_key_that_no_header_can_carry_is_a_wrong_key(loopback: LoopbackProvider) -> None:
    endpoint = replace(loopback.endpoint("openai"), api_key="kéy-0123456789")
    with pytest.raises(ProviderError, match="check OPENAI_API_KEY") as caught:
        await open_provider(endpoint).chat(ChatRequest("m", (ChatMessage("user", "x"),)), lambda chunk: None)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.AUTH, False)


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
    waits = {0: SHORT, 5: SHORT_IDLE}[after]
    limits = waits if fault in (Fault.STALL, Fault.PINGS) else AMPLE
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


@pytest.mark.parametrize(
    ("wire", "word", "kind"),
    [
        ("openai", "invalid_request_error", ErrorKind.BAD_REQUEST),
        ("anthropic", "authentication_error", ErrorKind.AUTH),
        ("gemini", "UNAVAILABLE", ErrorKind.OVERLOADED),
    ],
)
@pytest.mark.parametrize("after", [0, 5])
async def test_an_error_as_the_last_event_is_told_although_the_stream_ends_within_it(
    loopback: LoopbackProvider, wire: str, word: str, kind: ErrorKind, after: int
) -> None:
    script = Script(tokens=9, fault=Fault.ERROR_EVENT, after=after, error=word, unfinished=True)
    conversation = Conversation(loopback, wire, script)
    error = await conversation.ask_in_vain()
    assert (error.kind, error.retryable) == (kind, kind is ErrorKind.OVERLOADED)
    assert "loopback says no" in error.sentence
    assert conversation.text == tokens(conversation.model, after)


@every_wire
async def test_an_answer_that_takes_too_long_is_given_up_although_it_goes_on(
    loopback: LoopbackProvider, wire: str
) -> None:
    limits = TimeLimits(first_token=5.0, idle=5.0, total=1.0)
    conversation = Conversation(loopback, wire, Script(tokens=500, tps=50), limits)
    error = await conversation.ask_in_vain()
    assert (error.kind, error.retryable) == (ErrorKind.TIMEOUT_TOTAL, False)
    assert conversation.text
    loopback.wait_for_hang_up(conversation.model)


@every_wire
async def test_a_slow_answer_outlives_the_idle_limit_many_times(
    loopback: LoopbackProvider, wire: str
) -> None:
    limits = TimeLimits(first_token=10.0, idle=0.8, total=30.0)
    conversation = Conversation(loopback, wire, Script(tokens=20, tps=8), limits)
    assert (await conversation.ask()).reason is FinishReason.STOP


async def test_a_model_that_fails_once_answers_the_next_call(loopback: LoopbackProvider) -> None:
    script = Script(tokens=3, fault=Fault.STATUS, status=503, fail_times=1)
    conversation = Conversation(loopback, "openai", script)
    await conversation.ask_in_vain()
    await conversation.ask()
    assert conversation.calls == 2
