"""Links to a run: make and revoke them, and what whoever has one sees."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from chains import actions, queries
from chains.models import Run
from chains.views import access
from chains.views.access import Request
from chains.views.sidebar import sidebar

LIVE_REFRESH_S = 5
UNPROCESSABLE = 422


@require_http_methods(["GET", "POST"])
def run_share(request: Request, pk: int) -> HttpResponse:
    """Show the links to a run, and make another one."""
    run = access.read_run_for(request, pk)
    error = ""
    if request.method == "POST":
        try:
            actions.share_run(run=run, shows_prompts=request.POST.get("prompts") == "1")
        except actions.ActionError as refused:
            error = str(refused)
    return _links(request, run, error)


@require_POST
def share_revoke(request: Request, pk: int) -> HttpResponse:
    """Let a link lead nowhere."""
    share = access.share_for(request, pk)
    actions.revoke_share(share=share)
    return _links(request, share.run)


@login_not_required
@require_safe
@never_cache
def shared_run(request: HttpRequest, token: str) -> HttpResponse:
    """Show a run to whoever has its link: no cookie, no script, nothing that leads elsewhere."""
    share = access.share_of(token)
    run = share.run
    owner = run.session.owner
    reading = queries.reading(run, viewer=owner, with_prompts=share.shows_prompts, is_public=True)
    response = render(request, "reading/shared.html", {"reading": reading})
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    if run.is_live:
        response["Refresh"] = str(LIVE_REFRESH_S)
    return response


def _links(request: Request, run: Run, error: str = "") -> HttpResponse:
    if request.method == "POST" and not request.htmx and not error:
        return redirect("run_share", run.pk)
    context = {
        "run": run,
        "shares": [(share, _address(request, share.token)) for share in run.shares.all()],
        "has_prompts": run.shows_prompts_to(request.user),
        "error": error,
    }
    status = UNPROCESSABLE if error else 200
    if request.htmx:
        return render(request, "shares/links.html", context, status=status)
    context["groups"] = sidebar(request)
    return render(request, "shares/page.html", context, status=status)


def _address(request: Request, token: str) -> str:
    return request.build_absolute_uri(reverse("shared_run", args=[token]))
