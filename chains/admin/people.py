"""People and their tokens."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from chains.models import ApiToken, User

admin.site.register(User, UserAdmin)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    """Tokens can be named and revoked. Their secrets are nowhere."""

    list_display = ("__str__", "user", "created_at", "last_used_at")
    list_filter = ("last_used_at",)
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    readonly_fields = ("user", "hint", "created_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Leave it to ``manage.py create_api_token``: this page could not show the secret."""
        return False
