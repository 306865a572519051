"""Runs: compare models, stop a run, keep one in the history."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from chains import actions, queries
from chains.forms import CompareForm
from chains.models import Run
from chains.views import access
from chains.views.access import Request
from chains.views.home import home_page


@require_http_methods(["GET", "POST"])
def compare(request: Request) -> HttpResponse:
    """Send one message to several models, in a session of its own."""
    if request.method == "GET":
        # A comparison that was refused has this address, and a log-in leads back to it.
        return redirect("home")
    form = CompareForm(request.POST)
    if form.is_valid():
        sent = form.cleaned_data
        try:
            run = actions.quick_compare(
                owner=request.user, models=sent["models"], text=sent["input"], request_id=sent["request_id"]
            )
        except actions.ActionError as error:
            form.add_error(error.field if error.field in form.fields else "input", str(error))
        else:
            return to_run(run)
    return home_page(request, form, status=422)


@require_POST
def run_stop(request: Request, pk: int) -> HttpResponse:
    """Stop a run. The page learns by its socket when it has ended."""
    run = access.run_for(request, pk)
    actions.stop_run(run=run)
    return HttpResponse(status=204) if request.htmx else to_run(run)


@require_POST
def run_keep(request: Request, pk: int) -> HttpResponse:
    """Make a run that did not complete part of the history, or take it out again."""
    run = access.run_for(request, pk)
    actions.keep_run(run=run, kept=request.POST.get("kept") == "1")
    if not request.htmx:
        return to_run(run)
    [band] = queries.bands(session=run.session, run_ids=[run.pk])
    return render(request, "runs/summary.html", {"band": band})


def to_run(run: Run) -> HttpResponse:
    """Lead to a run's place in its session's page."""
    return redirect(f"{reverse('session_detail', args=[run.session_id])}#run-{run.pk}")
