"""The one place that speaks HTTP: a shared transport, time limits, and errors in our own vocabulary.

httpx is the interface; which transport works under it is the one line in ``_build_transport``. It was chosen
with ``bench/transports.py``:

    2 cores, 50 tokens/s a stream     µs of CPU per chunk     last of 64 requests out
                                      8 streams  64 streams   on a warm client
    httpx, line by line               124 - 168   108 - 112    390 - 455 ms
    httpx with httpx-aiohttp           51 -  59    28           11 -  13 ms
    this module on httpx-aiohttp             59          32           10 ms

The last line includes decoding, chunks and time limits.

The transport is asked itself, without httpx's client around it: that would follow redirects (the key would
travel along) and keep cookies, neither of which is wanted, and it took half of the time between an answer's
head and its first token. Proxies from the environment are not used.

What counts for the first-token and idle limits is text or reasoning. Comments, pings and empty deltas do not:
a server that only keeps its connection alive has stalled all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from collections.abc import AsyncGenerator, Callable
from typing import Any, cast

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from chains.providers.base import Completion, Endpoint, ListedModel, Sink, WireRequest
from chains.providers.decoding import SHAPE_ERRORS, AnswerDecoder
from chains.providers.errors import (
    ErrorKind,
    ProviderError,
    error_from_status,
    error_from_stream,
    error_of_kind,
)
from chains.providers.sse import EventStreamDecoder, EventTooLargeError, ServerSentEvent
from chains.providers.wirejson import dump_json, load_json

STREAM_HEADERS = {"content-type": "application/json", "accept": "text/event-stream"}
MAX_CONNECTIONS = 2000
KEEP_ALIVE_S = 30.0
MAX_ERROR_BYTES = 64 * 1024
MAX_LIST_BYTES = 16 * 1024 * 1024
ERROR_BODY_S = 2.0
# After a finish marker that is to be believed only usage can follow; a server that forgets to close must not
# cost the answer.
TAIL_S = 5.0
# How early the idle limit may be reached, as a part of it.
TIMER_GRAIN = 0.01
# Reading to the end of the body lets the connection be used again.
DRAIN_S = 0.05

_TRANSPORT_ERRORS = (httpx.HTTPError, aiohttp.ClientError, OSError)

_transports: dict[asyncio.AbstractEventLoop, AiohttpTransport] = {}


async def warm() -> None:
    """Build the shared transport before somebody waits for it: reading the certificates takes 50 ms."""
    await asyncio.to_thread(_certificates)
    _shared_transport()


async def aclose() -> None:
    """Close the running loop's transport with all its connections; the next call makes another."""
    transport = _transports.pop(asyncio.get_running_loop(), None)
    if transport is not None:
        await transport.aclose()


async def stream_answer(
    endpoint: Endpoint, request: WireRequest, decoder: AnswerDecoder, sink: Sink
) -> Completion:
    """POST and hand each piece of the answer to ``sink``; return at the finish marker.

    The connection is done with before this returns or raises. Raises ``ProviderError``.
    """
    reader = _AnswerReader(endpoint, decoder, sink)
    try:
        async with asyncio.timeout_at(reader.deadline) as timer:
            response = await _send(endpoint, request)
            try:
                await _check(endpoint, response, stream=True)
                await reader.read(response, timer)
            finally:
                await response.aclose()
    except TimeoutError as error:
        if not decoder.is_settled:
            raise reader.timeout_error() from error
    finally:
        # asyncio closes a socket in the loop's next turn; callers note when the connection is gone.
        await asyncio.sleep(0)
    assert decoder.completion is not None
    return decoder.completion


async def fetch_models(
    endpoint: Endpoint, request: WireRequest, read: Callable[[Any], list[ListedModel]]
) -> list[ListedModel]:
    """GET a provider's own list and ``read`` it, within the first-token limit. Raises ``ProviderError``."""
    try:
        async with asyncio.timeout(endpoint.limits.first_token):
            response = await _send(endpoint, request)
            try:
                await _check(endpoint, response, stream=False)
                return read(load_json(await _body(response, MAX_LIST_BYTES)))
            finally:
                await response.aclose()
    except TimeoutError as error:
        raise error_of_kind(ErrorKind.TIMEOUT_FIRST_TOKEN, endpoint) from error
    except _TRANSPORT_ERRORS as error:
        raise error_of_kind(ErrorKind.CUT, endpoint) from error
    except SHAPE_ERRORS as error:
        raise error_of_kind(ErrorKind.PROTOCOL, endpoint) from error


