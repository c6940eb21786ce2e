"""Queues and the rules that choose one. TaskQueue is written by ``queues.py`` only, RoutingRule by ``routing.py``."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

MAX_WEIGHT = 1000


class TaskQueue(models.Model):
    """What is set for a queue. A queue without a row has the defaults of these columns; null means no limit."""

    name = models.CharField(max_length=50, unique=True)
    weight = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_WEIGHT)],
        help_text="Its share of the starts while several queues wait.",
    )
    max_concurrency = models.PositiveIntegerField(null=True, help_text="At most so many of its steps run at a time.")
    rate_per_s = models.FloatField(null=True, help_text="At most so many of its steps start a second.")
    burst = models.PositiveIntegerField(null=True, help_text="So many may start at once after a rest.")
    key_limit = models.PositiveIntegerField(null=True, help_text="At most so many steps of one key run at a time.")
    paused = models.BooleanField(default=False)
    paused_reason = models.CharField(max_length=1000, blank=True)
    paused_at = models.DateTimeField(null=True)
    tokens = models.FloatField(default=0, help_text="Of the rate: left at refilled_at.")
    refilled_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="queue_weight_in_bounds", condition=Q(weight__gte=1) & Q(weight__lte=MAX_WEIGHT)
            ),
            models.CheckConstraint(
                name="queue_limits_are_positive",
                condition=(Q(max_concurrency__isnull=True) | Q(max_concurrency__gte=1))
                & (Q(rate_per_s__isnull=True) | Q(rate_per_s__gt=0))
                & (Q(burst__isnull=True) | Q(burst__gte=1))
                & (Q(key_limit__isnull=True) | Q(key_limit__gte=1)),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class RoutingRule(models.Model):
    """Runs that match go to ``queue``; an empty condition matches any. The first rule that matches decides."""

    position = models.PositiveIntegerField(help_text="1 is asked first.")
    enabled = models.BooleanField(default=True)
    workflow = models.CharField(max_length=100, blank=True, help_text="The name of the run's workflow.")
    capability = models.CharField(max_length=100, blank=True, help_text="One that a step of the workflow needs.")
    tier = models.CharField(max_length=20, blank=True, help_text="The customer's.")
    queue = models.CharField(max_length=50)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return f"{self.conditions} → {self.queue}"

    @property
    def conditions(self) -> str:
        """What it asks for, in words: ``tier premium and capability billing``."""
        asked = {"workflow": self.workflow, "capability": self.capability, "tier": self.tier}
        return " and ".join(f"{name} {value}" for name, value in asked.items() if value) or "any run"
