"""Chains, as far as the start page and sessions need them: open a demo, start with one, keep one."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from chains import actions
from chains.forms import KeepForm
from chains.views import access
from chains.views.access import Request


@require_POST
def demo_open(request: Request, slug: str) -> HttpResponse:
    """Copy a demo chain to the user, once, and start a session with it."""
    try:
        chain = actions.open_demo(owner=request.user, slug=slug)
    except actions.NoSuchDemo as error:
        raise Http404 from error
    except actions.ActionError as error:
        messages.error(request, str(error))
        return redirect("home")
    session = actions.start_session(owner=request.user, chain=chain)
    return redirect("session_detail", session.pk)


@require_POST
def chain_start(request: Request, slug: str) -> HttpResponse:
    """Start a session with one of the user's chains."""
    session = actions.start_session(owner=request.user, chain=access.chain_for(request, slug))
    return redirect("session_detail", session.pk)


@require_POST
def session_keep(request: Request, pk: int) -> HttpResponse:
    """Name the chain of a quick compare and keep it."""
    session = access.session_for(request, pk)
    form = KeepForm(request.POST, session=session)
    if form.is_valid():
        try:
            chain = actions.keep_chain(**form.cleaned_data)
            messages.success(request, f"Kept as “{chain.name}”: it is among your chains now.")
        except actions.ActionError as error:
            messages.warning(request, str(error))
    else:
        [fault, *_] = form.errors.values()
        messages.error(request, str(fault[0]))
    return redirect("session_detail", session.pk)
