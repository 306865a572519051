"""A run to take along: as Markdown, JSON or one HTML file, and its answers to copy."""

from __future__ import annotations

import json
from collections.abc import Callable

from django.http import Http404, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from chains import queries
from chains.static_files import Styles, inline_styles
from chains.views import access
from chains.views.access import Request

# What the file of a run needs of the site's look.
STYLESHEETS = ("reset", "tokens", "base", "pieces", "markdown", "findings", "waterfall", "reading")


def _json(reading: queries.Reading) -> str:
    return json.dumps(queries.run_export(reading), ensure_ascii=False, indent=2) + "\n"


def _html(reading: queries.Reading) -> str:
    styles: Styles = inline_styles(STYLESHEETS)
    return render_to_string("reading/file.html", {"reading": reading, "styles": styles})


# By the ending of the file: its type, and who writes it.
_FORMS: dict[str, tuple[str, Callable[[queries.Reading], str]]] = {
    "md": ("text/markdown", queries.run_markdown),
    "json": ("application/json", _json),
    "html": ("text/html", _html),
}


@require_GET
@never_cache
def run_export(request: Request, pk: int, ending: str) -> HttpResponse:
    """Download a run as it is now, with its prompts if that is asked for."""
    if ending not in _FORMS:
        raise Http404
    kind, write = _FORMS[ending]
    run = access.read_run_for(request, pk)
    reading = queries.reading(run, viewer=request.user, with_prompts=request.GET.get("prompts") == "1")
    return HttpResponse(
        write(reading),
        content_type=f"{kind}; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="run-{run.pk}.{ending}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


@require_GET
@never_cache
def run_answers(request: Request, pk: int) -> HttpResponse:
    """Return all answers of a run as one Markdown text."""
    reading = queries.reading(access.read_run_for(request, pk), viewer=request.user)
    return access.plain_text(queries.answers_markdown(reading))
