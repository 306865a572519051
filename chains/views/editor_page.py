"""What the editor's page and its parts are rendered from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.html import format_html_join

from chains import queries
from chains.forms import TrialForm
from chains.models import Chain, ChainVersion
from chains.models.chain import OnFailure, OnInterruption
from chains.models.run import RunStatus
from chains.views.access import Request


def editor_page(
    request: Request,
    chain: Chain,
    *,
    typed: Mapping[str, object] | None = None,
    typed_in: int | None = None,
    trial_form: TrialForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """Render the editor. ``typed`` are refused values of the agent ``typed_in``, which stay in place."""
    models = queries.models_for_compare()
    context = editor_context(chain)
    context |= {
        "samples": context["page"].samples,
        "tags": ", ".join(context["page"].tags),
        "models": models,
        "model_options": format_html_join(
            "", '<option value="{}">{}</option>', ((m.pk, m.label) for m in models)
        ),
        "trial_form": trial_form or TrialForm(initial={"input": _sample(request, chain)}),
        "on_failure": OnFailure.choices,
        "on_interruption": OnInterruption.choices,
        "run_labels": dict(RunStatus.choices),
        "groups": queries.sidebar(request.user),
    }
    if typed:
        _keep_typed(context["page"], typed, typed_in)
    return render(request, "editor/page.html", context, status=status)


def editor_context(chain: Chain, draft: ChainVersion | None = None) -> dict[str, Any]:
    """Return what every part of the editor shows of a chain; its draft may be at hand."""
    page = queries.editor_page(chain, draft)
    return {"page": page, "chain": page.chain}


def _sample(request: Request, chain: Chain) -> str:
    pk = request.GET.get("sample", "")
    sample = chain.samples.filter(pk=pk).first() if pk.isascii() and pk.isdecimal() and len(pk) < 19 else None
    return sample.text if sample else ""


def _keep_typed(page: queries.EditorPage, typed: Mapping[str, object], typed_in: int | None) -> None:
    """Show refused values in their fields; nothing is saved of these objects."""
    cards = (card for stage in page.stages for card in stage.cards)
    agent = next((card.agent for card in cards if card.agent.pk == typed_in), None)
    for name, value in typed.items():
        if agent and name not in ("model", "connection_type"):
            setattr(agent, name, value)
