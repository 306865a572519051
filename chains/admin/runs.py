"""Runs, their steps and the calls for them: to look at, and to stop."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from chains.actions import stop_run
from chains.admin.reading import ReadOnly, Texts, TextsInLists
from chains.models import AgentStep, Run, StepAttempt
from chains.providers.errors import without_quotes
from chains.queries import cost_text, duration_text, milliseconds_between
from chains.queries.live_runs import SHOWN, live_runs

STOP_RUNS = "chains.stop_any_run"


class StepInline(ReadOnly, Texts, admin.TabularInline):
    """The steps of a run, in their order."""

    model = AgentStep
    verbose_name_plural = "steps"
    fields = ("agent", "execution_group", "model", "connection_type", "status", "skip_reason", "calls")
    readonly_fields = ("agent", "calls")
    long_columns = ("system_prompt", "prompt", "condition", "tested_excerpt", "decided_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgentStep]:
        """Read the models and the calls along."""
        calls = StepAttempt.objects.defer("messages", "text", "reasoning").order_by("number")
        rows = super().get_queryset(request).select_related("model__provider")
        return rows.prefetch_related(Prefetch("attempts", calls))

    @admin.display
    def agent(self, step: AgentStep) -> SafeString:
        """Link the step by its agent's name."""
        return _link("agentstep", step.pk, step.name)

    @admin.display(description="attempts")
    def calls(self, step: AgentStep) -> SafeString:
        """List the calls for a step, each with a link to its page, and how it went."""
        rows = (
            (_link("stepattempt", call.pk, call.number), _how_it_went(call)) for call in step.attempts.all()
        )
        return format_html_join("", '<span class="call">{} {}</span>', rows)


class AttemptInline(ReadOnly, Texts, admin.TabularInline):
    """The calls for a step."""

    model = StepAttempt
    verbose_name_plural = "attempts"
    fields = (
        "call", "status", "started_at", "first_token_at", "finished_at", "http_status", "reason",
        "input_tokens", "output_tokens", "cost_usd",
    )  # fmt: skip
    readonly_fields = ("call", "reason")
    long_columns = ("messages", "text", "reasoning")

    @admin.display(description="number")
    def call(self, attempt: StepAttempt) -> SafeString:
        """Link the attempt by its number."""
        return _link("stepattempt", attempt.pk, attempt.number)


