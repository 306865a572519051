"""Which class speaks which wire kind: one line per provider."""

from __future__ import annotations

from collections.abc import Callable

from chains.providers.anthropic import AnthropicProvider
from chains.providers.base import ChatProvider, Endpoint
from chains.providers.gemini import GeminiProvider
from chains.providers.openai import OpenAIProvider
from chains.providers.simulated import SimulatedProvider

KINDS: dict[str, Callable[[Endpoint], ChatProvider]] = {
    "openai": OpenAIProvider,
    "anthropic": AnthropicProvider,
    "gemini": GeminiProvider,
    "simulated": SimulatedProvider,
}


def open_provider(endpoint: Endpoint) -> ChatProvider:
    """Return the provider that speaks the endpoint's kind. Raises ``KeyError`` for a kind that none does."""
    return KINDS[endpoint.kind](endpoint)
