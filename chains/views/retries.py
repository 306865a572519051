"""Going on with runs that did not complete. What is called and paid is said before; then a form does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods
from django_htmx.http import trigger_client_event

from chains import actions, queries
from chains.forms import RetryForm
from chains.models import Run
from chains.queries import Offer, OfferKind
from chains.views import access
from chains.views.access import Request
from chains.views.runs import to_run
from chains.views.sidebar import sidebar

CONFLICT, UNPROCESSABLE = 409, 422
Act = Callable[..., Run]


@require_http_methods(["GET", "POST"])
def step_retry(request: Request, pk: int) -> HttpResponse:
    """Call an agent again, perhaps another model."""
    step = access.step_for(request, pk)

    def act(**choices: Any) -> Run:
        return actions.retry_step(step=step, **choices)

    return _offer(request, queries.step_offer(step, OfferKind.RETRY), act)


@require_http_methods(["GET", "POST"])
def step_keep(request: Request, pk: int) -> HttpResponse:
    """Take an agent's partial text as its answer and go on."""
    step = access.step_for(request, pk)

    def act(**choices: Any) -> Run:
        return actions.keep_step(step=step, request_id=choices["request_id"])

    return _offer(request, queries.step_offer(step, OfferKind.KEEP), act)


@require_http_methods(["GET", "POST"])
def run_continue(request: Request, pk: int) -> HttpResponse:
    """Call what did not complete in a run, and what stands behind it."""
    run = access.run_for(request, pk)

    def act(**choices: Any) -> Run:
        return actions.continue_run(run=run, request_id=choices["request_id"])

    return _offer(request, queries.run_offer(run, OfferKind.CONTINUE), act)


@require_http_methods(["GET", "POST"])
def run_again(request: Request, pk: int) -> HttpResponse:
    """Send a run's message through its chain once more."""
    run = access.run_for(request, pk)

    def act(**choices: Any) -> Run:
        return actions.run_again(run=run, request_id=choices["request_id"])

    return _offer(request, queries.run_offer(run, OfferKind.AGAIN), act)


def _offer(request: Request, offer: Offer, act: Act) -> HttpResponse:
    if request.method == "GET":
        return _page(request, offer, RetryForm(step=offer.step))
    form = RetryForm(request.POST, step=offer.step)
    if not form.is_valid():
        return _page(request, offer, form, status=UNPROCESSABLE)
    try:
        run = act(**form.cleaned_data)
    except actions.ActionError as error:
        form.add_error(None, str(error))
        status = CONFLICT if isinstance(error, actions.RunInProgress) else UNPROCESSABLE
        return _page(request, offer, form, status=status)
    if not request.htmx:
        return to_run(run)
    # The socket brings what comes of it.
    return trigger_client_event(HttpResponse(status=204), "offertaken")


def _page(request: Request, offer: Offer, form: RetryForm, status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {"offer": offer, "form": form}
    if request.htmx:
        return render(request, "runs/offer.html", context, status=status)
    context["groups"] = sidebar(request)
    return render(request, "runs/offer_page.html", context, status=status)
