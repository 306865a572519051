"""Whom a command works for."""

from __future__ import annotations

from django.core.management.base import CommandError

from chains.models import User


def person(username: str) -> User:
    """Return the user with this login name. Raises ``CommandError``."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"There is no user “{username}”: sign up in the browser first.")
    return user
