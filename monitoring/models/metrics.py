"""What is measured every 30 s, and what it adds up to. ``metrics/`` writes it; telemetry.

Instants are whole seconds since 1970 here: a week of samples is read by the hundred thousand, and compared as numbers.
"""

from django.db import models

from agents.models import Agent
from orchestra.kernel import series

TICK_S = 30


class Span(models.IntegerChoices):
    """How many seconds a row covers."""

    TICK = TICK_S, "tick"
    MINUTE = series.MINUTE_S, "minute"
    HOUR = series.HOUR_S, "hour"
    DAY = series.DAY_S, "day"


class Tick(models.Model):
    """One round of the collector, at a multiple of 30 s. A tick that is missing here was not collected.

    What it found and that it was evaluated are each written in one transaction with the tick's row, so that two
    processes never do the same tick.
    """

    at = models.BigIntegerField(primary_key=True, help_text="Seconds since 1970, a multiple of 30.")
    holder = models.CharField(max_length=100, help_text="Whose clock it was.")
    late_s = models.FloatField(default=0, help_text="How long after its time it began.")
    collect_s = models.FloatField(default=0)
    agents = models.PositiveIntegerField(default=0)
    gauges = models.PositiveIntegerField(default=0)
    event_number = models.BigIntegerField(default=0, help_text="Runs were counted up to this event.")
    evaluated = models.BooleanField(default=False)
    evaluate_s = models.FloatField(default=0)
    transitions = models.PositiveIntegerField(default=0, help_text="How many alerts changed their state.")

    class Meta:
        ordering = ["-at"]
        constraints = [models.CheckConstraint(name="tick_is_aligned", condition=models.Q(at__gte=0))]
        indexes = [models.Index(fields=["at"], name="tick_unevaluated", condition=models.Q(evaluated=False))]

    def __str__(self) -> str:
        return f"tick {self.at}"


class AgentSample(models.Model):
    """One agent in one tick, hour or day: all that is measured of it, as sums, so that rows can be added up.

    Where nothing was measured the count beside a sum is 0: no calls, no memory known. ``failed`` are failures by the
    agent's own fault or silence, ``judged`` the calls that say anything about it: as its breaker counts.
    How long calls took in percentiles is kept by minute, hour and day by ``agents.measures``.
    """

    # Without a constraint in the database: an agent removed meanwhile must not keep the others from being written.
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    span = models.PositiveIntegerField(choices=Span.choices)
    at = models.BigIntegerField(help_text="When it begins.")
    ticks = models.PositiveIntegerField(default=1, help_text="Of how many ticks it has the calls; more after a gap.")
    calls = models.PositiveBigIntegerField(default=0)
    judged = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    timed = models.PositiveBigIntegerField(default=0, help_text="Calls of which it is known how long they took.")
    seconds = models.FloatField(default=0, help_text="All of these together took so long.")
    memory_bytes = models.PositiveBigIntegerField(default=0)
    memory_samples = models.PositiveIntegerField(default=0)
    cpu_percent = models.FloatField(default=0)
    cpu_samples = models.PositiveIntegerField(default=0)
    in_flight = models.PositiveBigIntegerField(default=0)
    slots = models.PositiveBigIntegerField(default=0, help_text="0 while it takes no work.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "span", "at"], name="agent_sample_once")]
        indexes = [models.Index(fields=["span", "at"], name="agent_sample_age")]

    def __str__(self) -> str:
        return f"agent {self.agent_id} at {self.at}"


class CountersSeen(models.Model):
    """What the last tick saw of the counters of agents: the next one's samples are what they have grown by. One row.

    ``sums`` has, by the agent's number, the sums of its measures from the minute ``since`` on, as it was at ``at``.
    """

    at = models.BigIntegerField(help_text="The tick.")
    since = models.BigIntegerField(help_text="The first minute that was looked at.")
    sums = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"counters as of {self.at}"


class Gauge(models.Model):
    """A series of one metric of one pool, queue, workflow, or of the system, whose ``subject`` is empty."""

    kind = models.CharField(max_length=20)
    subject = models.CharField(max_length=100, blank=True, help_text="A pool's number, a queue's or workflow's name.")
    metric = models.CharField(max_length=50)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["metric", "kind", "subject"], name="gauge_once")]

    def __str__(self) -> str:
        return f"{self.metric} of {self.kind} {self.subject}".rstrip()


class GaugeSample(models.Model):
    """The value of a gauge at a tick; of an hour or a day, what its values add up to."""

    gauge = models.ForeignKey(Gauge, on_delete=models.CASCADE, related_name="samples", db_index=False)
    span = models.PositiveIntegerField(choices=Span.choices)
    at = models.BigIntegerField(help_text="When it begins.")
    count = models.PositiveIntegerField(default=1)
    total = models.FloatField()
    least = models.FloatField()
    most = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["gauge", "span", "at"], name="gauge_sample_once")]
        indexes = [models.Index(fields=["span", "at"], name="gauge_sample_age")]

    def __str__(self) -> str:
        return f"gauge {self.gauge_id} at {self.at}"


class RunMeasure(models.Model):
    """The runs of one workflow that began and ended in a minute, an hour or a day, counted from their events.

    ``took_00`` and so on count the runs whose duration, from start to end, fell into that bucket of
    ``series.BOUNDS_S``.
    """

    workflow = models.CharField(max_length=100)
    span = models.PositiveIntegerField(choices=Span.choices)
    at = models.BigIntegerField(help_text="When it begins.")
    started = models.PositiveBigIntegerField(default=0)
    succeeded = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    cancelled = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    fastest_s = models.FloatField(null=True)
    slowest_s = models.FloatField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "span", "at"], name="run_measure_once")]
        indexes = [models.Index(fields=["span", "at"], name="run_measure_age")]

    def __str__(self) -> str:
        return f"{self.workflow} at {self.at}"


RUN_BUCKETS = tuple(f"took_{index:02}" for index in range(series.BUCKETS))
for _name in RUN_BUCKETS:
    RunMeasure.add_to_class(_name, models.PositiveBigIntegerField(default=0))
