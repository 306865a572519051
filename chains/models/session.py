"""Conversations."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models

from chains.models.chain import Chain
from chains.models.user import User


class ChatSessionQuerySet(models.QuerySet["ChatSession"]):
    """Whose sessions, and which of them."""

    def visible_to(self, user: User) -> ChatSessionQuerySet:
        """Keep the user's own sessions."""
        return self.filter(owner=user)

    def with_unsent(self) -> ChatSessionQuerySet:
        """Know of each whether files wait for its next message."""
        # The files' table stands above this one: it is found by its relation.
        files: Any = self.model._meta.get_field("attachments").related_model
        waiting = models.Exists(files.objects.unsent().filter(session=models.OuterRef("pk")))
        return self.annotate(has_unsent=waiting)  # type: ignore[no-redef]

    def matching(self, words: str) -> ChatSessionQuerySet:
        """Keep the sessions whose title, messages or answers contain the words."""
        found = models.Q(title__icontains=words) | models.Q(runs__input__icontains=words)
        answers = models.Q(runs__steps__attempts__text__icontains=words)
        ids = self.filter(found | answers).values("id")
        return self.filter(id__in=ids)


class ChatSession(models.Model):
    """One conversation of one user; ``chain`` is what its next message runs.

    ``has_unsent`` is known of sessions read by ``with_unsent``; of others it is taken to be so.
    """

    has_unsent: bool = True

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="sessions")
    chain = models.ForeignKey(
        Chain, on_delete=models.SET_NULL, null=True, blank=True, related_name="sessions"
    )
    title = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    active_at = models.DateTimeField(help_text="When its last message was sent.")

    objects = ChatSessionQuerySet.as_manager()

    class Meta:
        ordering = ["-active_at", "-id"]
        indexes = [models.Index(fields=["owner", "-active_at"], name="session_by_owner")]

    def __str__(self) -> str:
        return self.title or "New session"
