"""Read the providers' own lists of models."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chains import actions
from chains.models import Provider
from chains.providers import http
from chains.providers.base import Endpoint, ListedModel
from chains.providers.errors import ProviderError
from chains.providers.registry import open_provider

Answer = list[ListedModel] | ProviderError


class Command(BaseCommand):
    """Add the models that a provider lists and the catalogue lacks."""

    help = "Adds the models of the providers' own lists, without prices. Takes nothing away."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the provider, or none for all whose key is set."""
        parser.add_argument(
            "provider", nargs="?", help="The provider's slug; without it, all that are ready."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Read all lists at once, then add what is new. A provider that fails keeps no other from it."""
        actions.load_defaults()
        providers = _ready_providers(options["provider"])
        answers = asyncio.run(_read_lists([provider.endpoint for provider in providers]))
        failures = 0
        for provider, answer in zip(providers, answers, strict=True):
            if isinstance(answer, ProviderError):
                failures += 1
                self.stderr.write(f"{provider.slug}: {answer.sentence}")
            else:
                self.stdout.write(f"{provider.slug}: {_added(provider, answer)}")
        if failures:
            raise CommandError(f"{failures} of {len(providers)} lists could not be read.")


def _ready_providers(slug: str | None) -> list[Provider]:
    if slug is None:
        return list(Provider.objects.ready())
    provider = Provider.objects.filter(slug=slug).first()
    if provider is None:
        known = ", ".join(Provider.objects.order_by("slug").values_list("slug", flat=True))
        raise CommandError(f"There is no provider “{slug}”. These are there: {known}.")
    if not Provider.objects.ready().filter(pk=provider.pk).exists():
        todo = f"set {provider.key_variable}" if provider.enabled else "switch it on in the admin"
        raise CommandError(f"{provider.name} cannot be called: {todo} first.")
    return [provider]


async def _read_lists(endpoints: Sequence[Endpoint]) -> list[Answer]:
    try:
        return await asyncio.gather(*(_read_list(endpoint) for endpoint in endpoints))
    finally:
        await http.aclose()


async def _read_list(endpoint: Endpoint) -> Answer:
    try:
        return await open_provider(endpoint).list_models()
    except ProviderError as error:
        return error


def _added(provider: Provider, listed: Sequence[ListedModel]) -> str:
    new = actions.add_listed_models(provider=provider, listed=listed)
    of = f"{len(listed)} listed, {len(new)} new"
    return f"{of}: {', '.join(new)}" if new else of
