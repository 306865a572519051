"""Which providers appear by themselves, and where they are reached."""

from __future__ import annotations

import pytest

from chains.providers.base import Endpoint
from chains.providers.catalogue import PRESETS, available, endpoint_for
from chains.providers.registry import KINDS, open_provider


def slugs(env: dict[str, str]) -> list[str]:
    return [preset.slug for preset, _ in available(env)]


def test_without_any_key_only_the_simulation_is_there():
    assert slugs({}) == ["simulated"]


@pytest.mark.parametrize(
    "preset", [preset for preset in PRESETS if preset.ready_variable], ids=lambda p: p.slug
)
def test_a_provider_appears_when_its_variable_is_set(preset) -> None:
    assert slugs({preset.ready_variable: "http://x"}) == [preset.slug, "simulated"]


def test_an_empty_variable_is_not_set():
    assert slugs({"OPENAI_API_KEY": "  ", "OLLAMA_BASE_URL": ""}) == ["simulated"]


def test_the_endpoint_has_the_key_and_never_shows_it():
    (_, endpoint), _ = available({"OPENAI_API_KEY": "sk-secret"})
    assert (endpoint.api_key, endpoint.key_variable) == ("sk-secret", "OPENAI_API_KEY")
    assert "sk-secret" not in repr(endpoint)


def test_an_address_in_the_environment_replaces_the_usual_one():
    env = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "http://127.0.0.1:1234"}
    assert available(env)[0][1].base_url == "http://127.0.0.1:1234"


def test_an_address_of_the_providers_own_stands_above_the_environments():
    env = {"OPENAI_BASE_URL": "http://env"}
    endpoint = endpoint_for(slug="openai", name="O", kind="openai", base_url="http://own", env=env)
    assert endpoint.base_url == "http://own"


def test_a_provider_that_somebody_added_gets_its_kinds_usual_address_and_its_own_key():
    env = {"OPENAI_BASE_URL": "http://env", "TEAM_KEY": "k"}
    endpoint = endpoint_for(slug="team", name="Team", kind="openai", key_variable="TEAM_KEY", env=env)
    assert (endpoint.base_url, endpoint.api_key) == ("https://api.openai.com/v1", "k")


def test_an_address_is_never_sent_as_a_key():
    env = {"OLLAMA_BASE_URL": "http://127.0.0.1:11434"}
    endpoint = endpoint_for(slug="ollama", name="O", kind="openai", key_variable="OLLAMA_BASE_URL", env=env)
    assert (endpoint.base_url, endpoint.api_key) == ("http://127.0.0.1:11434", "")


def test_every_preset_has_a_kind_models_and_prices_that_belong_together():
    for preset in PRESETS:
        assert preset.kind in KINDS
        assert preset.models
        assert len({model.model_id for model in preset.models}) == len(preset.models)
        for model in preset.models:
            assert (model.input_price is None) == (model.output_price is None)


def test_slugs_are_unique():
    assert len({preset.slug for preset in PRESETS}) == len(PRESETS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_opened(kind: str) -> None:
    provider = open_provider(Endpoint("x", "X", kind, "http://127.0.0.1:9"))
    assert hasattr(provider, "chat")
    assert hasattr(provider, "list_models")
