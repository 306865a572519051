"""Django's ``migrate``, by one process at a time."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate

from chains.management.preparing import database_to_oneself


class Command(migrate.Command):
    """Migrate when no other process does; what that one has done is not done again."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Wait for one's turn, then migrate."""
        with database_to_oneself():
            super().handle(*args, **options)