@admin.register(Run)
class RunAdmin(ReadOnly, TextsInLists):
    """Runs. Those that are live have a page of their own, which keeps itself new."""

    list_display = ("id", "status", "owner", "chain_version", "created_at", "duration", "reason")
    list_filter = ("status", "created_at", "is_detached", "is_kept")
    list_select_related = ("session__owner", "chain_version__chain")
    date_hierarchy = "created_at"
    ordering = ("-id",)
    search_fields = ("=id", "session__owner__username", "chain_version__chain__name")
    search_help_text = "A person, a chain or a number."
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "status", "reason", "owner", "session_link", "chain_version", "created_at", "started_at",
                    "finished_at", "duration", "stop_requested_at", "retry_of",
                )
            },
        ),
        ("Texts", {"fields": ("full_error", "input", "output", "earlier")}),
        ("Where it runs", {"fields": ("lease_owner", "lease_expires_at", "is_detached", "request_id")}),
    )  # fmt: skip
    readonly_fields = ("owner", "session_link", "duration", "reason", "full_error")
    inlines = (StepInline,)
    texts = ("full_error", "input", "output", "earlier")
    text_searches = ("input",)
    long_columns = ("input", "output", "earlier", "session__title", "chain_version__chain__description")
    other_lookups = ("session__id",)

    def get_urls(self) -> list[URLPattern]:
        """Add the live page and the stop button."""
        live = self.admin_site.admin_view(require_GET(self.live))
        stop = self.admin_site.admin_view(require_POST(self.stop))
        return [
            path("live/", live, name="chains_run_live"),
            path("<int:pk>/stop/", stop, name="chains_run_stop"),
            *super().get_urls(),
        ]

    def live(self, request: HttpRequest) -> HttpResponse:
        """Show what runs now, as a page or as the part of it that changes."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context: dict[str, Any] = {
            "live": live_runs(),
            "most": SHOWN,
            "may_stop": request.user.has_perm(STOP_RUNS),
        }
        if "HX-Request" in request.headers:
            return TemplateResponse(request, "admin/chains/run/live_table.html", context)
        context |= {"title": "Live runs", "opts": self.opts} | self.admin_site.each_context(request)
        return TemplateResponse(request, "admin/chains/run/live.html", context)

    def stop(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a run to be stopped."""
        if not (self.has_view_permission(request) and request.user.has_perm(STOP_RUNS)):
            raise PermissionDenied
        run = get_object_or_404(Run, pk=pk)
        if run.is_live:
            stop_run(run=run)
            self.log_change(request, run, "Stopped.")
            said = f"Run {pk} is asked to stop."
        else:
            said = f"Run {pk} had ended already."
        if "HX-Request" not in request.headers:
            messages.info(request, said)
        return redirect("admin:chains_run_live")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Say whether the stop button belongs on the page."""
        context = {"may_stop": request.user.has_perm(STOP_RUNS)} | (extra_context or {})
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description="person", ordering="session__owner__username")
    def owner(self, run: Run) -> str:
        """Return whose it is."""
        return run.session.owner.get_username()

    @admin.display(description="session")
    def session_link(self, run: Run) -> SafeString:
        """Link the session by its number: its title is made of a message."""
        return _link("chatsession", run.session_id, f"session {run.session_id}")

    @admin.display
    def duration(self, run: Run) -> str:
        """Return how long it took, once it has ended."""
        return _duration(run.started_at, run.finished_at)


@admin.register(AgentStep)
class AgentStepAdmin(ReadOnly, TextsInLists):
    """Steps, with all their attempts."""

    list_display = ("id", "name", "run", "index", "model", "connection_type", "status", "current_attempt")
    list_filter = ("status", "connection_type", "skip_reason", "model__provider", "run__created_at")
    list_select_related = ("run", "model__provider")
    date_hierarchy = "run__created_at"
    ordering = ("-id",)
    search_fields = ("=run__id", "name", "model__model_id", "run__session__owner__username")
    search_help_text = "An agent, a model, a person or a run's number."
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "run", "index", "name", "slug", "execution_group", "connection_type", "model",
                    "temperature", "max_output_tokens", "status", "skip_reason", "stop_requested_at",
                )
            },
        ),
        ("Texts", {"fields": ("system_prompt", "prompt")}),
        ("Rule", {"fields": ("condition", "tested_subject", "tested_excerpt", "decided_by")}),
    )  # fmt: skip
    inlines = (AttemptInline,)
    texts = ("system_prompt", "prompt", "condition", "tested_subject", "tested_excerpt", "decided_by")
    other_lookups = ("run__id",)


@admin.register(StepAttempt)
class StepAttemptAdmin(ReadOnly, TextsInLists):
    """Calls to providers."""

    list_display = (
        "id", "step", "number", "status", "http_status", "error_kind", "started_at", "duration",
        "output_tokens", "cost",
    )  # fmt: skip
    list_filter = ("status", "error_kind", "is_truncated", "step__model__provider", "started_at")
    list_select_related = ("step",)
    date_hierarchy = "started_at"
    ordering = ("-id",)
    search_fields = ("=step__run__id", "step__name", "step__model__model_id")
    search_help_text = "An agent, a model or a run's number."
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "step", "number", "status", "reason", "error_kind", "http_status", "finish_reason",
                    "is_truncated",
                )
            },
        ),
        (
            "Times",
            {
                "fields": (
                    "started_at", "first_token_at", "finished_at", "duration", "stop_seen_at",
                    "upstream_closed_at",
                )
            },
        ),
        (
            "Cost",
            {
                "fields": (
                    "input_tokens", "output_tokens", "input_price", "output_price", "cost_usd",
                    "text_length",
                )
            },
        ),
        ("Texts", {"fields": ("full_error", "conversation", "text", "reasoning")}),
    )  # fmt: skip
    readonly_fields = ("conversation", "duration", "reason", "full_error")
    texts = ("full_error", "conversation", "messages", "text", "reasoning")
    long_columns = (
        "messages",
        "text",
        "reasoning",
        "step__system_prompt",
        "step__prompt",
        "step__tested_excerpt",
    )
    other_lookups = ("step__id",)

    @admin.display(description="messages sent")
    def conversation(self, attempt: StepAttempt) -> SafeString:
        """Show the exact messages."""
        said = ((message.get("role", ""), message.get("content", "")) for message in attempt.messages)
        return format_html_join("", "<strong>{}</strong><pre>{}</pre>", said)

    @admin.display(ordering="cost_usd")
    def cost(self, attempt: StepAttempt) -> str:
        """Return what it cost, as far as that is known."""
        return "-" if attempt.cost_usd is None else cost_text([attempt.cost_usd])

    @admin.display
    def duration(self, attempt: StepAttempt) -> str:
        """Return how long it took, once it has ended."""
        return _duration(attempt.started_at, attempt.finished_at)


def _link(table: str, pk: int, words: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(f"admin:chains_{table}_change", args=[pk]), words)


def _how_it_went(call: StepAttempt) -> str:
    facts = [call.get_status_display().lower()]
    if took := _duration(call.started_at, call.finished_at):
        facts.append(took)
    if call.output_tokens is not None:
        facts.append(f"{call.output_tokens} tokens")
    if call.cost_usd:
        facts.append(cost_text([call.cost_usd]))
    return ", ".join(facts) + (f": {without_quotes(call.error)}" if call.error else "")


def _duration(start: Any, end: Any) -> str:
    return duration_text(milliseconds_between(start, end)) if start and end else ""
