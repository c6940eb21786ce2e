"""Definitions, runs and steps. ``definitions.py`` writes Workflow and WorkflowVersion; ``group.py`` Run and Step."""

import json
import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from agents.models import Agent
from orchestra.kernel.states import Machine


class Workflow(models.Model):
    """A named process. What it does is in its versions, which never change."""

    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class WorkflowVersion(models.Model):
    """One immutable definition; runs stay on the version they began with."""

    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    definition = models.JSONField()
    digest = models.CharField(max_length=64, help_text="SHA-256 of the definition's canonical text.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["workflow", "number"], name="version_number_once")]

    def __str__(self) -> str:
        return f"{self.workflow} v{self.number}"


class RunStatus(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    WAITING = "waiting", "waiting"
    PAUSED = "paused", "paused"
    COMPENSATING = "compensating", "compensating"
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


RUN_STATES = Machine(
    {
        RunStatus.QUEUED: [
            RunStatus.RUNNING,
            RunStatus.WAITING,
            RunStatus.SUCCEEDED,
            RunStatus.FAILED,
            RunStatus.CANCELLED,
        ],
        RunStatus.RUNNING: [RunStatus.WAITING, RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED],
        RunStatus.WAITING: [RunStatus.RUNNING, RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED],
        RunStatus.PAUSED: [RunStatus.RUNNING, RunStatus.WAITING, RunStatus.CANCELLED],
        RunStatus.COMPENSATING: [RunStatus.FAILED, RunStatus.CANCELLED],
        RunStatus.SUCCEEDED: [],
        RunStatus.FAILED: [],
        RunStatus.CANCELLED: [],
    }
)
RUN_ENDS = frozenset(RUN_STATES.terminal())


class Run(models.Model):
    """One execution of a workflow version. ``serves`` names what it is for, for example an inquiry."""

    version = models.ForeignKey(WorkflowVersion, on_delete=models.PROTECT, related_name="runs")
    status = models.CharField(max_length=12, choices=RunStatus.choices, default=RunStatus.QUEUED)
    priority = models.SmallIntegerField(default=0, help_text="Higher goes first.")
    queue = models.CharField(max_length=50, default="default")
    input = models.JSONField(default=dict)
    output = models.JSONField(null=True)
    error = models.TextField(blank=True)
    serves_kind = models.CharField(max_length=40, blank=True)
    serves_id = models.CharField(max_length=64, blank=True)
    correlation = models.CharField(max_length=64)
    started_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    deadline = models.DateTimeField(null=True)
    compensated = models.BooleanField(default=False)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["status", "-id"], name="run_status"),
            models.Index(fields=["version", "-id"], name="run_version"),
            models.Index(fields=["serves_kind", "serves_id", "-id"], name="run_serves"),
            models.Index(fields=["created_at"], name="run_created"),
            models.Index(fields=["finished_at"], name="run_finished", condition=Q(finished_at__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(name="run_status_is_known", condition=Q(status__in=RunStatus.values)),
            models.CheckConstraint(
                name="run_finished_has_a_time",
                condition=~Q(status__in=sorted(RUN_ENDS)) | Q(finished_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"


class StepStatus(models.TextChoices):
    PENDING = "pending", "pending"
    READY = "ready", "ready"
    RUNNING = "running", "running"
    WAITING = "waiting", "waiting"
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed"
    SKIPPED = "skipped", "skipped"
    CANCELLED = "cancelled", "cancelled"
    COMPENSATING = "compensating", "compensating"
    COMPENSATED = "compensated", "compensated"
    DEAD = "dead", "dead"


STEP_STATES = Machine(
    {
        StepStatus.PENDING: [
            StepStatus.READY,
            StepStatus.WAITING,
            StepStatus.SKIPPED,
            StepStatus.FAILED,
            StepStatus.CANCELLED,
        ],
        StepStatus.READY: [StepStatus.RUNNING, StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.DEAD],
        StepStatus.RUNNING: [
            StepStatus.SUCCEEDED,
            StepStatus.FAILED,
            StepStatus.READY,
            StepStatus.WAITING,
            StepStatus.CANCELLED,
            StepStatus.DEAD,
        ],
        StepStatus.WAITING: [StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.READY, StepStatus.CANCELLED],
        StepStatus.SUCCEEDED: [StepStatus.COMPENSATING],
        StepStatus.FAILED: [],
        StepStatus.SKIPPED: [],
        StepStatus.CANCELLED: [],
        StepStatus.COMPENSATING: [StepStatus.COMPENSATED, StepStatus.DEAD],
        StepStatus.COMPENSATED: [],
        StepStatus.DEAD: [],
    }
)


class Step(models.Model):
    """A step of a run, which is a task of the queue: ready, waiting, running and dead are read from this row.

    A row is made when the step becomes ready, waits or is skipped; steps not yet reached stand in the definition only.
    A claim sets executor, token and lease and counts the attempt before the work; a completion must name the token.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=100)
    key = models.UUIDField(default=uuid.uuid4, help_text="Idempotency key: the same for all attempts.")
    status = models.CharField(max_length=12, choices=StepStatus.choices, default=StepStatus.PENDING)
    priority = models.SmallIntegerField(default=0)
    queue = models.CharField(max_length=50, default="default")
    input = models.JSONField(null=True)
    output = models.JSONField(null=True)
    error = models.TextField(blank=True)
    demand = models.TextField(default="[[],[]]", help_text="What it asks of its agent: JSON of [needs, prefers].")
    timeout_s = models.FloatField(default=30)
    attempt = models.PositiveIntegerField(default=0)
    losses = models.PositiveIntegerField(default=0, help_text="How often its executor died with it.")
    history = models.JSONField(default=list, help_text="Attempts that failed: when, by whom, why.")
    agent = models.ForeignKey(Agent, null=True, on_delete=models.PROTECT, related_name="steps")
    choice = models.JSONField(null=True, help_text="The candidates, their parts, who was excluded and why.")
    executor = models.CharField(max_length=100, blank=True)
    token = models.PositiveBigIntegerField(default=0, help_text="Fencing token: grows with every claim.")
    lease_expires_at = models.DateTimeField(null=True)
    available_at = models.DateTimeField(default=timezone.now, help_text="Not before: a retry that is due later.")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "name"], name="step_once_a_run"),
            models.CheckConstraint(name="step_status_is_known", condition=Q(status__in=StepStatus.values)),
            models.CheckConstraint(
                name="step_running_has_a_lease",
                condition=~Q(status=StepStatus.RUNNING) | (Q(lease_expires_at__isnull=False) & ~Q(executor="")),
            ),
        ]
        indexes = [
            models.Index(fields=["-priority", "id"], name="step_ready", condition=Q(status=StepStatus.READY)),
            models.Index(fields=["available_at"], name="step_due", condition=Q(status=StepStatus.READY)),
            models.Index(fields=["lease_expires_at"], name="step_leased", condition=Q(status=StepStatus.RUNNING)),
            models.Index(fields=["agent", "-id"], name="step_agent"),
            models.Index(fields=["-id"], name="step_dead", condition=Q(status=StepStatus.DEAD)),
        ]

    def __str__(self) -> str:
        return f"{self.name} of run {self.run_id}"

    @property
    def needs(self) -> list[str]:
        """Capabilities that its agent must have."""
        return json.loads(self.demand)[0]

    @property
    def prefers(self) -> list[str]:
        """Capabilities that make an agent the better choice."""
        return json.loads(self.demand)[1]
