"""Chains with their agents, and the versions that they were published in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from chains import actions
from chains.admin.agents import AgentFormSet, AgentInline, newest_version
from chains.admin.reading import FilledFilter, ReadOnly, Texts, TextsInLists, may_read
from chains.chainfile import ChainFile
from chains.models import Agent, Chain, ChainVersion
from chains.models.chain import OnFailure

SHOWN_VERSIONS = 50


class ChainForm(forms.ModelForm):
    """A chain, and what its newest version says apart from the agents."""

    on_failure = forms.ChoiceField(choices=OnFailure.choices, label="If a stage fails")
    based_on = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._newest = newest_version(self.instance) if self.instance.pk else None
        if self._newest:
            self.initial.update(on_failure=self._newest.on_failure, based_on=self._newest.number)

    def clean(self) -> None:
        """Notice when somebody published a version while this page was open."""
        super().clean()
        number = self._newest.number if self._newest else None
        if self.cleaned_data.get("based_on") != number:
            raise forms.ValidationError(
                f"Version {number} was published while you were editing: copy what you want to keep, "
                "then open this page anew."
            )


class ArchivedFilter(FilledFilter):
    """Which chains their owners archived."""

    question = "archived"


@admin.register(Chain)
class ChainAdmin(TextsInLists):
    """Chains. Saving one publishes a version of it, if anything in it differs."""

    form = ChainForm
    list_display = ("name", "owner", "newest", "is_shared", "updated_at", "archived_at")
    list_filter = ("is_unnamed", "is_shared", ("archived_at", ArchivedFilter), "updated_at")
    list_select_related = ("owner",)
    date_hierarchy = "created_at"
    search_fields = ("name", "slug", "owner__username")
    search_help_text = "A name, a slug or a person."
    autocomplete_fields = ("owner",)
    texts = ("description",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Chain]:
        """Read the number of the newest version along."""
        published = ChainVersion.objects.filter(chain=OuterRef("pk")).published()
        rows: QuerySet[Chain] = super().get_queryset(request)
        return rows.annotate(newest=Subquery(published.values("number")[:1]))

    def get_fieldsets(self, request: HttpRequest, obj: Chain | None = None) -> list[Any]:
        """Show what can be typed, or what there is."""
        if obj is None:
            fields = ["owner", "name", "description", "on_failure"]
        elif self.has_change_permission(request, obj):
            fields = [
                "name",
                "description",
                "is_shared",
                "on_failure",
                "owner",
                "slug",
                "versions",
                "based_on",
            ]
        else:
            fields = [
                "name", "description", "is_shared", "is_unnamed", "owner", "slug", "versions", "created_at",
                "updated_at", "archived_at",
            ]  # fmt: skip
            fields = fields if may_read(request) else self._without_texts(fields)
        return [(None, {"fields": fields})]

    def get_readonly_fields(self, request: HttpRequest, obj: Chain | None = None) -> tuple[str, ...]:
        """Keep an owner and a slug as they are: sessions and programs rely on them."""
        return ("owner", "slug", "versions", "created_at", "updated_at", "archived_at") if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Chain | None) -> list[Any]:
        """Show the agents to those who may change them; others find them in the versions."""
        return [AgentInline] if obj is None or self.has_change_permission(request, obj) else []

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow it to those who may read prompts."""
        return super().has_add_permission(request) and may_read(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Allow it to those who may read prompts, for chains that their owners keep."""
        is_kept = not isinstance(obj, Chain) or not (obj.archived_at or obj.is_unnamed)
        return is_kept and super().has_change_permission(request, obj) and may_read(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: a chain is deleted or archived by its owner."""
        return False

    @admin.display(description="version", ordering="newest")
    def newest(self, chain: Chain) -> int | None:
        """Return the number of the newest publication."""
        number: int | None = getattr(chain, "newest", None)
        return number

    @admin.display(description="versions")
    def versions(self, chain: Chain) -> SafeString:
        """Link the versions, newest first."""
        rows = chain.versions.order_by("-number")[:SHOWN_VERSIONS]
        links = (
            (reverse("admin:chains_chainversion_change", args=[row.pk]), _version_name(row)) for row in rows
        )
        return format_html_join(", ", '<a href="{}">{}</a>', links)

    def save_model(self, request: HttpRequest, obj: Chain, form: forms.ModelForm, change: bool) -> None:
        """Write what no version says; the rest comes with the agents."""
        if change:
            Chain.objects.filter(pk=obj.pk).update(is_shared=obj.is_shared)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Publish a version with these agents, for a new chain or if anything differs."""
        agents: AgentFormSet = formsets[0]
        chain: Chain = form.instance
        file = ChainFile(
            name=chain.name,
            slug=chain.slug if change else "",
            description=chain.description,
            on_failure=form.cleaned_data["on_failure"],
            agents=agents.agents(),
        )
        if not change:
            made = actions.create_chain(owner=chain.owner, file=file)
            chain.pk, chain.slug = made.pk, made.slug
            messages.info(request, "Version 1 is published.")
            return
        result = actions.import_chain(owner=chain.owner, file=file)
        said = "is published" if result.changed else "stays the newest: its agents are the same"
        messages.info(request, f"Version {result.version.number} {said}.")

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Write into the history which fields and agents were sent."""
        return [{"added": {}}] if add else f"Saved with {len(formsets[0].agents())} agents."


class VersionAgentInline(ReadOnly, Texts, admin.StackedInline):
    """The agents of a version, in their order."""

    model = Agent
    extra = 0
    texts = ("condition", "system_prompt", "prompt")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "slug", "model", "connection_type", "condition", "system_prompt", "prompt", "temperature",
                    "max_output_tokens",
                )
            },
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        """Read the models along."""
        return super().get_queryset(request).select_related("model__provider")


@admin.register(ChainVersion)
class ChainVersionAdmin(ReadOnly, TextsInLists):
    """Versions. Publications never change, and a draft belongs to the editor."""

    list_display = ("__str__", "owner", "on_failure", "on_interruption", "published_at")
    list_filter = ("on_failure", "on_interruption", "published_at")
    list_select_related = ("chain__owner",)
    date_hierarchy = "published_at"
    ordering = ("-id",)
    search_fields = ("chain__name", "chain__slug", "chain__owner__username")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "chain_link",
                    "number",
                    "on_failure",
                    "on_interruption",
                    "created_at",
                    "published_at",
                )
            },
        ),
    )
    inlines = (VersionAgentInline,)

    @admin.display(ordering="chain__owner__username")
    def owner(self, version: ChainVersion) -> str:
        """Return whose it is."""
        return version.chain.owner.get_username()

    @admin.display(description="chain")
    def chain_link(self, version: ChainVersion) -> SafeString:
        """Link the chain."""
        return format_html(
            '<a href="{}">{}</a>',
            reverse("admin:chains_chain_change", args=[version.chain_id]),
            version.chain,
        )


def _version_name(version: ChainVersion) -> str:
    return f"v{version.number}" if version.number else "draft"
