"""Runs, their steps, and the calls made for each step."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from chains.models.chain import ChainVersion, ConnectionType
from chains.models.provider import LanguageModel
from chains.models.session import ChatSession
from chains.models.user import User


class RunStatus(models.TextChoices):
    """Where a run stands."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Stopped"
    INTERRUPTED = "interrupted", "Interrupted"


class StepStatus(models.TextChoices):
    """Where a step stands; attempts use those from RUNNING on, without SKIPPED."""

    PENDING = "pending", "Waiting"
    RUNNING = "running", "Preparing"
    STREAMING = "streaming", "Streaming"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped"
    CANCELLED = "cancelled", "Stopped"
    INTERRUPTED = "interrupted", "Interrupted"


class SkipReason(models.TextChoices):
    """Why a step did not run."""

    CONDITION = "condition", "Its condition was false"
    NOT_REACHED = "not_reached", "Not reached"


LIVE_RUN = (RunStatus.QUEUED, RunStatus.RUNNING)
LIVE_STEP = (StepStatus.PENDING, StepStatus.RUNNING, StepStatus.STREAMING)
LIVE_ATTEMPT = (StepStatus.RUNNING, StepStatus.STREAMING)
# The error_kind of an attempt that a process of ours left behind: it died, or gave its runs back and went.
WORKER_DIED, WORKER_LEFT = "worker_died", "worker_left"
LEFT_BEHIND = (WORKER_DIED, WORKER_LEFT)


class RunQuerySet(models.QuerySet["Run"]):
    """Whose runs, and which of them."""

    def visible_to(self, user: User) -> RunQuerySet:
        """Keep the runs of the user's own sessions."""
        return self.filter(session__owner=user)

    def live(self) -> RunQuerySet:
        """Keep the runs without a final status."""
        return self.filter(status__in=LIVE_RUN)


