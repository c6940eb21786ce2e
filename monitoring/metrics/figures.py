"""Every figure that can be asked for over time: what is collected each tick, and what only measures can tell.

Percentiles and counts of calls come from ``agents.figures``, those of runs from RunMeasure: both are kept in buckets,
so they are honest over any time. A figure that both measures and ticks have is read from the measures.
"""

from collections.abc import Mapping

from agents import figures as calls
from monitoring.metrics.catalogue import METRICS, Metric

KINDS = ("agent", "pool", "queue", "workflow", "system")

_OF_CALLS = {
    "response_p50": ("Response, median", "Half of the calls took at most so long; from buckets."),
    "response_p95": ("Response, 95 %", "95 % of the calls took at most so long; from buckets."),
    "response_avg": ("Response, average", "What all calls took together, by their number."),
    "throughput": ("Calls a minute", "Calls that ended, by the time that is over."),
    "calls": ("Calls", "Calls that ended."),
}
_OF_RUNS = (
    Metric("workflow_started", "workflow", "Started", "count", "Runs begun."),
    Metric("workflow_succeeded", "workflow", "Succeeded", "count", "Runs that ended well."),
    Metric("workflow_failed", "workflow", "Failed", "count", "Runs that failed."),
    Metric("workflow_cancelled", "workflow", "Cancelled", "count", "Runs that somebody or a deadline ended."),
    Metric(
        "workflow_duration_p50", "workflow", "Duration, median", "seconds",
        "Half of the runs took at most so long, from start to end; from buckets.", can_be_absent=True,
    ),
    Metric(
        "workflow_duration_p95", "workflow", "Duration, 95 %", "seconds",
        "95 % of the runs took at most so long, from start to end; from buckets.", can_be_absent=True,
    ),
)  # fmt: skip

RUNS = frozenset(metric.name for metric in _OF_RUNS)
CALLS = frozenset(calls.METRICS)

FIGURES: Mapping[str, Metric] = {
    **{
        name: Metric(name, "agent", label, calls.METRICS[name].unit, how, can_be_absent=True)
        for name, (label, how) in _OF_CALLS.items()
    },
    **METRICS,
    **{metric.name: metric for metric in _OF_RUNS},
}
"""By name."""


def of_kind(kind: str) -> list[Metric]:
    return [metric for metric in FIGURES.values() if metric.kind == kind]
