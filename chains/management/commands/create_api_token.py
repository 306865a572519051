"""Make a token for the HTTP API."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chains.management.people import person
from chains.models import ApiToken


class Command(BaseCommand):
    """Print a new bearer token, this one time."""

    help = "Makes a bearer token for the HTTP API and prints it. It cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the user and a name to tell tokens apart."""
        parser.add_argument("user", help="The login name of the user that programs act for.")
        parser.add_argument("--name", default="", help="What the token is for.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the secret alone, so that a script can take it."""
        user = person(options["user"])
        if not user.is_active:
            raise CommandError(f"{user.username} may not log in: a token would not work.")
        limit = ApiToken._meta.get_field("name").max_length
        if len(options["name"]) > (limit or 0):
            raise CommandError(f"A token's name may have {limit} characters.")
        _, secret = ApiToken.objects.issue(user=user, name=options["name"])
        self.stderr.write(f"A token for {user.username}. Keep it: it cannot be shown again.")
        self.stdout.write(secret)
