"""Agents, what they can do, and how they fare.

``fleet.py`` writes Agent, Capability and FleetRevision, ``health.py`` AgentHealth, ``presence.py`` AgentProcess.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from agents.models.pools import Pool
from orchestra.kernel.secrets import EncryptedJSONField
from orchestra.kernel.states import Machine

MINUTE_S = 60.0


class AgentKind(models.TextChoices):
    PYTHON = "python", "Python function"
    HTTP = "http", "HTTP service"
    LLM = "llm", "Language model"
    PROCESS = "process", "Process"
    REMOTE = "remote", "Remote worker"
    HUMAN = "human", "Person"


class AgentStatus(models.TextChoices):
    STARTING = "starting", "starting"
    ONLINE = "online", "online"
    DRAINING = "draining", "draining"
    OFFLINE = "offline", "offline"
    DISABLED = "disabled", "disabled"


AGENT_STATES = Machine(
    {
        AgentStatus.STARTING: [AgentStatus.ONLINE, AgentStatus.OFFLINE, AgentStatus.DISABLED],
        AgentStatus.ONLINE: [AgentStatus.STARTING, AgentStatus.DRAINING, AgentStatus.OFFLINE, AgentStatus.DISABLED],
        AgentStatus.DRAINING: [AgentStatus.ONLINE, AgentStatus.OFFLINE, AgentStatus.DISABLED],
        AgentStatus.OFFLINE: [AgentStatus.STARTING, AgentStatus.ONLINE, AgentStatus.DISABLED],
        AgentStatus.DISABLED: [AgentStatus.STARTING, AgentStatus.ONLINE],
    }
)


class Circuit(models.TextChoices):
    CLOSED = "closed", "closed"
    OPEN = "open", "open"
    HALF_OPEN = "half_open", "half open"


CIRCUIT_STATES = Machine(
    {
        Circuit.CLOSED: [Circuit.OPEN],
        Circuit.OPEN: [Circuit.HALF_OPEN, Circuit.CLOSED],
        Circuit.HALF_OPEN: [Circuit.HALF_OPEN, Circuit.OPEN, Circuit.CLOSED],
    },
    field="circuit",
)


class Agent(models.Model):
    """Something or somebody that can do steps. ``config`` is checked against the schema of its kind."""

    name = models.CharField(max_length=100, unique=True)
    description = models.CharField(max_length=300, blank=True)
    kind = models.CharField(max_length=10, choices=AgentKind.choices)
    status = models.CharField(max_length=10, choices=AgentStatus.choices, default=AgentStatus.ONLINE)
    config = models.JSONField(default=dict, blank=True)
    secrets: "models.Field[Any, Any]" = EncryptedJSONField(null=True, blank=True)
    model = models.CharField(max_length=100, blank=True, help_text="What answers, where it is a model.")
    version = models.CharField(max_length=50, blank=True)
    max_concurrency = models.PositiveIntegerField(default=4, help_text="Calls at a time, over all executors.")
    failure_threshold = models.PositiveIntegerField(default=5, help_text="Failures in a row that open its breaker.")
    recovery_s = models.PositiveIntegerField(default=60, help_text="Seconds until an open breaker lets a probe pass.")
    pool = models.ForeignKey(
        Pool, null=True, blank=True, on_delete=models.PROTECT, related_name="members", help_text="What scales it."
    )
    set_aside = models.BooleanField(
        default=False, help_text="A person drained or disabled it, so its pool leaves it alone."
    )
    registered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        help_text="With whose token its worker registered; only this person and administrators may do so again.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    in_flight: int
    """Calls in flight at the moment of reading; only there after ``ports.with_load``."""

    recent: Any
    """Its last hour, a ``figures.Recent``; only there after ``figures.with_recent``."""

    spending: Any
    """What its calls of today cost, a ``spent.Today``, or None; only there after ``spent.with_today``."""

    class Meta:
        ordering = ["name"]
        indexes = [
            models.Index(fields=["status", "id"], name="agent_status"),
            models.Index(fields=["kind", "id"], name="agent_kind"),
        ]
        constraints = [
            models.CheckConstraint(name="agent_status_is_known", condition=models.Q(status__in=AgentStatus.values)),
            models.CheckConstraint(name="agent_has_a_slot", condition=models.Q(max_concurrency__gte=1)),
            models.CheckConstraint(name="agent_breaker_can_open", condition=models.Q(failure_threshold__gte=1)),
        ]

    def __str__(self) -> str:
        return self.name


class Capability(models.Model):
    """One thing an agent can do, by the name that steps ask for."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="capabilities")
    name = models.CharField(max_length=100)

    class Meta:
        verbose_name_plural = "capabilities"
        constraints = [models.UniqueConstraint(fields=["agent", "name"], name="capability_once_an_agent")]
        indexes = [models.Index(fields=["name", "agent"], name="capability_name")]

    def __str__(self) -> str:
        return self.name


