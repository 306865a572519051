"""The plain admin: people and the catalogue can be edited, what happened can be read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model, QuerySet, URLField
from django.http import HttpRequest

from chains.models import (
    Agent,
    AgentStep,
    ApiToken,
    Chain,
    ChainVersion,
    ChatSession,
    LanguageModel,
    Provider,
    Run,
    StepAttempt,
    User,
)

admin.site.register(User, UserAdmin)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that staff can look at; only what a person or the engine does changes them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse."""
        return False


class LeanListAdmin(ReadOnlyAdmin):
    """A list that leaves long columns in the database; the page of one row reads them."""

    long_columns: tuple[str, ...] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read the long columns when they are asked for."""
        return super().get_queryset(request).defer(*self.long_columns)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    """Tokens can be named and revoked. Their secrets are nowhere."""

    list_display = ("__str__", "user", "created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    readonly_fields = ("user", "hint", "created_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Leave it to ``manage.py create_api_token``: this page could not show the secret."""
        return False


@admin.register(Provider)
class ProviderAdmin(admin.ModelAdmin):
    """Endpoints. Keys stay in the environment."""

    list_display = ("name", "slug", "kind", "key_variable", "base_url", "enabled")
    list_filter = ("kind", "enabled")
    formfield_overrides = {URLField: {"assume_scheme": "https"}}


@admin.register(LanguageModel)
class LanguageModelAdmin(admin.ModelAdmin):
    """Models with their prices and flags."""

    list_display = ("label", "name", "enabled", "rank", "input_price", "output_price", "context_window")
    list_editable = ("enabled", "rank")
    list_filter = ("provider", "enabled")
    list_select_related = ("provider",)
    search_fields = ("model_id", "name")


@admin.register(Chain)
class ChainAdmin(ReadOnlyAdmin):
    """Chains belong to people; here they can be seen."""

    list_display = ("name", "slug", "owner", "is_unnamed", "is_shared", "updated_at", "archived_at")
    list_filter = ("is_unnamed", "is_shared")
    list_select_related = ("owner",)
    search_fields = ("name", "slug", "owner__username")


class AgentInline(admin.StackedInline):
    """The agents of a version, in their order; a draft's can be edited."""

    model = Agent
    extra = 0
    # A list of all models for each agent would ask for each model's provider.
    autocomplete_fields = ("model",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        """Read the models along."""
        return super().get_queryset(request).select_related("model__provider")

    def has_add_permission(self, request: HttpRequest, obj: ChainVersion | None = None) -> bool:
        """Allow it for drafts."""
        return _is_draft(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: ChainVersion | None = None) -> bool:
        """Allow it for drafts."""
        return _is_draft(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: ChainVersion | None = None) -> bool:
        """Allow it for drafts."""
        return _is_draft(obj) and super().has_delete_permission(request, obj)


@admin.register(ChainVersion)
class ChainVersionAdmin(admin.ModelAdmin):
    """Versions. The database lets nobody change a published one, so this page does not offer it."""

    list_display = ("__str__", "on_failure", "on_interruption", "published_at")
    list_select_related = ("chain",)
    search_fields = ("chain__name", "chain__slug")
    readonly_fields = ("chain", "number", "published_at", "revision")
    inlines = (AgentInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: versions come from the editor and from chain files."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: ChainVersion | None = None) -> bool:
        """Allow it for drafts."""
        return _is_draft(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: ChainVersion | None = None) -> bool:
        """Refuse: a version goes with its chain."""
        return False


@admin.register(ChatSession)
class ChatSessionAdmin(ReadOnlyAdmin):
    """Conversations."""

    list_display = ("__str__", "owner", "chain", "active_at")
    list_select_related = ("owner", "chain")
    search_fields = ("title", "owner__username")


@admin.register(Run)
class RunAdmin(LeanListAdmin):
    """Runs, live ones among them."""

    list_display = ("id", "session", "chain_version", "status", "created_at", "finished_at")
    list_filter = ("status", "is_detached")
    list_select_related = ("session", "chain_version__chain")
    search_fields = ("session__owner__username",)
    long_columns = ("input", "output", "earlier")


@admin.register(AgentStep)
class AgentStepAdmin(LeanListAdmin):
    """Steps."""

    list_display = ("__str__", "run", "index", "model", "connection_type", "status", "current_attempt")
    list_filter = ("status", "connection_type")
    list_select_related = ("run", "model__provider")
    search_fields = ("name",)
    long_columns = ("system_prompt", "prompt", "tested_excerpt")


@admin.register(StepAttempt)
class StepAttemptAdmin(LeanListAdmin):
    """Calls to providers."""

    list_display = ("step", "number", "status", "http_status", "error_kind", "started_at", "cost_usd")
    list_filter = ("status", "error_kind")
    list_select_related = ("step",)
    long_columns = ("messages", "text", "reasoning")


def _is_draft(version: ChainVersion | None) -> bool:
    return version is None or version.published_at is None
