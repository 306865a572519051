"""Versions of a chain: publish the draft, look at what changed, bring one back."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from chains import actions, queries
from chains.views import access
from chains.views.access import Request
from chains.views.sidebar import sidebar

UNPROCESSABLE = 422


@require_http_methods(["GET", "POST"])
def chain_publish(request: Request, slug: str) -> HttpResponse:
    """Show what publishing changes, and publish."""
    chain = access.chain_for(request, slug)
    if request.method == "GET":
        page = queries.editor_page(chain)
        changes = queries.compare_versions(chain, page.published_number, None)
        context = {"chain": chain, "page": page, "changes": changes, "groups": sidebar(request)}
        template = "editor/publish.html" if request.htmx.target == "dialog" else "editor/publish_page.html"
        return render(request, template, context)
    try:
        version, is_new = actions.publish_draft(chain=chain)
    except actions.NotPublishable as error:
        messages.error(request, str(error))
    else:
        # The editor says so in its bar, to which its dialog leads back.
        if not is_new:
            messages.success(request, f"Nothing has changed since v{version.number}.")
        elif "seen" not in request.POST:
            messages.success(request, f"Published as v{version.number}.")
    address = reverse("chain_edit", args=[chain.slug])
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


@require_GET
def version_list(request: Request, slug: str) -> HttpResponse:
    """Show the versions of a chain, and what differs between two of them."""
    chain = access.chain_for(request, slug)
    versions = queries.version_list(chain)
    before, after = _pair(request, [row.number for row in versions])
    context = {
        "chain": chain,
        "versions": versions,
        "before": before,
        "after": after,
        "changes": queries.compare_versions(chain, before, after) if before != after else [],
        "groups": sidebar(request),
    }
    return render(request, "editor/versions.html", context)


@require_POST
def version_restore(request: Request, slug: str, number: int) -> HttpResponse:
    """Make an old version the draft again; undo takes that back."""
    chain = access.chain_for(request, slug)
    try:
        actions.restore_version(chain=chain, number=number)
    except actions.ActionError as error:
        messages.error(request, str(error))
        return redirect("version_list", chain.slug)
    messages.success(request, f"The draft is v{number} again. Undo takes that back.")
    return redirect("chain_edit", chain.slug)


def _pair(request: Request, numbers: list[int]) -> tuple[int | None, int | None]:
    """Return the versions to compare: those asked for, else the newest published one and the draft (None)."""
    chosen = [request.GET.get(name, "") for name in ("before", "after")]
    known = {str(number): number for number in numbers}
    newest = max(numbers, default=None)
    return known.get(chosen[0], newest), known.get(chosen[1])
