"""Steps: stop a column, read an answer's source."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from chains import actions
from chains.views import access
from chains.views.access import Request
from chains.views.runs import to_run


@require_POST
def step_stop(request: Request, pk: int) -> HttpResponse:
    """Stop one column. The page learns by its socket when it has ended."""
    step = access.step_for(request, pk)
    actions.stop_step(step=step)
    return HttpResponse(status=204) if request.htmx else to_run(step.run)


@require_GET
@never_cache
def step_text(request: Request, pk: int) -> HttpResponse:
    """Return the source of an answer as it is stored."""
    step = access.step_for(request, pk)
    attempt = step.attempts.filter(number=step.current_attempt).only("text").first()
    return access.plain_text(attempt.text if attempt else "")
