"""Alerts. ``alerting/evaluator.py`` and ``alerting/alerts.py`` write them, both through ``alerting/states.py``."""

from django.db import models

from monitoring.models.thresholds import Severity, Threshold
from orchestra.kernel.models import User
from orchestra.kernel.states import Machine


class AlertStatus(models.TextChoices):
    PENDING = "pending", "pending"
    FIRING = "firing", "firing"
    RECOVERING = "recovering", "recovering"
    RESOLVED = "resolved", "resolved"
    NO_DATA = "no_data", "no data"


_OPEN = (AlertStatus.PENDING, AlertStatus.FIRING, AlertStatus.RECOVERING, AlertStatus.NO_DATA)
ALERT_STATES = Machine(
    {
        AlertStatus.PENDING: [AlertStatus.FIRING, AlertStatus.RESOLVED, AlertStatus.NO_DATA],
        AlertStatus.FIRING: [AlertStatus.RECOVERING, AlertStatus.RESOLVED, AlertStatus.NO_DATA],
        AlertStatus.RECOVERING: [AlertStatus.FIRING, AlertStatus.RESOLVED, AlertStatus.NO_DATA],
        AlertStatus.NO_DATA: [
            AlertStatus.PENDING,
            AlertStatus.FIRING,
            AlertStatus.RECOVERING,
            AlertStatus.RESOLVED,
        ],
        AlertStatus.RESOLVED: [AlertStatus.PENDING, AlertStatus.FIRING, AlertStatus.NO_DATA],
    }
)
"""Resolved leads on only within the flapping window: then the same alert goes on, with its owner and note."""


class Alert(models.Model):
    """A subject that breached a threshold, from the first breach until it is resolved.

    What a person gave it (owner, note, acknowledgement) no sample ever clears. ``labels`` are what routes, silences
    and inhibitions match: threshold, metric, severity, kind, and the subject's own (agent, pool, queue, workflow).
    """

    threshold = models.ForeignKey(Threshold, null=True, on_delete=models.SET_NULL, related_name="alerts")
    threshold_version = models.PositiveIntegerField(default=1)
    name = models.CharField(max_length=100, help_text="The threshold's, which may be gone.")
    metric = models.CharField(max_length=50)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    subject_kind = models.CharField(max_length=12)
    subject_id = models.CharField(max_length=100, blank=True)
    subject_label = models.CharField(max_length=150, blank=True)
    labels = models.JSONField(default=dict)
    status = models.CharField(max_length=10, choices=AlertStatus.choices)
    was = models.CharField(max_length=10, blank=True, help_text="What it was before data went missing.")
    since = models.DateTimeField(help_text="It has had its status since then.")
    unseen_s = models.FloatField(default=0, help_text="So long of that does not count: nobody looked, or no data.")
    began_at = models.DateTimeField(help_text="The first breach.")
    fired_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    limit = models.FloatField(help_text="The threshold's value as it was last compared.")
    value = models.FloatField(null=True)
    value_at = models.DateTimeField(null=True)
    worst = models.FloatField(null=True)
    seen_at = models.DateTimeField(help_text="When it was last evaluated.")
    changes = models.JSONField(default=list, help_text="When it fired and resolved lately, in seconds since 1970.")
    flapping = models.BooleanField(default=False)
    owner = models.ForeignKey(
        User, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Who looks after it."
    )
    note = models.TextField(blank=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_until = models.DateTimeField(null=True, help_text="If it still fires then, people are told again.")
    resolved_by = models.CharField(max_length=150, blank=True, help_text="Empty: it recovered by itself.")
    resolve_reason = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["threshold", "subject_kind", "subject_id"],
                name="alert_open_once",
                condition=~models.Q(status=AlertStatus.RESOLVED),
            ),
            models.CheckConstraint(name="alert_status_known", condition=models.Q(status__in=AlertStatus.values)),
            models.CheckConstraint(
                name="alert_resolved_has_time",
                condition=~models.Q(status=AlertStatus.RESOLVED) | models.Q(resolved_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["status", "id"], name="alert_status"),
            models.Index(fields=["severity", "id"], name="alert_severity"),
            models.Index(fields=["subject_kind", "subject_id", "id"], name="alert_subject"),
            models.Index(fields=["resolved_at"], name="alert_resolved"),
            models.Index(fields=["id"], name="alert_flapping", condition=models.Q(flapping=True)),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.subject_label or self.subject_kind}"

    @property
    def is_open(self) -> bool:
        return self.status in _OPEN

    @property
    def acknowledged(self) -> bool:
        """Whether somebody has said that they know; until when says ``acknowledged_until``."""
        return self.acknowledged_at is not None
