"""Runs, their steps and the signals sent to them. Written by ``group.py`` only; ``retention.py`` removes old runs."""

import json
import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from agents.models import Agent
from orchestra.kernel.states import Machine
from workflows.models.definitions import WorkflowVersion


class RunStatus(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    WAITING = "waiting", "waiting"
    PAUSED = "paused", "paused"
    COMPENSATING = "compensating", "compensating"
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


_ENDS = [RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED]
_OPEN = [RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED, RunStatus.COMPENSATING]

RUN_STATES = Machine(
    {
        RunStatus.QUEUED: [*_OPEN, *_ENDS],
        RunStatus.RUNNING: [RunStatus.WAITING, RunStatus.PAUSED, RunStatus.COMPENSATING, *_ENDS],
        RunStatus.WAITING: [RunStatus.RUNNING, RunStatus.PAUSED, RunStatus.COMPENSATING, *_ENDS],
        RunStatus.PAUSED: [
            RunStatus.QUEUED,
            RunStatus.RUNNING,
            RunStatus.WAITING,
            RunStatus.COMPENSATING,
            RunStatus.FAILED,
            RunStatus.CANCELLED,
        ],
        RunStatus.COMPENSATING: [RunStatus.FAILED, RunStatus.CANCELLED],
        RunStatus.SUCCEEDED: [RunStatus.RUNNING],
        RunStatus.FAILED: [RunStatus.RUNNING],
        RunStatus.CANCELLED: [RunStatus.RUNNING],
    }
)
"""An ended run goes on only when a person has it retried."""
RUN_ENDS = frozenset(_ENDS)


class Run(models.Model):
    """One execution of a workflow version. ``serves`` names what it is for, for example an inquiry."""

    version = models.ForeignKey(WorkflowVersion, on_delete=models.PROTECT, related_name="runs", db_index=False)
    status = models.CharField(max_length=12, choices=RunStatus.choices, default=RunStatus.QUEUED)
    priority = models.SmallIntegerField(default=0, help_text="Higher goes first.")
    tier = models.CharField(max_length=20, blank=True, help_text="The customer's, which counts for the priority.")
    queue = models.CharField(max_length=50, default="default")
    routed_by = models.CharField(max_length=300, blank=True, help_text="What chose the queue, in words.")
    input = models.JSONField(default=dict)
    output = models.JSONField(null=True)
    error = models.TextField(blank=True)
    serves_kind = models.CharField(max_length=40, blank=True)
    serves_id = models.CharField(max_length=64, blank=True)
    correlation = models.CharField(max_length=64)
    started_by = models.CharField(max_length=150, blank=True)
    parent = models.ForeignKey(
        "Step", null=True, on_delete=models.SET_NULL, related_name="children", help_text="The step that it is."
    )
    depth = models.PositiveSmallIntegerField(default=0, help_text="How many runs it lies within.")
    replays = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="replayed_as", help_text="The run it repeats."
    )
    created_at = models.DateTimeField(default=timezone.now)
    start_at = models.DateTimeField(null=True, help_text="Not before; its steps begin then.")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    deadline = models.DateTimeField(null=True, help_text="It fails if it has not ended by then.")
    ends_as = models.CharField(max_length=12, blank=True, help_text="How it ends when its steps are undone.")
    compensated = models.BooleanField(default=False, help_text="Every effect that had succeeded was undone.")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["status", "-id"], name="run_status"),
            models.Index(fields=["version", "-id"], name="run_version"),
            models.Index(fields=["queue", "-id"], name="run_queue"),
            models.Index(fields=["serves_kind", "serves_id", "-id"], name="run_serves"),
            models.Index(fields=["created_at"], name="run_created"),
            models.Index(
                fields=["parent"], name="run_within", condition=Q(parent__isnull=False, finished_at__isnull=True)
            ),
            models.Index(fields=["finished_at"], name="run_finished", condition=Q(finished_at__isnull=False)),
            models.Index(fields=["start_at"], name="run_to_begin", condition=Q(start_at__isnull=False)),
            models.Index(
                fields=["deadline"], name="run_deadline", condition=Q(finished_at__isnull=True, deadline__isnull=False)
            ),
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
            StepStatus.SUCCEEDED,
            StepStatus.SKIPPED,
            StepStatus.FAILED,
            StepStatus.CANCELLED,
        ],
        StepStatus.READY: [StepStatus.RUNNING, StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.DEAD],
        StepStatus.RUNNING: [
            StepStatus.SUCCEEDED,
            StepStatus.FAILED,
            StepStatus.SKIPPED,
            StepStatus.READY,
            StepStatus.WAITING,
            StepStatus.CANCELLED,
            StepStatus.DEAD,
        ],
        StepStatus.WAITING: [
            StepStatus.SUCCEEDED,
            StepStatus.FAILED,
            StepStatus.SKIPPED,
            StepStatus.READY,
            StepStatus.CANCELLED,
        ],
        StepStatus.SUCCEEDED: [StepStatus.COMPENSATING, StepStatus.PENDING],
        StepStatus.FAILED: [StepStatus.PENDING],
        StepStatus.SKIPPED: [StepStatus.PENDING],
        StepStatus.CANCELLED: [StepStatus.PENDING],
        StepStatus.COMPENSATING: [StepStatus.COMPENSATED, StepStatus.DEAD, StepStatus.PENDING],
        StepStatus.COMPENSATED: [StepStatus.PENDING],
        StepStatus.DEAD: [
            StepStatus.READY,
            StepStatus.WAITING,
            StepStatus.COMPENSATED,
            StepStatus.COMPENSATING,
            StepStatus.PENDING,
        ],
    }
)
"""What has ended becomes pending again only when a person has its run retried, and dead work ready when requeued."""


