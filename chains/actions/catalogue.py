"""Providers and models: what appears by itself, and what a provider's own list adds."""

from __future__ import annotations

import os
from collections.abc import Sequence

from django.db import transaction

from chains.engine.attempt import storable
from chains.models import LanguageModel, Provider
from chains.providers.base import ListedModel
from chains.providers.catalogue import ModelPreset, ProviderPreset, available

# Presets come before what a provider's own list adds.
RANKS_PER_PROVIDER = 100
LISTED_RANK = 1_000
# Characters that a model's id and name may have.
LONGEST = 200


@transaction.atomic
def load_defaults() -> None:
    """Add the providers whose key is set, with their models. What is there already stays as it is."""
    presets = [preset for preset, _ in available(os.environ)]
    Provider.objects.bulk_create([_provider(preset) for preset in presets], ignore_conflicts=True)
    providers = Provider.objects.in_bulk([preset.slug for preset in presets], field_name="slug")
    models = [
        _model(providers[preset.slug], model, rank=RANKS_PER_PROVIDER * place + number)
        for place, preset in enumerate(presets)
        for number, model in enumerate(preset.models)
    ]
    LanguageModel.objects.bulk_create(models, ignore_conflicts=True)


def add_listed_models(*, provider: Provider, listed: Sequence[ListedModel]) -> list[str]:
    """Add what a provider lists and we do not know, without prices; return the new model ids."""
    with transaction.atomic():
        known = set(provider.models.values_list("model_id", flat=True))
        ids = {model.model_id: model for model in listed if _can_be_called(model.model_id)}
        new = {model_id: model for model_id, model in ids.items() if model_id not in known}
        rows = [_listed_model(provider, model) for model in new.values()]
        LanguageModel.objects.bulk_create(rows, ignore_conflicts=True)
    return sorted(new)


def _can_be_called(model_id: str) -> bool:
    """Whether an id, as a provider wrote it, can be stored as it is: changed, it would call nothing."""
    return 0 < len(model_id) <= LONGEST and storable(model_id) == model_id


def _provider(preset: ProviderPreset) -> Provider:
    # Without an address of its own it follows the environment.
    return Provider(slug=preset.slug, name=preset.name, kind=preset.kind, key_variable=preset.ready_variable)


def _model(provider: Provider, preset: ModelPreset, *, rank: int) -> LanguageModel:
    return LanguageModel(
        provider=provider,
        model_id=preset.model_id,
        name=preset.name,
        rank=rank,
        context_window=preset.context_window,
        input_price=preset.input_price,
        output_price=preset.output_price,
        vision=preset.flags.vision,
        temperature_allowed=preset.flags.temperature_allowed,
        max_tokens_field=preset.flags.max_tokens_field,
    )


def _listed_model(provider: Provider, model: ListedModel) -> LanguageModel:
    return LanguageModel(
        provider=provider,
        model_id=model.model_id,
        name=storable(model.name)[:LONGEST] or model.model_id,
        rank=LISTED_RANK,
        context_window=model.context_window,
    )