class AgentHealth(models.Model):
    """Breaker and statistics of an agent, from real calls only; apart from Agent, since executors write it all day.

    The averages are exponentially weighted. A new agent counts as reliable and quick until it has shown otherwise.
    """

    agent = models.OneToOneField(Agent, primary_key=True, on_delete=models.CASCADE, related_name="health")
    circuit = models.CharField(max_length=10, choices=Circuit.choices, default=Circuit.CLOSED)
    consecutive_failures = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True, blank=True)
    probe_at = models.DateTimeField(
        null=True, blank=True, help_text="Open: when a probe may pass. Half open: when the probe counts as lost."
    )
    calls = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveBigIntegerField(default=0)
    success_rate = models.FloatField(default=1.0)
    response_s = models.FloatField(default=0.0)
    last_called_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    minute = models.DateTimeField(default=timezone.now, help_text="The minute that is being counted.")
    calls_this_minute = models.PositiveIntegerField(default=0)
    calls_minute_before = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "agent health"
        constraints = [
            models.CheckConstraint(name="circuit_is_known", condition=models.Q(circuit__in=Circuit.values)),
            models.CheckConstraint(
                name="circuit_not_closed_has_a_probe",
                condition=models.Q(circuit="closed") | models.Q(probe_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["circuit"], name="circuit_not_closed", condition=~models.Q(circuit="closed")),
        ]

    @property
    def error_rate(self) -> float:
        return 1 - self.success_rate

    def throughput_per_min(self, now: datetime) -> float:
        """Calls that ended in the last 60 s: this minute's, and the share of the one before that they cover."""
        age_s = (now - self.minute).total_seconds()
        if age_s < MINUTE_S:
            return self.calls_this_minute + self.calls_minute_before * (1 - max(0.0, age_s) / MINUTE_S)
        return self.calls_this_minute * max(0.0, 2 - age_s / MINUTE_S)


class AgentProcess(models.Model):
    """The operating-system process that a ``process`` or ``remote`` agent is: who holds it, and what it uses.

    ``holder`` is the executor that has its pipes, or the registration of a remote worker; only the holder may claim
    steps for the agent, and only while the lease lasts. Memory and processor time are measured, never guessed.
    """

    agent = models.OneToOneField(Agent, primary_key=True, on_delete=models.CASCADE, related_name="process")
    holder = models.CharField(max_length=100, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    host = models.CharField(max_length=255, blank=True)
    pid = models.PositiveIntegerField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    restarts = models.PositiveIntegerField(default=0)
    last_exit = models.CharField(max_length=500, blank=True, help_text="How it last ended, in words.")
    memory_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    cpu_percent = models.FloatField(null=True, blank=True)
    measured_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "agent processes"
        constraints = [
            models.CheckConstraint(
                name="process_held_has_a_lease",
                condition=models.Q(holder="") | models.Q(lease_expires_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["holder"], name="process_holder"),
            models.Index(fields=["lease_expires_at"], name="process_lease"),
        ]


class FleetRevision(models.Model):
    """One row whose number grows with every change of the fleet, so that executors know when to read it again."""

    number = models.PositiveBigIntegerField(default=0)
