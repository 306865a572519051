"""What a request may touch. Another person's object raises exactly the 404 of one that does not exist."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django_htmx.middleware import HtmxDetails

from chains.models import AgentStep, Attachment, Chain, ChatSession, Run, RunShare, User, is_row_id

_OF_SHARE = ("run__session__owner", "run__chain_version__chain")


class Request(HttpRequest):
    """A request that passed ``LoginRequiredMiddleware`` and ``HtmxMiddleware``."""

    user: User
    htmx: HtmxDetails


def session_for(request: Request, pk: int) -> ChatSession:
    """Return the user's session. Raises ``Http404``."""
    return get_object_or_404(
        ChatSession.objects.visible_to(request.user).with_unsent().select_related("chain", "owner"), pk=pk
    )


def run_for(request: Request, pk: int) -> Run:
    """Return a run of one of the user's sessions. Raises ``Http404``."""
    return get_object_or_404(Run.objects.visible_to(request.user), pk=pk)


def read_run_for(request: Request, pk: int) -> Run:
    """Return a run of one of the user's sessions, with whose chain it ran. Raises ``Http404``."""
    runs = Run.objects.visible_to(request.user).select_related("session__owner", "chain_version__chain")
    return get_object_or_404(runs, pk=pk)


def share_for(request: Request, pk: int) -> RunShare:
    """Return a link to one of the user's runs. Raises ``Http404``."""
    return get_object_or_404(RunShare.objects.visible_to(request.user).select_related(*_OF_SHARE), pk=pk)


def share_of(token: str) -> RunShare:
    """Return the link with this token, whoever asks. Raises ``Http404``."""
    return get_object_or_404(RunShare.objects.select_related(*_OF_SHARE), token=token)


def step_for(request: Request, pk: int) -> AgentStep:
    """Return a step of one of the user's sessions, its run loaded. Raises ``Http404``."""
    return get_object_or_404(AgentStep.objects.visible_to(request.user).select_related("run"), pk=pk)


def sent_step_for(request: Request, pk: int) -> AgentStep:
    """Return a step of one of the user's sessions, with whose prompts it has. Raises ``Http404``."""
    steps = AgentStep.objects.visible_to(request.user).select_related("run__chain_version__chain__owner")
    return get_object_or_404(steps, pk=pk)


def attachment_for(request: Request, pk: int) -> Attachment:
    """Return one of the user's files. Raises ``Http404``."""
    return get_object_or_404(Attachment.objects.visible_to(request.user), pk=pk)


def chain_for(request: Request, slug: str) -> Chain:
    """Return one of the user's chains that is not archived. Raises ``Http404``."""
    return get_object_or_404(Chain.objects.visible_to(request.user).active(), slug=slug)


def any_chain_for(request: Request, slug: str) -> Chain:
    """Return one of the user's chains, archived or not. Raises ``Http404``."""
    return get_object_or_404(Chain.objects.visible_to(request.user).select_related("owner"), slug=slug)


def row_id(request: Request, parameter: str) -> int:
    """Return a row's id from the query string. Raises ``Http404`` when it is none."""
    found = number(request, parameter)
    if found is None:
        raise Http404
    return found


def number(request: Request, parameter: str) -> int | None:
    """Return a number from the query string, None without one. Raises ``Http404`` for other text."""
    value = request.GET.get(parameter)
    if value is None:
        return None
    if not is_row_id(value):
        raise Http404
    return int(value)


def words(data: QueryDict) -> str:
    """Return what somebody looks for, without what no database takes."""
    return data.get("q", "").replace("\0", "").strip()[:200]


def plain_text(text: str) -> HttpResponse:
    """Answer with a text that no browser takes for anything else."""
    headers = {"X-Content-Type-Options": "nosniff"}
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)
