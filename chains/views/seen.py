"""What an agent saw: in a drawer, on a page of its own, and as text to copy."""

from __future__ import annotations

import json

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from chains import queries
from chains.models import Attachment
from chains.views import access
from chains.views.access import Request
from chains.views.sidebar import sidebar


@require_GET
@never_cache
def step_seen(request: Request, pk: int) -> HttpResponse:
    """Show the messages of one call: all of them cut where they are long, or one as a whole."""
    step = access.sent_step_for(request, pk)
    number, whole = access.number(request, "attempt"), access.number(request, "whole")
    seen = queries.seen(step, request.user, number=number, whole=whole)
    if seen is None:
        raise Http404
    if request.htmx and whole is not None:
        return _message(request, seen, whole)
    if request.htmx:
        return render(request, "seen/seen.html", {"seen": seen})
    return render(request, "seen/page.html", {"seen": seen, "groups": sidebar(request)})


@require_GET
@never_cache
def step_seen_json(request: Request, pk: int) -> HttpResponse:
    """Return the messages of one call in the form that all providers' wires are made from."""
    step = access.sent_step_for(request, pk)
    address_of, number = _addresses(request), access.number(request, "attempt")
    messages = queries.sent_messages(step, request.user, address_of=address_of, number=number)
    if messages is None:
        raise Http404
    return access.plain_text(json.dumps(messages, ensure_ascii=False, indent=2) + "\n")


@require_GET
@never_cache
def step_seen_curl(request: Request, pk: int) -> HttpResponse:
    """Return one call as a shell command without its key."""
    step = access.sent_step_for(request, pk)
    address_of, number = _addresses(request), access.number(request, "attempt")
    command = queries.sent_curl(step, request.user, address_of=address_of, number=number)
    if command is None:
        raise Http404
    return access.plain_text(command)


def _addresses(request: Request) -> queries.AddressOf:
    def address_of(file: Attachment) -> str:
        return request.build_absolute_uri(reverse("attachment_show", args=[file.pk]))

    return address_of


def _message(request: Request, seen: queries.Seen, number: int) -> HttpResponse:
    message = next((message for message in seen.messages if message.number == number), None)
    if message is None or seen.attempt is None:
        raise Http404
    context = {"message": message, "step": seen.step, "attempt": seen.attempt.number}
    return render(request, "seen/message.html", context)
