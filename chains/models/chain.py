"""Chains, their versions and the agents in them."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.functional import cached_property

from chains.models.provider import LanguageModel
from chains.models.user import User


class ConnectionType(models.TextChoices):
    """How an agent is tied to what stands before it."""

    DIRECT = "direct", "Direct"
    CONDITIONAL = "conditional", "Conditional"
    PARALLEL = "parallel", "Parallel"


class OnFailure(models.TextChoices):
    """What a failed stage does to the run."""

    STOP = "stop", "End the run"
    CONTINUE = "continue", "Go on with what the stage received"


class OnInterruption(models.TextChoices):
    """What happens to an answer whose worker died in the middle of it."""

    WAIT = "wait", "Wait for me"
    RETRY = "retry", "Try the agent again"


class ChainQuerySet(models.QuerySet["Chain"]):
    """Whose chains, and which of them."""

    def visible_to(self, user: User) -> ChainQuerySet:
        """Keep the user's own chains."""
        return self.filter(owner=user)

    def active(self) -> ChainQuerySet:
        """Leave out archived chains."""
        return self.filter(archived_at__isnull=True)

    def named(self) -> ChainQuerySet:
        """Leave out the chains that a quick compare made and nobody kept."""
        return self.filter(is_unnamed=False)

    def shared(self) -> ChainQuerySet:
        """Keep the chains that their owners share."""
        return self.active().filter(is_shared=True)


class Chain(models.Model):
    """A named, owned list of agents. A chain with runs is archived, not deleted."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="chains")
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100)
    description = models.TextField(max_length=2000, blank=True)
    is_unnamed = models.BooleanField(
        "unnamed", default=False, help_text="Made by a quick compare and not yet kept."
    )
    is_shared = models.BooleanField("shared", default=False, help_text="Others may run it over the API.")
    demo_slug = models.SlugField(max_length=100, blank=True, help_text="The demo chain it was copied from.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    used_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When a message was last sent through it."
    )
    archived_at = models.DateTimeField(null=True, blank=True)
    discarded_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Set in the transaction that deletes the chain."
    )

    objects = ChainQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["owner", "slug"], name="chain_slug_unique_per_owner")]

    def __str__(self) -> str:
        return self.name


class ChainTag(models.Model):
    """A word that its owner files a chain under."""

    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=40)

    class Meta:
        ordering = ["chain_id", "name"]
        constraints = [models.UniqueConstraint(fields=["chain", "name"], name="tag_unique_per_chain")]

    def __str__(self) -> str:
        return self.name


class ChainVersionQuerySet(models.QuerySet["ChainVersion"]):
    """Drafts and publications."""

    def drafts(self) -> ChainVersionQuerySet:
        """Keep drafts: a chain has one at most."""
        return self.filter(number__isnull=True)

    def published(self) -> ChainVersionQuerySet:
        """Keep published versions, newest first."""
        return self.filter(published_at__isnull=False).order_by("-number")


class ChainVersion(models.Model):
    """A publication, immutable once ``published_at`` is set; the one without a number is the draft."""

    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(null=True, blank=True)
    revision = models.PositiveIntegerField(default=0, help_text="Counts the edits of a draft.")
    # Null rather than 0, so that SQLite adds the column to the table as it stands, with its triggers.
    undo_position = models.PositiveIntegerField(
        null=True, blank=True, editable=False, help_text="Which of its edits a draft shows; none: unedited."
    )
    on_failure = models.CharField(
        "if a stage fails", max_length=10, choices=OnFailure.choices, default=OnFailure.STOP
    )
    on_interruption = models.CharField(
        "if it is interrupted", max_length=10, choices=OnInterruption.choices, default=OnInterruption.WAIT
    )
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, blank=True)

    objects = ChainVersionQuerySet.as_manager()

    class Meta:
        ordering = ["chain_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["chain", "number"], name="version_number_unique"),
            models.UniqueConstraint(
                fields=["chain"], condition=Q(number__isnull=True), name="version_one_draft"
            ),
            models.CheckConstraint(
                condition=Q(number__isnull=False) | Q(published_at__isnull=True),
                name="version_draft_not_published",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.chain} v{self.number}" if self.number else f"{self.chain} (draft)"

    @cached_property
    def undo_bounds(self) -> tuple[bool, bool]:
        """Whether an edit of this draft can be taken back, and whether one can be made again."""
        here = self.undo_position or 0
        positions = self.edits.filter(position__in=[here - 1, here + 1]).values_list("position", flat=True)
        near = set(positions)
        return here - 1 in near, here + 1 in near


class Agent(models.Model):
    """One step's definition inside a version."""

    version = models.ForeignKey(ChainVersion, on_delete=models.CASCADE, related_name="agents")
    index = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100)
    model = models.ForeignKey(
        LanguageModel, on_delete=models.PROTECT, related_name="agents", null=True, blank=True
    )
    system_prompt = models.TextField(blank=True)
    prompt = models.TextField(blank=True)
    connection_type = models.CharField(
        "connection", max_length=12, choices=ConnectionType.choices, default=ConnectionType.DIRECT
    )
    condition = models.TextField("rule", blank=True)
    temperature = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(2)]
    )
    max_output_tokens = models.PositiveIntegerField(
        "longest answer (tokens)", null=True, blank=True, validators=[MinValueValidator(1)]
    )

    class Meta:
        ordering = ["version_id", "index"]
        constraints = [
            models.UniqueConstraint(fields=["version", "index"], name="agent_index_unique"),
            models.UniqueConstraint(fields=["version", "slug"], name="agent_slug_unique"),
        ]

    def __str__(self) -> str:
        return self.name
