"""What agents' calls were measured to take, by minute, hour and day. ``measures.py`` writes it; telemetry."""

from django.db import models

from agents.models.fleet import Agent
from orchestra.kernel import series


class Span(models.IntegerChoices):
    """How many seconds a row covers."""

    MINUTE = series.MINUTE_S, "minute"
    HOUR = series.HOUR_S, "hour"
    DAY = series.DAY_S, "day"


class AgentMeasure(models.Model):
    """One agent in one minute, hour or day (UTC). All but the extremes are sums, so rows can be added up.

    ``took_00`` and so on count the calls whose duration fell into that bucket of ``series.BOUNDS_S``. Memory and
    processor share are sums over ``samples`` and ``cpu_samples`` of the own process, or, for calls made within a
    worker, of that worker; ``cpu_s`` is the processor time of the calls' own threads, where it could be measured.
    """

    # Without a constraint in the database: an agent removed meanwhile must not keep the others from being counted.
    agent = models.ForeignKey(
        Agent, on_delete=models.CASCADE, related_name="measures", db_constraint=False, db_index=False
    )
    span = models.PositiveIntegerField(choices=Span.choices)
    at = models.DateTimeField(help_text="When it begins.")
    calls = models.PositiveBigIntegerField(default=0)
    failed_agent = models.PositiveBigIntegerField(default=0)
    failed_caller = models.PositiveBigIntegerField(default=0)
    failed_timeout = models.PositiveBigIntegerField(default=0)
    failed_lost = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0, help_text="All calls together took so long.")
    fastest_s = models.FloatField(null=True, blank=True)
    slowest_s = models.FloatField(null=True, blank=True)
    cpu_s = models.FloatField(default=0, help_text="Processor time of the threads of its calls.")
    cpu_calls = models.PositiveBigIntegerField(default=0, help_text="Calls whose processor time was measured.")
    memory_bytes = models.PositiveBigIntegerField(default=0, help_text="Sum over the samples.")
    samples = models.PositiveIntegerField(default=0)
    cpu_percent = models.FloatField(default=0, help_text="Of the own process; sum over its samples.")
    cpu_samples = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agent", "span", "at"], name="measure_once_a_span"),
            models.CheckConstraint(name="measure_span_is_known", condition=models.Q(span__in=Span.values)),
        ]
        indexes = [models.Index(fields=["span", "at"], name="measure_age")]

    def __str__(self) -> str:
        return f"agent {self.agent_id}, {self.get_span_display()} of {self.at:%Y-%m-%d %H:%M}"


BUCKET_COLUMNS = tuple(f"took_{index:02}" for index in range(series.BUCKETS))
for _name in BUCKET_COLUMNS:
    AgentMeasure.add_to_class(_name, models.PositiveBigIntegerField(default=0))

COUNTS = ("calls", "failed_agent", "failed_caller", "failed_timeout", "failed_lost")
SUMS = (
    *COUNTS,
    "seconds",
    "cpu_s",
    "cpu_calls",
    "memory_bytes",
    "samples",
    "cpu_percent",
    "cpu_samples",
    *BUCKET_COLUMNS,
)
"""The columns that are added up; the two others are extremes."""