class Run(models.Model):
    """One message sent through one chain version inside a session."""

    session = models.ForeignKey(ChatSession, on_delete=models.CASCADE, related_name="runs")
    chain_version = models.ForeignKey(ChainVersion, on_delete=models.PROTECT, related_name="runs")
    request_id = models.CharField("request ID", max_length=64)
    input = models.TextField()
    status = models.CharField(max_length=12, choices=RunStatus.choices, default=RunStatus.QUEUED)
    output = models.TextField(blank=True)
    error = models.TextField(blank=True, help_text="What ended it, in a sentence for people.")
    earlier = models.JSONField(
        default=list, blank=True, help_text="Turns that a program sent along: [message, answer] pairs."
    )
    is_kept = models.BooleanField(
        "kept", default=False, help_text="Part of the history although not completed."
    )
    is_waiting = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Interrupted by a process of ours that died: it goes on when a person decides how.",
    )
    retry_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="retries"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True, help_text="When a process first took it.")
    finished_at = models.DateTimeField(null=True, blank=True)
    # The lease. Only engine/lease.py writes these.
    lease_owner = models.CharField(max_length=80, blank=True, default="", db_default="")
    epoch = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    # The stop flag: stop_signals counts requests, for the run or one of its steps.
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    stop_signals = models.PositiveIntegerField(default=0)
    is_detached = models.BooleanField(
        "detached", default=False, help_text="Runs in a command's own process; nobody takes it over."
    )

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["session_id", "id"]
        permissions = [
            ("read_texts", "Can read everybody's messages, prompts and answers"),
            ("stop_any_run", "Can stop everybody's runs"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["session", "request_id"], name="run_request_unique"),
            models.UniqueConstraint(
                fields=["session"], condition=Q(status__in=LIVE_RUN), name="run_one_live_per_session"
            ),
            models.CheckConstraint(
                condition=Q(status__in=LIVE_RUN) | Q(finished_at__isnull=False), name="run_ended_has_time"
            ),
            models.CheckConstraint(
                condition=Q(is_waiting=False) | Q(status=RunStatus.INTERRUPTED), name="run_waits_interrupted"
            ),
        ]
        indexes = [
            models.Index(
                fields=["status", "lease_expires_at"], name="run_live", condition=Q(status__in=LIVE_RUN)
            )
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def is_live(self) -> bool:
        """Whether it has no final status yet."""
        return self.status in LIVE_RUN

    def shows_prompts_to(self, user: User) -> bool:
        """Whether they may read its prompts: those of a shared chain belong to the chain's owner."""
        return self.chain_version.chain.owner_id == user.pk


class AgentStepQuerySet(models.QuerySet["AgentStep"]):
    """Whose steps."""

    def visible_to(self, user: User) -> AgentStepQuerySet:
        """Keep the steps of the user's own sessions."""
        return self.filter(run__session__owner=user)


class AgentStep(models.Model):
    """One agent's part of one run: its own copy of the agent's settings, its status, its current attempt."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    index = models.PositiveSmallIntegerField()
    execution_group = models.PositiveSmallIntegerField("stage", help_text="The number of its stage, from 1.")
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100)
    model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT, related_name="steps")
    system_prompt = models.TextField(blank=True)
    prompt = models.TextField(blank=True)
    connection_type = models.CharField("connection", max_length=12, choices=ConnectionType.choices)
    condition = models.TextField("rule", blank=True)
    temperature = models.FloatField(null=True, blank=True)
    max_output_tokens = models.PositiveIntegerField("longest answer (tokens)", null=True, blank=True)
    status = models.CharField(max_length=12, choices=StepStatus.choices, default=StepStatus.PENDING)
    current_attempt = models.PositiveSmallIntegerField(default=0, help_text="Number of its newest attempt.")
    skip_reason = models.CharField(max_length=12, choices=SkipReason.choices, blank=True)
    tested_subject = models.CharField(max_length=120, blank=True)
    tested_excerpt = models.TextField(blank=True)
    decided_by = models.TextField(blank=True, help_text="The part of the rule that decided.")
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    is_kept = models.BooleanField(
        default=False, db_default=False, help_text="A person took its partial text as its answer."
    )
    is_chosen = models.BooleanField(
        default=False,
        db_default=False,
        help_text="The conversation continues with this answer instead of the whole group's output.",
    )
    reused_from = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="reuses",
        help_text="The step of an earlier run whose answer it carries: it was not called, nor paid, again.",
    )

    objects = AgentStepQuerySet.as_manager()

    class Meta:
        ordering = ["run_id", "index"]
        constraints = [
            models.UniqueConstraint(fields=["run", "index"], name="step_index_unique"),
            # A mark on the step, not a key on the run: so the chosen one cannot be another run's.
            models.UniqueConstraint(
                fields=["run"], condition=Q(is_chosen=True), name="step_one_chosen_per_run"
            ),
            models.CheckConstraint(
                condition=Q(is_chosen=False) | Q(status=StepStatus.COMPLETED), name="step_chosen_completed"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class StepAttempt(models.Model):
    """One call to a provider for a step. A retry is a new row; no attempt is overwritten by another."""

    step = models.ForeignKey(AgentStep, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    model = models.ForeignKey(
        LanguageModel,
        on_delete=models.PROTECT,
        related_name="attempts",
        null=True,
        blank=True,
        help_text="Whom it called; the step's model may have been changed since.",
    )
    status = models.CharField(max_length=12, choices=StepStatus.choices, default=StepStatus.RUNNING)
    # ``passages``, where there are any, say which places came from elsewhere: [source, start, end].
    messages = models.JSONField(default=list, help_text="The exact messages sent: role and content.")
    text = models.TextField(blank=True)
    reasoning = models.TextField(blank=True)
    text_length = models.PositiveIntegerField(default=0, help_text="In Unicode code points.")
    text_sha256 = models.CharField(max_length=64, blank=True, help_text="Of the stored UTF-8.")
    started_at = models.DateTimeField(help_text="When its request left.")
    first_token_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    stop_seen_at = models.DateTimeField(null=True, blank=True, help_text="When a stop reached the engine.")
    upstream_closed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the connection to the provider was closed."
    )
    finish_reason = models.CharField(max_length=20, blank=True)
    is_truncated = models.BooleanField(
        "truncated", default=False, help_text="The model hit its length limit."
    )
    error_kind = models.CharField(max_length=30, blank=True)
    error = models.TextField(blank=True, help_text="In a sentence for people.")
    http_status = models.PositiveSmallIntegerField("HTTP status", null=True, blank=True)
    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    input_price = models.DecimalField(
        "input price ($ per million tokens)", max_digits=12, decimal_places=6, null=True, blank=True
    )
    output_price = models.DecimalField(
        "output price ($ per million tokens)", max_digits=12, decimal_places=6, null=True, blank=True
    )
    cost_usd = models.DecimalField("cost ($)", max_digits=14, decimal_places=8, null=True, blank=True)

    class Meta:
        ordering = ["step_id", "number"]
        constraints = [models.UniqueConstraint(fields=["step", "number"], name="attempt_number_unique")]

    def __str__(self) -> str:
        return f"attempt {self.number} of step {self.step_id}"
