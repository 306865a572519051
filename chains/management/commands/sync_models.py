"""Read the providers' own lists of models."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chains import actions
from chains.actions.model_lists import ListSync, sync_models
from chains.models import Provider


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
        results = sync_models(providers=_ready_providers(options["provider"]))
        failures = [result for result in results if result.error]
        for result in results:
            out = self.stderr if result.error else self.stdout
            out.write(f"{result.provider.slug}: {result.error or _added(result)}")
        if failures:
            raise CommandError(f"{len(failures)} of {len(results)} lists could not be read.")


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


def _added(result: ListSync) -> str:
    of = f"{result.listed} listed, {len(result.new)} new"
    return f"{of}: {', '.join(result.new)}" if result.new else of
