"""What an editor keeps beside a chain: the history of its draft, and messages to try it on."""

from __future__ import annotations

from django.db import models

from chains.models.chain import Chain, ChainVersion


class DraftEdit(models.Model):
    """What a draft said after one edit. The first of a draft is what it said before any."""

    version = models.ForeignKey(ChainVersion, on_delete=models.CASCADE, related_name="edits")
    position = models.PositiveIntegerField()
    content = models.JSONField(help_text="The whole draft, as actions/snapshot.py writes it.")
    label = models.CharField(max_length=200, blank=True, help_text="What the edit did.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["version_id", "position"]
        constraints = [models.UniqueConstraint(fields=["version", "position"], name="edit_position_unique")]

    def __str__(self) -> str:
        return f"{self.position}. {self.label}"


class SampleInput(models.Model):
    """A message that a chain is tried on."""

    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, related_name="samples")
    name = models.CharField(max_length=100)
    text = models.TextField()

    class Meta:
        ordering = ["chain_id", "name"]
        constraints = [models.UniqueConstraint(fields=["chain", "name"], name="sample_name_unique")]

    def __str__(self) -> str:
        return self.name
