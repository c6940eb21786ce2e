"""The tables of samples: the only inserts into AgentSample, GaugeSample and RunMeasure, and how long rows are kept.

Telemetry, so nothing here records events.
"""

from datetime import datetime, timedelta

from django.utils import timezone

from monitoring.models import AgentSample, GaugeSample, RunMeasure, Span, Tick
from monitoring.models.metrics import RUN_BUCKETS
from orchestra.kernel import retention
from orchestra.kernel.rollups import RolledUp

TICKS_KEPT = timedelta(days=8)
"""A week for trying thresholds, and a day for comparing it with the same day of the week before."""
_HOURS_AND_DAYS: dict[int, timedelta] = {Span.HOUR: timedelta(days=60), Span.DAY: timedelta(days=730)}

AGENTS = RolledUp(
    AgentSample,
    "agent_id",
    [
        "ticks",
        "calls",
        "judged",
        "failed",
        "timed",
        "seconds",
        "memory_bytes",
        "memory_samples",
        "cpu_percent",
        "cpu_samples",
        "in_flight",
        "slots",
    ],
    {int(Span.TICK): TICKS_KEPT} | _HOURS_AND_DAYS,
)
GAUGES = RolledUp(
    GaugeSample,
    "gauge_id",
    ["count", "total"],
    {int(Span.TICK): TICKS_KEPT} | _HOURS_AND_DAYS,
    least=["least"],
    most=["most"],
)
RUNS = RolledUp(
    RunMeasure,
    "workflow",
    ["started", "succeeded", "failed", "cancelled", "seconds", *RUN_BUCKETS],
    {int(Span.MINUTE): timedelta(days=14)} | _HOURS_AND_DAYS,
    least=["fastest_s"],
    most=["slowest_s"],
)


def forget_after(at: int) -> None:
    """Remove the ticks after ``at`` and their samples, which a clock that was ahead has made.

    Hours and days of that time are summed up again when it comes.
    """
    for rows in (AgentSample.objects, GaugeSample.objects):
        rows.filter(span=Span.TICK, at__gt=at).delete()
    Tick.objects.filter(at__gt=at).delete()


def forget_ticks(now: datetime | None = None) -> int:
    """Remove the ticks whose samples are gone; how many."""
    before = int(((now or timezone.now()) - TICKS_KEPT).timestamp())
    return retention.remove_in_slices(Tick.objects.filter(at__lt=before).order_by("at"))