class _AnswerReader:
    """Reads one answer's stream and knows which of its limits comes next."""

    def __init__(self, endpoint: Endpoint, decoder: AnswerDecoder, sink: Sink) -> None:
        self._endpoint = endpoint
        self._decoder = decoder
        self._sink = sink
        self._events = EventStreamDecoder()
        self._saw_bytes = self._saw_event = self._saw_token = False
        self._clock = asyncio.get_running_loop().time
        limits = endpoint.limits
        began = self._clock()
        self._end = began + limits.total
        self.deadline = min(began + limits.first_token, self._end)

    async def read(self, response: httpx.Response, timer: asyncio.Timeout) -> None:
        """Read until the answer is complete. Raises ``ProviderError`` if it ends before."""
        try:
            async with contextlib.aclosing(_pieces(response)) as pieces:
                async for piece in pieces:
                    if self._take(piece):
                        self._put_off(timer)
                    if self._decoder.is_done:
                        await _drain(pieces)
                        return
        except ProviderError:
            # What comes after the finish marker takes nothing from the answer.
            if not self._decoder.is_settled:
                raise
        except _TRANSPORT_ERRORS as error:
            if not self._decoder.is_settled:
                raise error_of_kind(ErrorKind.CUT, self._endpoint) from error
        self._end_of_stream()

    def timeout_error(self) -> ProviderError:
        """Return the error for the limit that was reached."""
        if self.deadline >= self._end:
            kind = ErrorKind.TIMEOUT_TOTAL
        else:
            kind = ErrorKind.TIMEOUT_IDLE if self._saw_token else ErrorKind.TIMEOUT_FIRST_TOKEN
        return error_of_kind(kind, self._endpoint)

    def _put_off(self, timer: asyncio.Timeout) -> None:
        """Begin the idle limit anew, but not at every token: that would cost as much as reading it."""
        idle = self._endpoint.limits.idle
        if self._decoder.is_settled:
            idle = min(idle, TAIL_S)
        deadline = min(self._clock() + idle, self._end)
        if abs(deadline - self.deadline) > idle * TIMER_GRAIN:
            self.deadline = deadline
            timer.reschedule(deadline)

    def _take(self, piece: bytes) -> bool:
        """Decode a piece of the body; True when the answer got on by it."""
        self._saw_bytes = True
        try:
            events = self._events.feed(piece)
        except EventTooLargeError as error:
            raise error_of_kind(ErrorKind.PROTOCOL, self._endpoint, retryable=False) from error
        was_settled = self._decoder.is_settled
        advanced = False
        for event in events:
            advanced = self._deliver(event) or advanced
        return advanced or self._decoder.is_settled > was_settled

    def _deliver(self, event: ServerSentEvent) -> bool:
        self._saw_event = True
        chunks = self._decoder.feed(event)
        for chunk in chunks:
            self._saw_token = True
            self._sink(chunk)
        return bool(chunks)

    def _end_of_stream(self) -> None:
        try:
            for event in self._events.close():
                self._deliver(event)
        except ProviderError as error:
            # Half an event makes no sense: that is told as a cut below. A whole one may say why it was cut.
            if error.kind is not ErrorKind.PROTOCOL and not self._decoder.is_settled:
                raise
        if self._decoder.completion is None:
            foreign = self._saw_bytes and not self._saw_event
            raise error_of_kind(ErrorKind.PROTOCOL if foreign else ErrorKind.CUT, self._endpoint)


