"""Files that people attach to messages, each stored once, and which messages carry them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from chains.models.run import Run
from chains.models.session import ChatSession
from chains.models.user import User

_ENDINGS = {"image/png": (".png",), "image/jpeg": (".jpg", ".jpeg")}


class AttachmentKind(models.TextChoices):
    """What agents make of a file."""

    TEXT = "text", "Text"
    IMAGE = "image", "Picture"


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    """Whose files, and which of them."""

    def visible_to(self, user: User) -> AttachmentQuerySet:
        """Keep the user's own files."""
        return self.filter(owner=user)

    def unsent(self) -> AttachmentQuerySet:
        """Keep the files that no message carries yet."""
        return self.filter(uses__isnull=True)

    def described(self) -> AttachmentQuerySet:
        """Leave the contents in the database: they are long, and no list shows them."""
        return self.defer("text", "data", "thumbnail")


class Attachment(models.Model):
    """A file of one session. A picture is stored as it was drawn anew, never as it was uploaded."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="attachments")
    session = models.ForeignKey(ChatSession, on_delete=models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=8, choices=AttachmentKind.choices)
    media_type = models.CharField(max_length=40)
    size = models.PositiveIntegerField(help_text="Of what is stored, in bytes.")
    sha256 = models.CharField(max_length=64, help_text="Of what is stored.")
    text = models.TextField(blank=True)
    data = models.BinaryField(null=True, blank=True)
    thumbnail = models.BinaryField(null=True, blank=True, help_text="A small JPEG of a picture.")
    width = models.PositiveIntegerField(null=True, blank=True, help_text="In pixels.")
    height = models.PositiveIntegerField(null=True, blank=True, help_text="In pixels.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        ordering = ["session_id", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind=AttachmentKind.TEXT, data__isnull=True)
                | Q(kind=AttachmentKind.IMAGE, data__isnull=False, text=""),
                name="attachment_text_or_picture",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_image(self) -> bool:
        """Whether it is a picture."""
        return self.kind == AttachmentKind.IMAGE

    @property
    def stored_name(self) -> str:
        """Its name with the ending of the form that it is stored in."""
        endings = _ENDINGS.get(self.media_type, ("",))
        return self.name if self.name.lower().endswith(endings) else f"{self.name}{endings[0]}"


class RunAttachment(models.Model):
    """A file that a run's message carries; tries of one message carry the same file."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="carried")
    # What a message carries goes with its session, and not before.
    attachment = models.ForeignKey(Attachment, on_delete=models.RESTRICT, related_name="uses")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["run_id", "position"]
        constraints = [models.UniqueConstraint(fields=["run", "attachment"], name="attachment_once_per_run")]

    def __str__(self) -> str:
        return f"{self.attachment_id} in run {self.run_id}"
