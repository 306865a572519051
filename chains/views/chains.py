"""Chains, as far as the start page and sessions need them: open a demo, start with one, keep one."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from chains import actions
from chains.forms import KeepForm
from chains.models import Chain
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
    chain = get_object_or_404(Chain.objects.visible_to(request.user).active(), pk=session.chain_id)
    form = KeepForm(request.POST)
    if not form.is_valid():
        messages.error(request, str(form.errors["name"][0]))
    elif not chain.is_unnamed:
        name = form.cleaned_data["name"]
        messages.warning(request, f"Another window kept it as “{chain.name}”: it was not named “{name}”.")
    else:
        actions.keep_chain(chain=chain, name=form.cleaned_data["name"])
        messages.success(request, f"Kept as “{chain.name}”: it is among your chains now.")
    return redirect("session_detail", session.pk)
