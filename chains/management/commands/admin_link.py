"""Print a fresh link that makes the administrator."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from chains.accounts import make_setup_link


class Command(BaseCommand):
    """Print a one-time link with which a browser makes the administrator."""

    help = "Print a link that makes the administrator. It works for 24 hours, and only while there is none."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the link, or say that there is an administrator already."""
        path = make_setup_link()
        if path is None:
            raise CommandError(
                "There is an administrator already. Another can be made with: manage.py createsuperuser"
            )
        self.stdout.write((settings.PUBLIC_URL or f"http://{settings.HOST}:{settings.PORT}") + path)
