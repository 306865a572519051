"""What the editor's page and its parts are rendered from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.html import format_html_join

from chains import queries
from chains.engine.plan import Fault
from chains.forms import TrialForm
from chains.models import Agent, Chain, ChainVersion, LanguageModel, is_row_id
from chains.models.chain import ConnectionType, OnFailure, OnInterruption
from chains.models.run import RunStatus
from chains.views.access import Request
from chains.views.sidebar import sidebar

# What is picked from a list: its value says nothing to people.
CHOICES: dict[str, Sequence[tuple[str, Any]]] = {
    "model": (),
    "connection_type": ConnectionType.choices,
    "on_failure": OnFailure.choices,
    "on_interruption": OnInterruption.choices,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was typed into an agent (None: the settings) and not saved; no ``field``: it has no place left."""

    typed: Mapping[str, object]
    agent: int | None
    field: str
    message: str


def editor_page(
    request: Request,
    chain: Chain,
    *,
    refusal: Refusal | None = None,
    trial_form: TrialForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """Render the editor. What was refused stays in its fields, with the reason beside it."""
    models = queries.models_for_compare()
    context = editor_context(chain)
    context |= {
        "samples": context["page"].samples,
        "settings": _settings(context["page"]),
        "models": models,
        "model_options": format_html_join(
            "", '<option value="{}">{}</option>', ((m.pk, m.label) for m in models)
        ),
        "trial_form": trial_form or TrialForm(initial={"input": _sample(request, chain)}),
        "on_failure": OnFailure.choices,
        "on_interruption": OnInterruption.choices,
        "run_labels": dict(RunStatus.choices),
        "field_labels": queries.FIELD_LABELS,
        "groups": sidebar(request),
    }
    if refusal:
        _keep_typed(context, refusal)
    return render(request, "editor/page.html", context, status=status)


def editor_context(chain: Chain, draft: ChainVersion | None = None) -> dict[str, Any]:
    """Return what every part of the editor shows of a chain; its draft may be at hand."""
    page = queries.editor_page(chain, draft)
    return {"page": page, "chain": page.chain}


def two_texts(mine: Mapping[str, object], theirs: Mapping[str, str]) -> list[dict[str, object]]:
    """Return the fields in which two windows differ, as a page without scripts shows them."""
    return [
        {
            "name": name,
            "label": queries.FIELD_LABELS.get(name, name),
            "mine": value,
            "is_choice": name in CHOICES,
            "mine_words": _in_words(name, str(value)),
            "theirs_words": _in_words(name, theirs.get(name, "")),
        }
        for name, value in mine.items()
        if str(value) != theirs.get(name, "")
    ]


def _in_words(name: str, value: str) -> str:
    if name == "model":
        found = LanguageModel.objects.filter(pk=value).first() if is_row_id(value) else None
        return found.label if found else value
    return str(dict(CHOICES.get(name, ())).get(value, value))


def _sample(request: Request, chain: Chain) -> str:
    pk = request.GET.get("sample", "")
    sample = chain.samples.filter(pk=pk).first() if is_row_id(pk) else None
    return sample.text if sample else ""


def _settings(page: queries.EditorPage) -> dict[str, object]:
    said: dict[str, object] = {"tags": ", ".join(page.tags)}
    said |= {name: getattr(page.chain, name) for name in ("name", "description")}
    return said | {name: getattr(page.draft, name) for name in ("on_failure", "on_interruption")}


def _keep_typed(context: dict[str, Any], refusal: Refusal) -> None:
    """Show refused values in their fields; nothing is saved of these objects."""
    fault = Fault(None, refusal.field, refusal.message)
    cards = [card for stage in context["page"].stages for card in stage.cards]
    card = next((card for card in cards if card.agent.pk == refusal.agent), None)
    if card:
        card.faults.setdefault(refusal.field, []).append(fault)
        for name, value in refusal.typed.items():
            _put(card.agent, name, str(value), context["models"])
    elif refusal.agent is None:
        context["settings"] |= refusal.typed
        context["setting_faults"] = {refusal.field: [fault]}
    else:
        texts = (str(value) for value in refusal.typed.values())
        context |= {"lost": "\n\n".join(filter(None, texts)), "lost_because": refusal.message}


def _put(agent: Agent, name: str, value: str, models: Sequence[LanguageModel]) -> None:
    if name == "model":
        agent.model = next((model for model in models if str(model.pk) == value), agent.model)
    elif name != "connection_type" or value in ConnectionType.values:
        setattr(agent, name, value)
