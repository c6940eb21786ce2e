"""Limits that metrics must keep. ``alerting/thresholds.py`` writes Threshold and ThresholdVersion."""

from django.db import models

from orchestra.kernel.models import User


class ScopeKind(models.TextChoices):
    """Of which subjects a threshold looks at the metric."""

    ALL = "all", "all"
    AGENT = "agent", "an agent"
    POOL = "pool", "a pool"
    CAPABILITY = "capability", "a capability"
    WORKFLOW = "workflow", "a workflow"
    QUEUE = "queue", "a queue"


class Operator(models.TextChoices):
    """How a value breaches: it is … the threshold's value."""

    ABOVE = ">", "above"
    AT_LEAST = ">=", "at least"
    BELOW = "<", "below"
    AT_MOST = "<=", "at most"
    EQUAL = "==", "exactly"
    UNEQUAL = "!=", "anything but"


class NoData(models.TextChoices):
    """What becomes of a state while nothing is measured for longer than ``no_data_after_s``."""

    KEEP = "keep", "keep the state"
    NO_DATA = "no_data", "say that data are missing"
    ALERT = "alert", "count it as a breach"
    OK = "ok", "count it as recovered"


class Severity(models.TextChoices):
    INFO = "info", "info"
    WARNING = "warning", "warning"
    CRITICAL = "critical", "critical"


class Threshold(models.Model):
    """A limit for a metric. Each subject in its scope is looked at by itself and has an alert of its own.

    It breaches where the value is ``operator`` ``value``, and has recovered where that is not so of
    ``recovery_value``; between the two nothing changes.
    """

    name = models.CharField(max_length=100, unique=True)
    metric = models.CharField(max_length=50)
    scope_kind = models.CharField(max_length=12, choices=ScopeKind.choices, default=ScopeKind.ALL)
    scope_value = models.CharField(
        max_length=100, blank=True, help_text="The number of an agent or pool, the name of anything else."
    )
    operator = models.CharField(max_length=2, choices=Operator.choices, default=Operator.ABOVE)
    value = models.FloatField()
    recovery_value = models.FloatField()
    for_s = models.PositiveIntegerField(default=60, help_text="It fires when it has breached for so long.")
    keep_firing_s = models.PositiveIntegerField(default=120, help_text="It resolves when it has recovered for so long.")
    no_data = models.CharField(max_length=8, choices=NoData.choices, default=NoData.KEEP)
    no_data_after_s = models.PositiveIntegerField(default=300, help_text="A value counts for so long.")
    flap_changes = models.PositiveIntegerField(default=6, help_text="More changes within the time: it flaps.")
    flap_window_s = models.PositiveIntegerField(default=1800)
    severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.WARNING)
    instruction = models.TextField(blank=True, help_text="What to do when it fires; goes with each notification.")
    enabled = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        indexes = [models.Index(fields=["metric", "id"], name="threshold_metric")]
        constraints = [
            models.CheckConstraint(name="threshold_scope_known", condition=models.Q(scope_kind__in=ScopeKind.values)),
            models.CheckConstraint(name="threshold_operator_known", condition=models.Q(operator__in=Operator.values)),
            models.CheckConstraint(name="threshold_severity_known", condition=models.Q(severity__in=Severity.values)),
            models.CheckConstraint(name="threshold_no_data_known", condition=models.Q(no_data__in=NoData.values)),
            models.CheckConstraint(
                name="threshold_scope_is_named",
                condition=models.Q(scope_kind=ScopeKind.ALL, scope_value="")
                | (~models.Q(scope_kind=ScopeKind.ALL) & ~models.Q(scope_value="")),
            ),
            models.CheckConstraint(
                name="threshold_recovers_within",
                condition=models.Q(operator__in=[">", ">="], recovery_value__lte=models.F("value"))
                | models.Q(operator__in=["<", "<="], recovery_value__gte=models.F("value"))
                | models.Q(operator__in=["==", "!="], recovery_value=models.F("value")),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ThresholdVersion(models.Model):
    """What a threshold was from ``made_at`` until its next version."""

    threshold = models.ForeignKey(Threshold, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    values = models.JSONField(help_text="All that a person can set.")
    made_by = models.CharField(max_length=150)
    maker = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    made_at = models.DateTimeField()
    reason = models.TextField(blank=True)
    restores = models.PositiveIntegerField(null=True, blank=True, help_text="The version that it brought back.")

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["threshold", "number"], name="threshold_version_once")]

    def __str__(self) -> str:
        return f"{self.threshold_id} v{self.number}"
