"""Which class speaks which wire kind: one line per provider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chains.providers.anthropic import AnthropicProvider
from chains.providers.base import ChatProvider, Endpoint
from chains.providers.gemini import GeminiProvider
from chains.providers.openai import OpenAIProvider
from chains.providers.simulated import SimulatedProvider


@dataclass(frozen=True, slots=True)
class Kind:
    """A wire kind: how people read it, what speaks it, and whether its text is made up."""

    label: str
    open: Callable[[Endpoint], ChatProvider]
    is_simulated: bool = False


KINDS: dict[str, Kind] = {
    "openai": Kind("OpenAI Chat Completions", OpenAIProvider),
    "anthropic": Kind("Anthropic Messages", AnthropicProvider),
    "gemini": Kind("Google Gemini", GeminiProvider),
    "simulated": Kind("Simulated", SimulatedProvider, is_simulated=True),
}

SIMULATED_KINDS = frozenset(name for name, kind in KINDS.items() if kind.is_simulated)


def open_provider(endpoint: Endpoint) -> ChatProvider:
    """Return the provider that speaks the endpoint's kind. Raises ``KeyError`` for a kind that none does."""
    return KINDS[endpoint.kind].open(endpoint)


def kind_choices() -> list[tuple[str, str]]:
    """Return the kinds as a form offers them: value and label."""
    return [(name, kind.label) for name, kind in KINDS.items()]
