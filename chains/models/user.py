"""People who log in, and the tokens their programs use."""

from __future__ import annotations

import hashlib
import secrets

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person. ``username`` is the login name."""


class ApiTokenManager(models.Manager["ApiToken"]):
    """Makes and finds tokens; only their SHA-256 is stored."""

    def issue(self, *, user: User, name: str = "") -> tuple[ApiToken, str]:
        """Create a token and return it with its secret, which is shown this one time."""
        secret = "cc-" + secrets.token_urlsafe(32)
        token = self.create(user=user, name=name, digest=_digest(secret), hint=secret[-4:])
        return token, secret

    def find(self, secret: str) -> ApiToken | None:
        """Return the token with this secret if its user may still log in."""
        return self.select_related("user").filter(digest=_digest(secret), user__is_active=True).first()


class ApiToken(models.Model):
    """A bearer token for the HTTP API."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100, blank=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=4, editable=False, help_text="The secret's last four characters.")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ApiTokenManager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name or 'token'} …{self.hint}"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
