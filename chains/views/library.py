"""The library: the chains that a person has, and what can be done with each of them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers

from chains import actions, queries
from chains.chainfile import dump_chain_file
from chains.models import Chain
from chains.views import access
from chains.views.access import Request
from chains.views.sidebar import sidebar

UNPROCESSABLE = 422
MAX_START = 100_000
PARTS = {"library-results": "library/results.html", "library-more": "library/more.html"}


@require_GET
@vary_on_headers("HX-Request", "HX-Target")
def library(request: Request) -> HttpResponse:
    """Show the user's chains and the demo chains: all, those that a search finds, or the archived ones."""
    shelf, end = _shelf(request.GET), _start(request) + queries.SHELF_PAGE
    part = PARTS.get(request.htmx.target or "")
    start = _start(request) if part == PARTS["library-more"] else 0
    context = {
        "page": queries.library_page(request.user, shelf, start=start, end=end),
        "sorts": queries.SHELF_SORTS,
        "back": request.GET.urlencode(),
    }
    if part is None:
        context["groups"] = sidebar(request)
    return render(request, part or "library/page.html", context)


@require_GET
def chain_export(request: Request, slug: str) -> HttpResponse:
    """Download a chain's newest version as a chain file."""
    chain = access.any_chain_for(request, slug)
    try:
        text = dump_chain_file(actions.export_chain(chain=chain))
    except actions.NotRunnable as error:
        messages.error(request, str(error))
        return redirect("library")
    return HttpResponse(
        text,
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{chain.slug}.json"'},
    )


@require_POST
def chain_duplicate(request: Request, slug: str) -> HttpResponse:
    """Copy a chain."""
    copy = actions.duplicate_chain(chain=access.any_chain_for(request, slug))
    if request.htmx:
        return _row(request, copy, is_new=True, **_around(request))
    messages.success(request, f"“{copy}” is a copy of its own: change it as you like.")
    return redirect(f"{reverse('library')}#chain-{copy.pk}")


@require_POST
def chain_archive(request: Request, slug: str) -> HttpResponse:
    """Put a chain away, with a way back in its place."""
    chain = access.any_chain_for(request, slug)
    actions.archive_chain(chain=chain)
    return _moved(request, chain, f"“{chain}” is in the archive.")


@require_POST
def chain_bring_back(request: Request, slug: str) -> HttpResponse:
    """Take a chain out of the archive."""
    chain = access.any_chain_for(request, slug)
    actions.bring_back_chain(chain=chain)
    if request.htmx and not _shelf(_back(request)).archived:
        return _row(request, chain, is_new=True, **_around(request))
    return _moved(request, chain, f"“{chain}” is among your chains again.")


@require_http_methods(["GET", "POST"])
def chain_delete(request: Request, slug: str) -> HttpResponse:
    """Ask before a chain that was never used goes, then let it go."""
    chain = access.any_chain_for(request, slug)
    if request.method == "GET":
        template = "library/delete_form.html" if request.htmx else "library/delete.html"
        is_used = queries.chain_row(chain).is_used
        context = {"chain": chain, "is_used": is_used, "groups": sidebar(request)}
        return render(request, template, context)
    actions.delete_chain(chain=chain)
    if chain.archived_at:
        messages.warning(request, f"“{chain}” was used meanwhile: it is in the archive, its runs need it.")
    else:
        messages.success(request, f"“{chain}” was deleted.")
    return redirect("library")


@require_POST
def chain_tags(request: Request, slug: str) -> HttpResponse:
    """File a chain under tags."""
    chain = access.any_chain_for(request, slug)
    typed = request.POST.get("tags", "")
    try:
        actions.set_tags(chain=chain, names=typed.split(","))
    except actions.ActionError as error:
        if request.htmx:
            return _row(request, chain, typed_tags=typed, tags_error=str(error), status=UNPROCESSABLE)
        messages.error(request, str(error))
    if not request.htmx:
        return redirect(f"{_address(request)}#chain-{chain.pk}")
    return _row(request, chain, is_new=True, **_around(request))


def _shelf(data: QueryDict) -> queries.Shelf:
    """Read what a list was narrowed to; what makes no sense is left out."""
    sort = data.get("sort", "")
    return queries.Shelf(
        words=access.words(data),
        tags=tuple(dict.fromkeys(tag for tag in data.getlist("tag")[:10] if tag and "\0" not in tag)),
        sort=sort if sort in queries.SHELF_SORTS else "used",
        archived=data.get("shelf") == "archived",
    )


def _start(request: Request) -> int:
    value = request.GET.get("from", "")
    is_number = value.isascii() and value.isdecimal() and len(value) < 9
    return min(int(value), MAX_START) if is_number else 0


def _back(request: Request) -> QueryDict:
    """Return what the list was narrowed to from which a form was sent."""
    return QueryDict(request.POST.get("back", "")[:2_000])


def _address(request: Request) -> str:
    query = _back(request).urlencode()
    return reverse("library") + (f"?{query}" if query else "")


def _around(request: Request) -> dict[str, Any]:
    """Return what stands around the rows of the list from which a form was sent, as it is now."""
    back = _back(request)
    shelf = _shelf(back)
    chips, total = queries.tag_chips(request.user, shelf), queries.shelf_total(request.user, shelf)
    return {"chips": chips, "query": back, "total": total}


def _row(request: Request, chain: Chain, *, status: int = 200, **context: object) -> HttpResponse:
    shown = {"row": queries.chain_row(chain), "back": request.POST.get("back", "")}
    return render(request, "library/changed.html", shown | context, status=status)


def _moved(request: Request, chain: Chain, sentence: str) -> HttpResponse:
    if not request.htmx:
        messages.success(request, sentence)
        return redirect(_address(request))
    said = {"chain": chain, "sentence": sentence, "back": request.POST.get("back", "")}
    return render(request, "library/moved.html", said | _around(request))
