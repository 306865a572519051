"""Providers' own lists of models: whether one can be read, and what the catalogue lacks of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chains.actions.catalogue import add_listed_models
from chains.actions.errors import ActionError
from chains.engine.attempt import storable
from chains.models import Provider
from chains.providers import http
from chains.providers.base import Endpoint, ListedModel
from chains.providers.errors import ProviderError
from chains.providers.registry import open_provider

# Somebody waits for it, and a list takes no thinking.
PATIENCE_S = 15.0

Answer = list[ListedModel] | ProviderError


@dataclass(frozen=True, slots=True)
class ListSync:
    """What came of a provider's list: the ids that are new here, or the sentence that says why none came."""

    provider: Provider
    listed: int = 0
    new: tuple[str, ...] = ()
    error: str = ""


def check_connection(*, provider: Provider) -> int:
    """Read a provider's list and return how many models it has. Raises ``ActionError``."""
    endpoint = provider.endpoint
    if endpoint.key_variable and not endpoint.api_key:
        raise ActionError(
            f"{provider.name} has no key: set {endpoint.key_variable} where the server runs, and restart it."
        )
    (answer,) = asyncio.run(_read_lists([endpoint]))
    if isinstance(answer, ProviderError):
        raise ActionError(storable(answer.sentence)) from answer
    return len(answer)


def sync_models(*, providers: Sequence[Provider]) -> list[ListSync]:
    """Read the lists of all these providers at once and add what is new; none that fails stops another."""
    answers = asyncio.run(_read_lists([provider.endpoint for provider in providers]))
    return [_take(provider, answer) for provider, answer in zip(providers, answers, strict=True)]


def _take(provider: Provider, answer: Answer) -> ListSync:
    if isinstance(answer, ProviderError):
        return ListSync(provider, error=storable(answer.sentence))
    new = add_listed_models(provider=provider, listed=answer)
    return ListSync(provider, listed=len(answer), new=tuple(new))


async def _read_lists(endpoints: Sequence[Endpoint]) -> list[Answer]:
    try:
        return await asyncio.gather(*map(_read_list, endpoints))
    finally:
        # The loop ends here, and the connections belong to it.
        await http.aclose()


async def _read_list(endpoint: Endpoint) -> Answer:
    limits = replace(endpoint.limits, first_token=min(endpoint.limits.first_token, PATIENCE_S))
    try:
        return await open_provider(replace(endpoint, limits=limits)).list_models()
    except ProviderError as error:
        return error
