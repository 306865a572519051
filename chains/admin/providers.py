"""Providers and the models they serve."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import DecimalField, Field, QuerySet, URLField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from chains.actions import ActionError, load_defaults
from chains.actions.model_lists import ListSync, check_connection, sync_models
from chains.admin.reading import FilledFilter
from chains.models import LanguageModel, Provider

SHOWN_MODELS = 12
_KEY_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*_(API_KEY|BASE_URL)")


class PriceInput(forms.NumberInput):
    """A price as people write it: ``2.5`` for the stored 2.500000."""

    def format_value(self, value: Any) -> str | None:
        """Leave out the zeros behind."""
        return super().format_value(f"{value.normalize():f}" if isinstance(value, Decimal) else value)


class ProviderForm(forms.ModelForm):
    """A provider. The variable is held to a pattern, because what it holds is sent to the address."""

    def clean_key_variable(self) -> str:
        """Refuse variables that may hold another secret of this server."""
        name: str = self.cleaned_data["key_variable"]
        if name and "key_variable" in self.changed_data and not _KEY_VARIABLE.fullmatch(name):
            raise forms.ValidationError("Name a variable that ends in _API_KEY, for instance ACME_API_KEY.")
        return name


@admin.register(Provider)
class ProviderAdmin(admin.ModelAdmin):
    """Endpoints. Keys stay in the environment."""

    form = ProviderForm
    list_display = ("name", "slug", "kind", "key_variable", "base_url", "enabled")
    list_filter = ("kind", "enabled")
    search_fields = ("name", "slug", "base_url")
    fieldsets = (
        (None, {"fields": ("name", "slug", "kind", "base_url", "key_variable", "enabled")}),
        (
            "Time limits, in seconds",
            {"fields": ("connect_limit", "first_token_limit", "idle_limit", "total_limit")},
        ),
    )
    formfield_overrides = {URLField: {"assume_scheme": "https"}}
    actions = ("add_listed_models",)

    def get_urls(self) -> list[URLPattern]:
        """Add the button's address."""
        test = self.admin_site.admin_view(require_POST(self.test_connection))
        return [path("<int:pk>/test/", test, name="chains_provider_test"), *super().get_urls()]

    def test_connection(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Read the provider's list of models and say how it went."""
        provider = get_object_or_404(Provider, pk=pk)
        if not self.has_change_permission(request, provider):
            raise PermissionDenied
        try:
            listed = check_connection(provider=provider)
        except ActionError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"{provider.name} answered: it lists {_models(listed)}.")
        return redirect("admin:chains_provider_change", pk)

    @admin.action(description="Add the models that they list", permissions=["change"])
    def add_listed_models(self, request: HttpRequest, rows: QuerySet[Provider]) -> None:
        """Read the lists of the chosen providers, whether they are ready or not."""
        tell_results(request, sync_models(providers=list(rows)))


class PriceFilter(FilledFilter):
    """Which models have a price."""

    question = "price known"


class RowForm(forms.ModelForm):
    """A model's row in the list. Its controls stand under headings: each says by itself what it is about."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The form beneath the rows that are there belongs to none.
        if self.instance.pk:
            for field in self.fields.values():
                field.widget.attrs["aria-label"] = f"{field.label} of {self.instance.label}"


@admin.register(LanguageModel)
class LanguageModelAdmin(admin.ModelAdmin):
    """Models with their prices and flags, many at once."""

    list_display = (
        "label", "enabled", "rank", "input_price", "output_price", "context_window",
        "temperature_allowed",
    )  # fmt: skip
    list_editable = (
        "enabled",
        "rank",
        "input_price",
        "output_price",
        "context_window",
        "temperature_allowed",
    )
    list_filter = ("provider", "enabled", ("input_price", PriceFilter), "vision")
    list_per_page = 50
    list_select_related = ("provider",)
    # By the rank alone, as the pickers have them: the list shows that it is sorted by it.
    ordering = ("rank", "provider__name", "name")
    search_fields = ("model_id", "name", "provider__name")
    actions = ("enable", "disable")

    def get_urls(self) -> list[URLPattern]:
        """Add the button's address."""
        sync = self.admin_site.admin_view(require_POST(self.sync))
        return [path("sync/", sync, name="chains_languagemodel_sync"), *super().get_urls()]

    def sync(self, request: HttpRequest) -> HttpResponse:
        """Add what the providers that can be called list and the catalogue lacks."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        load_defaults()
        tell_results(request, sync_models(providers=list(Provider.objects.ready())))
        return redirect("admin:chains_languagemodel_changelist")

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[forms.ModelForm]:
        """Name the controls of the list."""
        return super().get_changelist_form(request, **{"form": RowForm} | kwargs)

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        """Say beside the field that no price is negative."""
        if isinstance(db_field, DecimalField):
            kwargs |= {"min_value": 0, "help_text": "Empty when unknown."}
            kwargs["widget"] = PriceInput(attrs={"step": "any"})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.action(description="Switch on", permissions=["change"])
    def enable(self, request: HttpRequest, rows: QuerySet[LanguageModel]) -> None:
        """Let people choose these."""
        messages.success(request, f"{_models(rows.update(enabled=True))} switched on.")

    @admin.action(description="Switch off", permissions=["change"])
    def disable(self, request: HttpRequest, rows: QuerySet[LanguageModel]) -> None:
        """Let nobody choose these; chains that use them say so."""
        messages.success(request, f"{_models(rows.update(enabled=False))} switched off.")


def tell_results(request: HttpRequest, results: Iterable[ListSync]) -> None:
    """Say what came of each provider's list."""
    for result in results:
        if result.error:
            messages.error(request, result.error)
        else:
            messages.success(
                request, f"{result.provider.name} lists {_models(result.listed)}; {_new(result.new)}."
            )


def _new(ids: tuple[str, ...]) -> str:
    if not ids:
        return "none of them is new"
    rest = f" and {len(ids) - SHOWN_MODELS} more" if len(ids) > SHOWN_MODELS else ""
    return f"new are {', '.join(ids[:SHOWN_MODELS])}{rest}"


def _models(number: int) -> str:
    return "1 model" if number == 1 else f"{number} models"
