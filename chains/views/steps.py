"""Steps: stop a column, continue with an answer, read its source."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRefresh

from chains import actions, queries
from chains.models import Run
from chains.views import access
from chains.views.access import Request
from chains.views.runs import to_run


@require_POST
def step_stop(request: Request, pk: int) -> HttpResponse:
    """Stop one column. The page learns by its socket when it has ended."""
    step = access.step_for(request, pk)
    actions.stop_step(step=step)
    return HttpResponse(status=204) if request.htmx else to_run(step.run)


@require_POST
def step_choose(request: Request, pk: int) -> HttpResponse:
    """Let the conversation continue with an answer, with its agent alone if wished, or no longer."""
    step = access.step_for(request, pk)
    try:
        if request.POST.get("alone") == "1":
            chain = actions.continue_alone(step=step)
            messages.success(request, f"The next messages go to “{chain}”. The picker leads back.")
            return _to_run(request, step.run)
        act = actions.choose_answer if request.POST.get("chosen") == "1" else actions.unchoose_answer
        act(step=step)
    except actions.ActionError as error:
        messages.error(request, str(error))
        return _to_run(request, step.run)
    if not request.htmx:
        return to_run(step.run)
    [band] = queries.bands(session=step.run.session, run_ids=[step.run_id])
    return render(request, "runs/chosen.html", {"band": band})


def _to_run(request: Request, run: Run) -> HttpResponse:
    return HttpResponseClientRefresh() if request.htmx else to_run(run)


@require_GET
@never_cache
def step_text(request: Request, pk: int) -> HttpResponse:
    """Return the source of an answer as it is stored."""
    step = access.step_for(request, pk)
    attempt = step.attempts.filter(number=step.current_attempt).only("text").first()
    return access.plain_text(attempt.text if attempt else "")
