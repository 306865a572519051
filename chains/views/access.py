"""What a request may touch. Another person's object raises exactly the 404 of one that does not exist."""

from __future__ import annotations

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django_htmx.middleware import HtmxDetails

from chains.models import AgentStep, Chain, ChatSession, Run, User


class Request(HttpRequest):
    """A request that passed ``LoginRequiredMiddleware`` and ``HtmxMiddleware``."""

    user: User
    htmx: HtmxDetails


def session_for(request: Request, pk: int) -> ChatSession:
    """Return the user's session. Raises ``Http404``."""
    return get_object_or_404(
        ChatSession.objects.visible_to(request.user).select_related("chain", "owner"), pk=pk
    )


def run_for(request: Request, pk: int) -> Run:
    """Return a run of one of the user's sessions. Raises ``Http404``."""
    return get_object_or_404(Run.objects.visible_to(request.user), pk=pk)


def step_for(request: Request, pk: int) -> AgentStep:
    """Return a step of one of the user's sessions, its run loaded. Raises ``Http404``."""
    return get_object_or_404(AgentStep.objects.visible_to(request.user).select_related("run"), pk=pk)


def chain_for(request: Request, slug: str) -> Chain:
    """Return one of the user's chains that is not archived. Raises ``Http404``."""
    return get_object_or_404(Chain.objects.visible_to(request.user).active(), slug=slug)


def any_chain_for(request: Request, slug: str) -> Chain:
    """Return one of the user's chains, archived or not. Raises ``Http404``."""
    return get_object_or_404(Chain.objects.visible_to(request.user).select_related("owner"), slug=slug)


def row_id(request: Request, parameter: str) -> int:
    """Return a row's id from the query string. Raises ``Http404`` when it is none."""
    value = request.GET.get(parameter, "")
    if not (value.isascii() and value.isdecimal() and len(value) < 19):
        raise Http404
    return int(value)
