"""Actions on many runs. Written by ``bulk.py``."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class BulkAction(models.Model):
    """An action on all runs that matched a filter when it was asked for, worked off in slices by their numbers."""

    action = models.CharField(max_length=20)
    reason = models.TextField(blank=True)
    options = models.JSONField(default=dict, help_text="What the action takes: the new priority, the step to begin at.")
    query = models.TextField(blank=True, help_text="The filter, as the address of the list has it.")
    ids = models.JSONField(null=True, help_text="The runs chosen one by one; without them the filter decides.")
    actor = models.JSONField()
    correlation = models.CharField(max_length=64)
    last = models.BigIntegerField(help_text="The greatest number that matched when it was asked for.")
    after = models.BigIntegerField(default=0, help_text="Runs up to this number are dealt with.")
    expected = models.PositiveIntegerField(default=0, help_text="How many matched, counted to a bound.")
    done = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    told = models.JSONField(default=list, help_text="The first refusals: label, url, reason.")
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["id"], name="bulk_unfinished", condition=Q(finished_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.action} #{self.pk}"
