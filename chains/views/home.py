"""The start page: quick compare, demo chains, own chains."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from chains import queries
from chains.forms import CompareForm
from chains.models import is_row_id
from chains.views.access import Request
from chains.views.sidebar import sidebar


@require_GET
def home(request: Request) -> HttpResponse:
    """Show what a session can start from."""
    return home_page(request, CompareForm())


def home_page(request: Request, form: CompareForm, *, status: int = 200) -> HttpResponse:
    """Render the start page with this state of the quick compare."""
    chains, themes = queries.chain_library(request.user)
    chosen = {int(pk) for pk in form["models"].value() or () if is_row_id(str(pk))}
    # What is picked stands first: the box that holds them may not show all.
    models = sorted(queries.models_for_compare(), key=lambda model: model.pk not in chosen)
    context = {
        "form": form,
        "models": models,
        "chosen": chosen,
        "only_simulated": all(model.is_simulated for model in models),
        "chains": chains,
        "themes": themes,
        "groups": sidebar(request),
    }
    return render(request, "home.html", context, status=status)
