"""The audit chain's verifications. ``audit/seal.py`` writes Verification."""

from django.db import models
from django.utils import timezone


class Verification(models.Model):
    """One reading of the audit chain, done in slices by a worker. Progress is telemetry; begin and end are events."""

    asked_by = models.CharField(max_length=150)
    since = models.BigIntegerField(default=0, help_text="Verified up to here by the verification that this continues.")
    goal = models.BigIntegerField(help_text="Number of the newest event when it began.")
    events = models.BigIntegerField(help_text="Number of the last event found right so far.")
    erased = models.BigIntegerField(default=0)
    last_hash = models.CharField(max_length=64)
    first_bad = models.BigIntegerField(null=True)
    problem = models.TextField(blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    continued_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    @property
    def valid(self) -> bool:
        return self.first_bad is None

    @property
    def share(self) -> float:
        """How much of the way to its goal it has gone, from 0 to 1."""
        return min(1.0, (self.events - self.since) / max(1, self.goal - self.since))

    @property
    def progress(self) -> str:
        return f"{self.events:,} of {max(self.goal, self.events):,}"