class WaitsFor(models.TextChoices):
    """What a waiting step waits for; empty while it does not wait."""

    PERSON = "person", "a person"
    TIMER = "timer", "the time"
    SIGNAL = "signal", "a signal"
    FIRST = "first_of", "a signal or the time"
    CHILD = "child", "its workflow"
    ITEMS = "items", "its items"
    AGENT = "agent", "the agent's answer"
    RESOURCES = "resources", "resources"


class Step(models.Model):
    """A step of a run, which is a task of the queue: ready, waiting, running and dead are read from this row.

    A row is made when the step becomes ready, waits or is skipped; steps not yet reached stand in the definition only.
    The items of a fan-out are rows ``name[0]``, ``name[1]`` … below their step (``parent``), and what undoes a step is
    the row ``name.compensate``. A claim sets executor, token and lease and counts the attempt before the work; a
    completion must name the token.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps", db_index=False)  # step_once_a_run
    name = models.CharField(max_length=130)
    parent = models.CharField(max_length=100, blank=True, help_text="The fan-out that it is an item of.")
    key = models.UUIDField(default=uuid.uuid4, help_text="Idempotency key: the same for all attempts.")
    status = models.CharField(max_length=12, choices=StepStatus.choices, default=StepStatus.PENDING)
    queue = models.CharField(max_length=50, default="default")
    rank_at = models.DateTimeField(default=timezone.now, help_text="Its place in the queue; the earliest goes first.")
    held = models.BooleanField(default=False, help_text="Its run is paused, so it is not claimed.")
    input = models.JSONField(null=True)
    output = models.JSONField(null=True)
    error = models.TextField(blank=True)
    demand = models.TextField(
        default="[[],[]]",
        help_text="What it asks of its agent: JSON of [needs, prefers], and a number if it must be that one.",
    )
    lock_key = models.CharField(max_length=200, blank=True, help_text="At most lock_limit of one key run at a time.")
    lock_limit = models.PositiveIntegerField(default=0)
    timeout_s = models.FloatField(default=30)
    attempt = models.PositiveIntegerField(default=0)
    round = models.PositiveIntegerField(default=0, help_text="How often it was repeated.")
    losses = models.PositiveIntegerField(default=0, help_text="How often its executor died with it.")
    total = models.PositiveIntegerField(null=True, help_text="Of a fan-out: how many items it has.")
    history = models.JSONField(default=list, help_text="Attempts that failed: when, by whom, why.")
    agent = models.ForeignKey(Agent, null=True, on_delete=models.PROTECT, related_name="steps", db_index=False)
    choice = models.JSONField(null=True, help_text="The candidates, their parts, who was excluded and why.")
    executor = models.CharField(max_length=100, blank=True)
    token = models.PositiveBigIntegerField(default=0, help_text="Fencing token: grows with every claim.")
    lease_expires_at = models.DateTimeField(null=True)
    available_at = models.DateTimeField(default=timezone.now, help_text="Not before: a retry that is due later.")
    waits_for = models.CharField(max_length=10, choices=WaitsFor.choices, blank=True)
    wake_at = models.DateTimeField(null=True, help_text="When its waiting ends by itself.")
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
            models.CheckConstraint(
                name="step_waits_for_something", condition=~Q(status=StepStatus.WAITING) | ~Q(waits_for="")
            ),
        ]
        indexes = [
            models.Index(
                fields=["queue", "rank_at", "id"],
                name="step_ready",
                condition=Q(status=StepStatus.READY, held=False),
            ),
            models.Index(fields=["available_at"], name="step_due", condition=Q(status=StepStatus.READY)),
            models.Index(fields=["lease_expires_at"], name="step_leased", condition=Q(status=StepStatus.RUNNING)),
            models.Index(
                fields=["wake_at"], name="step_wakes", condition=Q(status=StepStatus.WAITING, wake_at__isnull=False)
            ),
            models.Index(fields=["waits_for", "id"], name="step_waits", condition=Q(status=StepStatus.WAITING)),
            models.Index(
                fields=["lock_key"], name="step_locks", condition=Q(status=StepStatus.RUNNING) & ~Q(lock_key="")
            ),
            models.Index(fields=["agent", "-id"], name="step_agent"),
            models.Index(fields=["queue", "-id"], name="step_dead", condition=Q(status=StepStatus.DEAD)),
        ]

    def __str__(self) -> str:
        return f"{self.name} of run {self.run_id}"

    @property
    def call_key(self) -> str:
        """The idempotency key of its calls: the same for all attempts, another for each round of a repeated step."""
        return str(uuid.uuid5(self.key, f"round {self.round}") if self.round else self.key)

    @property
    def needs(self) -> list[str]:
        """Capabilities that its agent must have."""
        return json.loads(self.demand)[0]

    @property
    def prefers(self) -> list[str]:
        """Capabilities that make an agent the better choice."""
        return json.loads(self.demand)[1]

    @property
    def planned_agent(self) -> int:
        """The only agent that may take it, by its number, where a plan has settled that; 0: any."""
        return sum(json.loads(self.demand)[2:])


class Signal(models.Model):
    """Something that a run was told from outside; kept until a step waits for it, each for one step."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="signals")
    name = models.CharField(max_length=100)
    payload = models.JSONField(null=True)
    sent_by = models.CharField(max_length=150, blank=True)
    sent_at = models.DateTimeField(default=timezone.now)
    taken_by = models.CharField(max_length=130, blank=True, help_text="The step that took it.")

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["run", "id"], name="signal_open", condition=Q(taken_by=""))]

    def __str__(self) -> str:
        return f"{self.name} for run {self.run_id}"
