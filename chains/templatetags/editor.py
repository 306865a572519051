"""What the editor's templates need: quick icons, and its state as a script reads it."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chains import actions, queries
from chains.engine.drafts import CHAIN_FIELDS, VERSION_FIELDS
from chains.engine.plan import Fault, Severity
from chains.models import LanguageModel
from chains.models.chain import ConnectionType

register = template.Library()

# The control in which a fault of a field is fixed.
CONTROLS = {
    "connection_type": "connection-direct",
    "model": "model",
    "condition": "condition",
    "prompt": "prompt",
    "system_prompt": "system",
    "temperature": "temperature",
    "max_output_tokens": "max",
}

ICONS = {"direct": "arrow-down", "conditional": "branch", "parallel": "parallel"}
MEANINGS = {
    "direct": "Runs after the stage before it.",
    "conditional": "Runs only if its rule holds.",
    "parallel": "Runs alongside its parallel neighbours.",
}
FIRST = {"direct": "Runs first, on your message."}


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw an icon; much quicker than including its template, of which a long chain has hundreds."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        static("icons/sprite.svg"),
        name,
    )


@register.simple_tag
def connections(index: int) -> list[dict[str, str]]:
    """Return the ways in which an agent can be tied to what stands before it, each with a line about it."""
    meanings = MEANINGS if index else MEANINGS | FIRST
    return [
        {"value": value, "name": str(name), "icon": ICONS[value], "meaning": meanings[value]}
        for value, name in ConnectionType.choices
    ]


@register.simple_tag
def editor_state(page: queries.EditorPage, *, with_texts: bool = False, with_settings: bool = False) -> str:
    """Write what the page's script must know of a draft.

    ``with_texts`` adds what a rename rewrites, ``with_settings`` what stands outside of the canvas.
    """
    cards = _cards(page)
    state: dict[str, Any] = {
        "revision": page.revision,
        "names": {card.agent.pk: list(card.names) for card in cards},
        "faults": [_fault(cards, fault) for fault in page.faults],
    }
    if with_texts:
        state["texts"] = {
            card.agent.pk: {"prompt": card.agent.prompt, "condition": card.agent.condition} for card in cards
        }
    if with_settings:
        state["texts"] = {"settings": _settings(page)}
    return json.dumps(state)


@register.simple_tag
def fault_list(page: queries.EditorPage) -> dict[str, list[dict[str, str]]]:
    """Return what keeps a draft from running, and what is only worth a look, each with where to fix it."""
    cards = _cards(page)
    found: dict[str, list[dict[str, str]]] = {severity: [] for severity in Severity}
    for fault in page.faults:
        found[fault.severity].append({"message": fault.message, "place": _place(cards, fault)})
    return {"faults": found[Severity.FAULT], "warnings": found[Severity.WARNING]}


@register.filter
def has_fault(found: list[Fault] | None) -> bool:
    """Tell whether anything that was found of a field keeps the chain from running; warnings do not."""
    return any(fault.severity is Severity.FAULT for fault in found or ())


@register.filter
def agent_count(page: queries.EditorPage) -> int:
    """Return how many agents a draft has."""
    return len(_cards(page))


@register.filter
def facts(model: LanguageModel) -> list[str]:
    """Write a model's window and flags, each in a few words."""
    words = []
    if model.context_window:
        words.append(f"{_thousands(model.context_window)} window")
    if model.vision:
        words.append("vision")
    if not model.temperature_allowed:
        words.append("no temperature")
    if model.is_simulated:
        words.append("made-up text, free")
    return words


@register.filter
def search_words(model: LanguageModel) -> str:
    """Return what a search for a model looks in."""
    return f"{model.name} {model.label} {model.provider.name}".lower()


def _settings(page: queries.EditorPage) -> dict[str, str]:
    said = {name: getattr(page.chain, name) for name in CHAIN_FIELDS}
    return said | {name: getattr(page.draft, name) for name in VERSION_FIELDS}


register.filter("typed", actions.as_typed)


def _thousands(tokens: int) -> str:
    return f"{tokens / 1_000_000:.3g}M" if tokens >= 1_000_000 else f"{tokens / 1_000:.0f}k"


def _cards(page: queries.EditorPage) -> list[queries.AgentCard]:
    return [card for stage in page.stages for card in stage.cards]


def _place(cards: list[queries.AgentCard], fault: Fault) -> str:
    if fault.agent is None:
        return "add-0"
    return f"{CONTROLS.get(fault.field, 'name')}-{cards[fault.agent].agent.pk}"


def _fault(cards: list[queries.AgentCard], fault: Fault) -> dict[str, Any]:
    agent = None if fault.agent is None else cards[fault.agent].agent.pk
    return {
        "agent": agent,
        "field": fault.field,
        "message": fault.here or fault.message,
        "severity": fault.severity,
    }
