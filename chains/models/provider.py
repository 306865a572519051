"""Endpoints that serve models, and the models they serve."""

from __future__ import annotations

import os
from decimal import Decimal

from django.db import models
from django.db.models import Q

from chains.providers.base import Endpoint, ModelFlags, TimeLimits
from chains.providers.catalogue import endpoint_for
from chains.providers.registry import SIMULATED_KINDS, kind_choices


class ProviderQuerySet(models.QuerySet["Provider"]):
    """Which providers can be called."""

    def ready(self) -> ProviderQuerySet:
        """Keep the enabled providers whose key is set in this process' environment."""
        return self.filter(ready_condition())


class Provider(models.Model):
    """An endpoint. An empty address means the one from the environment, else the kind's usual one."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=20, choices=kind_choices)
    base_url = models.URLField("base URL", max_length=300, blank=True)
    key_variable = models.CharField(
        "variable with the key",
        max_length=80,
        blank=True,
        help_text="The environment variable that holds the key.",
    )
    enabled = models.BooleanField("switched on", default=True)
    connect_limit = models.FloatField("to connect", default=5.0)
    first_token_limit = models.FloatField("to the first token", default=60.0)
    idle_limit = models.FloatField("between two tokens", default=30.0)
    total_limit = models.FloatField("for a whole answer", default=900.0)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_ready(self) -> bool:
        """Whether it can be called from this process: what ``ready`` asks of the database, of one row."""
        has_key = not self.key_variable or bool(os.environ.get(self.key_variable, "").strip())
        return self.enabled and has_key

    @property
    def endpoint(self) -> Endpoint:
        """Where it is reached from this process, key included."""
        return endpoint_for(
            slug=self.slug,
            name=self.name,
            kind=self.kind,
            base_url=self.base_url,
            key_variable=self.key_variable,
            limits=TimeLimits(
                connect=self.connect_limit,
                first_token=self.first_token_limit,
                idle=self.idle_limit,
                total=self.total_limit,
            ),
            env=os.environ,
        )


class LanguageModelQuerySet(models.QuerySet["LanguageModel"]):
    """Which models can be chosen."""

    def usable(self) -> LanguageModelQuerySet:
        """Keep enabled models of providers that can be called, provider loaded."""
        return self.filter(ready_condition("provider__"), enabled=True).select_related("provider")

    def labelled(self, label: str) -> LanguageModelQuerySet:
        """Keep the model with this ``provider/model`` label."""
        provider, _, model_id = label.partition("/")
        return self.filter(provider__slug=provider, model_id=model_id).select_related("provider")

    def default(self) -> LanguageModel | None:
        """Return the site's default model: the first real one, else the first simulated one."""
        simulated = Q(provider__kind__in=SIMULATED_KINDS)
        return self.usable().order_by(models.Case(models.When(simulated, 1), default=0), "rank", "id").first()


class LanguageModel(models.Model):
    """A model of a provider. Prices are USD per million tokens, null when unknown."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="models")
    model_id = models.CharField("model ID", max_length=200, help_text="What the provider calls it.")
    name = models.CharField(max_length=200)
    enabled = models.BooleanField("switched on", default=True)
    rank = models.PositiveSmallIntegerField(default=100, help_text="Lower stands first in lists.")
    context_window = models.PositiveIntegerField(
        "context window (tokens)", null=True, blank=True, help_text="Empty when unknown."
    )
    input_price = models.DecimalField(
        "input price ($ per million tokens)", max_digits=12, decimal_places=6, null=True, blank=True
    )
    output_price = models.DecimalField(
        "output price ($ per million tokens)", max_digits=12, decimal_places=6, null=True, blank=True
    )
    vision = models.BooleanField("reads images", default=False)
    temperature_allowed = models.BooleanField("takes a temperature", default=True)
    max_tokens_field = models.CharField(
        "name of the length limit",
        max_length=40,
        default="max_tokens",
        help_text="What the provider calls the most tokens of an answer.",
    )

    objects = LanguageModelQuerySet.as_manager()

    class Meta:
        ordering = ["provider__name", "rank", "name"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "model_id"], name="model_unique_per_provider"),
            models.CheckConstraint(
                condition=Q(input_price__isnull=True) | Q(input_price__gte=Decimal(0)),
                name="model_input_price_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(output_price__isnull=True) | Q(output_price__gte=Decimal(0)),
                name="model_output_price_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """The name people and chain files use: ``provider/model``."""
        return f"{self.provider.slug}/{self.model_id}"

    @property
    def is_usable(self) -> bool:
        """Whether it can be called from this process. Reads the provider."""
        return self.enabled and self.provider.is_ready

    @property
    def is_simulated(self) -> bool:
        """Whether its text is made up and must be labelled so."""
        return self.provider.kind in SIMULATED_KINDS

    @property
    def flags(self) -> ModelFlags:
        """What the model accepts, as providers read it."""
        return ModelFlags(
            temperature_allowed=self.temperature_allowed,
            max_tokens_field=self.max_tokens_field,
            vision=self.vision,
        )


def ready_condition(prefix: str = "") -> Q:
    """Return the condition that a provider is enabled and its key is set in the environment."""
    variables = [name for name, value in os.environ.items() if value.strip()]
    keyed = Q(**{f"{prefix}key_variable": ""}) | Q(**{f"{prefix}key_variable__in": variables})
    return keyed & Q(**{f"{prefix}enabled": True})
