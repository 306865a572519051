"""The API's addresses: what OpenAI's clients call."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from chains import health
from chains.api import runs, wire
from chains.api.auth import authenticate
from chains.api.errors import ApiError
from chains.api.follow import RunFollower, follow, in_thread
from chains.api.offers import find_offer, offered_to
from chains.api.runs import BegunRun
from chains.models import User

logger = logging.getLogger("chains.api")

KEEP_ALIVE_S = 10.0
# A proxy in front must pass each event on at once.
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def api_view(*methods: str) -> Callable[[View], View]:
    """Make a view that asks for a token instead of a login, and says every error as OpenAI does."""

    def decorate(view: View) -> View:
        @wraps(view)
        async def guarded(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
            try:
                user = await in_thread(authenticate)(request)
                if request.method not in methods:
                    raise _wrong_method(request, methods)
                return await view(request, user, **arguments)
            except ApiError as error:
                return error.response()
            except (OperationalError, InterfaceError):
                logger.exception("The database did not answer %s %s", request.method, request.path)
                return _come_back("The database does not answer: ask again in a moment.").response()

        return login_not_required(csrf_exempt(guarded))

    return decorate


@api_view("GET")
async def models(request: HttpRequest, user: User) -> HttpResponse:
    """List the chains that the token's user may run."""
    return JsonResponse({"object": "list", "data": await in_thread(offered_to)(user)})


@api_view("GET")
async def model(request: HttpRequest, user: User, name: str) -> HttpResponse:
    """Describe one of them."""
    offer = await in_thread(find_offer)(user, name)
    return JsonResponse(offer.as_model() | {"id": name})


@api_view("POST")
async def chat_completions(request: HttpRequest, user: User) -> HttpResponseBase:
    """Run a chain on the last message, in a session of its own, and answer with its output."""
    if health.is_leaving():
        raise _come_back("This server is about to restart: ask again in a moment.")
    question = wire.read_question(_body(request))
    run = await in_thread(runs.begin)(user, question)
    if question.stream:
        return StreamingHttpResponse(stream(run), content_type="text/event-stream", headers=STREAM_HEADERS)
    async with follow(run) as follower:
        result = await follower.end()
    if result.failure:
        raise result.failure
    answer = run.completion.whole(result.output, finish_reason=result.finish_reason, usage=result.usage)
    return JsonResponse(answer)


@api_view("GET", "POST")
async def unknown(request: HttpRequest, user: User, path: str) -> HttpResponse:
    """Say that there is nothing at this address."""
    raise ApiError(
        f"There is no /v1/{path[:200]}: this API has /v1/models and /v1/chat/completions.",
        status=HTTPStatus.NOT_FOUND,
        code="unknown_url",
    )


async def stream(run: BegunRun, keep_alive: float = KEEP_ALIVE_S) -> AsyncGenerator[bytes, None]:
    """Yield the events of a run's answer. A client that hangs up stops the run.

    When nothing comes for ``keep_alive`` seconds a comment keeps proxies from giving the connection up.
    """
    async with follow(run) as follower:
        yield run.completion.chunk({"role": "assistant", "content": ""})
        while follower.result is None:
            text = await follower.text(keep_alive)
            yield run.completion.chunk({"content": text}) if text else wire.KEEP_ALIVE
        for event in _ending(run, follower):
            yield event


def _ending(run: BegunRun, follower: RunFollower) -> list[bytes]:
    """Return the last events: the rest of the text and why it ends, or the error."""
    result = follower.result
    assert result is not None
    try:
        if result.failure:
            raise result.failure
        rest = follower.rest(result)
    except ApiError as error:
        return [wire.event(error.body())]
    events = [run.completion.chunk({"content": rest})] if rest else []
    events.append(run.completion.chunk({}, finish_reason=result.finish_reason))
    if run.completion.include_usage:
        events.append(run.completion.usage_chunk(result.usage))
    return [*events, wire.DONE]


def _body(request: HttpRequest) -> bytes:
    try:
        return request.body
    except RequestDataTooBig as error:
        raise ApiError(
            "The request is too long: leave out the oldest messages.",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            code="request_too_large",
        ) from error


def _come_back(message: str) -> ApiError:
    """Return what OpenAI's clients take as a reason to ask again by themselves."""
    return ApiError(
        message,
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        code="unavailable",
        kind="server_error",
        headers={"Retry-After": "2"},
    )


def _wrong_method(request: HttpRequest, methods: tuple[str, ...]) -> ApiError:
    allowed = ", ".join(methods)
    return ApiError(
        f"{request.method} is not possible here: use {allowed}.",
        status=HTTPStatus.METHOD_NOT_ALLOWED,
        headers={"Allow": allowed},
    )
