"""Conversations."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chains.admin.reading import ReadOnly, TextsInLists, may_read
from chains.models import ChatSession


@admin.register(ChatSession)
class ChatSessionAdmin(ReadOnly, TextsInLists):
    """Sessions. A title is made of the first message, so not everybody may see it."""

    list_display = ("id", "title", "owner", "chain", "created_at", "active_at")
    list_filter = ("active_at",)
    list_select_related = ("owner", "chain")
    date_hierarchy = "active_at"
    search_fields = ("=id", "owner__username", "chain__name")
    search_help_text = "A person, a chain or a number."
    fieldsets = ((None, {"fields": ("title", "owner", "chain", "created_at", "active_at", "all_runs")}),)
    readonly_fields = ("all_runs",)
    texts = ("title",)
    text_searches = ("title",)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Call the session by its number where its title may not be read."""
        session = super().get_object(request, object_id, from_field)
        if session and not may_read(request):
            session.title = f"session {session.pk}"
        return session

    @admin.display(description="runs")
    def all_runs(self, session: ChatSession) -> SafeString:
        """Link the list of its runs."""
        address = f"{reverse('admin:chains_run_changelist')}?session__id__exact={session.pk}"
        number = session.runs.count()
        return format_html('<a href="{}">{}</a>', address, "1 run" if number == 1 else f"{number} runs")
