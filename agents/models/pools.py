"""Pools: like agents made of one template, as many as their policy asks for. ``pools.py`` writes all of it.

What a pool should have is ``target``; what it has are its members that are starting or online. The columns of its
launcher say how far that has been told what the target is; they are telemetry.
"""

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from orchestra.kernel.secrets import EncryptedJSONField


class PoolKind(models.TextChoices):
    """The kinds of agent that a pool may have."""

    PYTHON = "python", "Python function"
    HTTP = "http", "HTTP service"
    LLM = "llm", "Language model"
    PROCESS = "process", "Process"
    REMOTE = "remote", "Remote worker"


class Pool(models.Model):
    """``template`` is what its members are made of: config, capabilities, max_concurrency and so on."""

    name = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=300, blank=True)
    kind = models.CharField(max_length=10, choices=PoolKind.choices)
    template = models.JSONField(default=dict, blank=True)
    secrets: "models.Field[Any, Any]" = EncryptedJSONField(null=True, blank=True)
    launcher = models.CharField(
        max_length=100, blank=True, help_text="The entry of COMMANDS that is run when the size changes; empty: none."
    )
    min_size = models.PositiveIntegerField(default=1)
    max_size = models.PositiveIntegerField(default=5)
    target = models.PositiveIntegerField(default=1, help_text="How many members it should have.")
    policy = models.JSONField(default=dict, blank=True, help_text="When it grows and shrinks; empty: the defaults.")
    autoscales = models.BooleanField(default=True)
    scaled_up_at = models.DateTimeField(null=True, blank=True)
    scaled_down_at = models.DateTimeField(null=True, blank=True)
    launched = models.PositiveIntegerField(null=True, blank=True, help_text="The size its launcher was last told.")
    launch_at = models.DateTimeField(null=True, blank=True, help_text="When its launcher may be run, or run again.")
    launch_failed_for = models.PositiveIntegerField(
        null=True, blank=True, help_text="The size that its launcher failed with, which alone waits for launch_at."
    )
    launch_failures = models.PositiveIntegerField(default=0, help_text="How often in a row the launcher failed.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(name="pool_min_not_above_max", condition=Q(min_size__lte=F("max_size"))),
            models.CheckConstraint(name="pool_target_not_above_max", condition=Q(target__lte=F("max_size"))),
        ]

    def __str__(self) -> str:
        return self.name


class Decided(models.TextChoices):
    UP = "up", "grew"
    DOWN = "down", "shrank"
    STAY = "stay", "stayed"


class PoolDecision(models.Model):
    """What was decided on a pool's size, on what figures, and why in words. Telemetry where the size stayed."""

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="decisions", db_index=False)
    at = models.DateTimeField(default=timezone.now)
    decided = models.CharField(max_length=5, choices=Decided.choices)
    code = models.CharField(max_length=30, help_text="Which rule decided, for programs.")
    reason = models.CharField(max_length=500)
    by = models.CharField(max_length=150, help_text="A person's name, or the autoscaler.")
    size_before = models.PositiveIntegerField()
    target = models.PositiveIntegerField()
    figures = models.JSONField(default=dict, help_text="What it was decided on: waiting, oldest_s, in_use, slots.")
    output = models.TextField(blank=True, help_text="What the launcher's command printed.")
    exit_code = models.IntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["pool", "-id"], name="decision_pool"),
            models.Index(fields=["pool", "at"], name="decision_at"),
        ]
        constraints = [models.CheckConstraint(name="decided_is_known", condition=Q(decided__in=Decided.values))]


class PoolSample(models.Model):
    """A pool at a moment: its size and what was asked of it. Telemetry, kept for the chart and for trying policies."""

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="samples", db_index=False)
    at = models.DateTimeField()
    size = models.PositiveIntegerField()
    slots = models.PositiveIntegerField()
    in_use = models.PositiveIntegerField()
    waiting = models.PositiveIntegerField()
    oldest_s = models.FloatField(default=0)

    class Meta:
        ordering = ["at"]
        constraints = [models.UniqueConstraint(fields=["pool", "at"], name="sample_once_a_moment")]
