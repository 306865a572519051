"""The providers and models that appear by themselves, and those that a provider's own list adds."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chains import actions
from chains.models import LanguageModel, Provider
from chains.providers.base import ListedModel

pytestmark = pytest.mark.django_db


def providers() -> set[str]:
    return set(Provider.objects.ready().values_list("slug", flat=True))


def test_without_any_key_the_simulated_provider_serves():
    actions.load_defaults()
    assert providers() == {"simulated"}
    default = LanguageModel.objects.default()
    assert default is not None
    assert default.label == "simulated/fast"


@pytest.mark.parametrize(
    ("variable", "slug"),
    [
        ("OPENAI_API_KEY", "openai"),
        ("ANTHROPIC_API_KEY", "anthropic"),
        ("GEMINI_API_KEY", "gemini"),
        ("XAI_API_KEY", "xai"),
        ("OLLAMA_BASE_URL", "ollama"),
    ],
)
def test_a_provider_appears_with_its_models_when_its_variable_is_set(
    monkeypatch: pytest.MonkeyPatch, variable: str, slug: str
):
    monkeypatch.setenv(variable, "http://127.0.0.1:1/v1")
    actions.load_defaults()
    assert providers() == {"simulated", slug}
    default = LanguageModel.objects.default()
    assert default is not None
    assert default.provider.slug == slug


def test_a_provider_whose_key_is_gone_cannot_be_chosen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    actions.load_defaults()
    monkeypatch.setenv("OPENAI_API_KEY", "")
    assert providers() == {"simulated"}


def test_a_model_carries_its_price_and_flags(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    actions.load_defaults()
    model = LanguageModel.objects.labelled("openai/gpt-5-mini").get()
    assert (model.input_price, model.output_price) == (Decimal("0.25"), Decimal("2"))
    assert not model.flags.temperature_allowed
    assert model.flags.max_tokens_field == "max_completion_tokens"


def test_what_staff_changed_stays():
    actions.load_defaults()
    Provider.objects.update(name="Toy", idle_limit=3)
    LanguageModel.objects.filter(model_id="fast").update(name="Quick", enabled=False, input_price=5)
    actions.load_defaults()
    assert Provider.objects.values_list("name", "idle_limit").get() == ("Toy", 3)
    model = LanguageModel.objects.get(model_id="fast")
    assert (model.name, model.enabled, model.input_price) == ("Quick", False, Decimal(5))


def test_a_second_start_adds_nothing_and_asks_little():
    actions.load_defaults()
    before = set(LanguageModel.objects.values_list("pk", "model_id"))
    with CaptureQueriesContext(connection) as queries:
        actions.load_defaults()
    assert set(LanguageModel.objects.values_list("pk", "model_id")) == before
    assert len(queries) <= 8


def test_a_providers_own_list_adds_what_is_new_without_prices():
    actions.load_defaults()
    provider = Provider.objects.get(slug="simulated")
    listed = [ListedModel("fast", "Renamed"), ListedModel("new", "New", 8_000), ListedModel("new", "New")]
    assert actions.add_listed_models(provider=provider, listed=listed) == ["new"]
    new = LanguageModel.objects.get(model_id="new")
    assert (new.enabled, new.input_price, new.output_price) == (True, None, None)
    assert LanguageModel.objects.get(model_id="fast").name != "Renamed"
    assert LanguageModel.objects.filter(provider=provider).order_by("rank").last() == new


def test_a_list_with_characters_that_cannot_be_stored_adds_the_models_that_can_be_called():
    actions.load_defaults()
    provider = Provider.objects.get(slug="simulated")
    half, nul = ListedModel("cut \ud83d", "Cut"), ListedModel("nul\x00", "Nul")
    listed = [half, nul, ListedModel("new", "New \ud83d")]
    assert actions.add_listed_models(provider=provider, listed=listed) == ["new"]
    assert LanguageModel.objects.get(model_id="new").name == "New \ufffd"


def test_a_list_with_ids_and_names_that_fit_nowhere_adds_the_models_that_can_be_called():
    actions.load_defaults()
    provider = Provider.objects.get(slug="simulated")
    listed = [ListedModel("x" * 201, "Long"), ListedModel("", "Nothing"), ListedModel("new", "N" * 300)]
    assert actions.add_listed_models(provider=provider, listed=listed) == ["new"]
    assert LanguageModel.objects.get(model_id="new").name == "N" * 200


def test_an_endpoint_has_the_environments_key_and_the_rows_limits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    actions.load_defaults()
    provider = Provider.objects.get(slug="openai")
    provider.base_url, provider.idle_limit = "http://127.0.0.1:1/v1", 2.5
    endpoint = provider.endpoint
    assert endpoint.api_key == "secret"
    assert endpoint.base_url == "http://127.0.0.1:1/v1"
    assert endpoint.limits.idle == 2.5
    assert "secret" not in repr(endpoint)