async def _send(endpoint: Endpoint, request: WireRequest) -> httpx.Response:
    try:
        prepared = _prepare(request, endpoint.limits.connect)
        return await _shared_transport().handle_async_request(prepared)
    except UnicodeEncodeError as error:
        # Only a header can be meant: addresses are encoded by rules of their own.
        raise error_of_kind(ErrorKind.AUTH, endpoint) from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, ValueError) as error:
        raise error_of_kind(ErrorKind.CONNECTION, endpoint, retryable=False) from error
    except _TRANSPORT_ERRORS as error:
        raise error_of_kind(_kind_of(error), endpoint) from error


def _prepare(request: WireRequest, connect_s: float) -> httpx.Request:
    headers = {"accept-encoding": "identity", "user-agent": "chain-chat", **request.headers}
    timeout = httpx.Timeout(None, connect=connect_s).as_dict()
    if request.body is None:
        return httpx.Request("GET", _address(request.url), headers=headers, extensions={"timeout": timeout})
    headers |= STREAM_HEADERS
    body = dump_json(request.body)
    return httpx.Request(
        "POST", _address(request.url), headers=headers, content=body, extensions={"timeout": timeout}
    )


@functools.lru_cache(maxsize=512)
def _address(url: str) -> httpx.URL:
    """Read an address once: the calls of a group have the same few, and leave in the same moment."""
    return httpx.URL(url)


def _kind_of(error: Exception) -> ErrorKind:
    """Tell apart what happened before the answer began; httpx-aiohttp gives several things one name."""
    cause = error.__cause__ or error
    if isinstance(cause, aiohttp.ClientConnectorError | httpx.ConnectError):
        return ErrorKind.CONNECTION
    if isinstance(cause, TimeoutError | httpx.ConnectTimeout):
        return ErrorKind.TIMEOUT_CONNECT
    if isinstance(cause, aiohttp.ClientResponseError | httpx.RemoteProtocolError):
        return ErrorKind.PROTOCOL
    return ErrorKind.CUT


async def _check(endpoint: Endpoint, response: httpx.Response, *, stream: bool) -> None:
    """Raise unless the answer is the kind of thing that was asked for."""
    if not response.is_success:
        raise error_from_status(endpoint, response.status_code, await _error_body(response), response.headers)
    kind = response.headers.get("content-type", "")
    if stream and kind.startswith(("application/json", "text/html")):
        body = await _error_body(response)
        if isinstance(body, dict) and body.get("error"):
            raise error_from_stream(endpoint, body["error"])
        raise error_of_kind(ErrorKind.PROTOCOL, endpoint, retryable=False)


async def _error_body(response: httpx.Response) -> object:
    """Return the body's JSON, or its text; what cannot be read in time is left out."""
    text = b""
    with contextlib.suppress(TimeoutError, *_TRANSPORT_ERRORS):
        async with asyncio.timeout(ERROR_BODY_S):
            text = await _body(response, MAX_ERROR_BYTES)
    try:
        return load_json(text)
    except ValueError:
        return text.decode("utf-8", "replace")


async def _body(response: httpx.Response, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async with contextlib.aclosing(_pieces(response)) as pieces:
        async for piece in pieces:
            parts.append(piece)
            size += len(piece)
            if size > limit:
                break
    return b"".join(parts)[:limit]


def _pieces(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    # Nothing compressed is asked for; a server that compresses all the same costs some more.
    compressed = "content-encoding" in response.headers
    pieces = response.aiter_bytes() if compressed else aiter(cast("httpx.AsyncByteStream", response.stream))
    return cast("AsyncGenerator[bytes, None]", pieces)


async def _drain(pieces: AsyncGenerator[bytes, None]) -> None:
    with contextlib.suppress(TimeoutError, *_TRANSPORT_ERRORS):
        async with asyncio.timeout(DRAIN_S):
            async for _ in pieces:
                pass


@functools.cache
def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _shared_transport() -> AiohttpTransport:
    loop = asyncio.get_running_loop()
    transport = _transports.get(loop)
    if transport is None:
        for closed in [other for other in _transports if other.is_closed()]:
            del _transports[closed]
        transport = _transports[loop] = _build_transport()
    return transport


def _build_transport() -> AiohttpTransport:
    return AiohttpTransport(verify=_certificates(), client=_build_session)


def _build_session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S, ssl=_certificates(), ttl_dns_cache=300
    )
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, max_field_size=64 * 1024
    )
