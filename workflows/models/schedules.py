"""Schedules: what starts runs by the clock. Written by ``schedules.py`` only."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from workflows import cron
from workflows.models.definitions import Workflow
from workflows.models.runs import Run


class Missed(models.TextChoices):
    """What is done about times at which nobody looked."""

    SKIP = "skip", "left out"
    ONCE = "once", "made up for by one run"
    ALL = "all", "made up for by a run each"


class Overlap(models.TextChoices):
    """What is done when a run of the schedule has not ended by the next time."""

    ALLOW = "allow", "the next begins beside it"
    SKIP = "skip", "the next is left out"
    CANCEL_PREVIOUS = "cancel_previous", "it is cancelled, and the next begins"


class LastOutcome(models.TextChoices):
    """What came of the last time."""

    FIRED = "fired", "fired"
    SKIPPED = "skipped", "skipped"
    FAILED = "failed", "failed"


class Schedule(models.Model):
    """A cron expression that starts runs of a workflow's newest version. They serve ``schedule`` and its number.

    Whoever moves ``next_at`` on from the value that was read starts the run, in the same transaction: so only one does.
    """

    name = models.CharField(max_length=100, unique=True)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="schedules")
    cron = models.CharField(max_length=100)
    timezone = models.CharField(max_length=64, default="UTC")
    input = models.JSONField(default=dict)
    enabled = models.BooleanField(default=True)
    missed = models.CharField(max_length=10, choices=Missed.choices, default=Missed.ONCE)
    overlap = models.CharField(max_length=20, choices=Overlap.choices, default=Overlap.ALLOW)
    priority = models.SmallIntegerField(default=0, help_text="That of its runs; higher goes first.")
    queue = models.CharField(max_length=50, blank=True, help_text="Empty: the queue that the definition names.")
    next_at = models.DateTimeField(null=True, help_text="When it fires next; none while it is disabled.")
    last_at = models.DateTimeField(null=True, help_text="When it last fired, was left out or failed.")
    last_outcome = models.CharField(max_length=10, choices=LastOutcome.choices, blank=True)
    last_run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="+")
    note = models.TextField(blank=True, help_text="What is worth knowing of the last time.")
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["name"]
        indexes = [models.Index(fields=["next_at"], name="schedule_due", condition=Q(enabled=True))]
        constraints = [
            models.CheckConstraint(name="schedule_missed_is_known", condition=Q(missed__in=Missed.values)),
            models.CheckConstraint(name="schedule_overlap_is_known", condition=Q(overlap__in=Overlap.values)),
            models.CheckConstraint(
                name="schedule_disabled_is_never_due", condition=Q(enabled=True) | Q(next_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def words(self) -> str:
        """When it fires, in words."""
        return self.cron if cron.fault(self.cron) else cron.describe(self.cron)

    def upcoming(self, start: datetime, count: int = 5) -> list[datetime]:
        """The next times, as long as it stays enabled; none where they can no longer be told."""
        if cron.fault(self.cron) or cron.fault_of_zone(self.timezone):
            return []
        return cron.upcoming(self.cron, self.timezone, start, count)
