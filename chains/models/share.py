"""Links by which anybody may read one run."""

from __future__ import annotations

import secrets

from django.db import models

from chains.models.run import Run
from chains.models.user import User

TOKEN_BYTES = 32  # 256 bits: nobody guesses one


def new_token() -> str:
    """Return a token that nobody can guess, fit for an address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


class RunShareQuerySet(models.QuerySet["RunShare"]):
    """Whose links."""

    def visible_to(self, user: User) -> RunShareQuerySet:
        """Keep the links to the user's own runs."""
        return self.filter(run__session__owner=user)


class RunShare(models.Model):
    """One link to one run. To revoke it is to delete it: then it is a link like any that never was."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="shares")
    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    shows_prompts = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = RunShareQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"link to {self.run}"
