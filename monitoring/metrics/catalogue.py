"""Every metric that is collected each tick: what it is called, its unit, what it is a figure of, how it is computed.

Thresholds, charts, the API, Prometheus and docs/metrics.md all read this one list. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TICK_S = 30
"""Every so many seconds all metrics are collected."""

SCOPES: Mapping[str, Sequence[str]] = {
    "agent": ("all", "agent", "pool", "capability"),
    "pool": ("all", "pool"),
    "queue": ("all", "queue"),
    "workflow": ("all", "workflow"),
    "system": ("all",),
}
"""Within which scopes a metric can be looked at, by what it is a figure of."""


@dataclass(frozen=True, slots=True)
class Metric:
    """``unit`` is one of ``charts.UNITS``; ``kind`` says what it is a figure of: agent, pool, queue, workflow, system.

    ``can_be_absent``: there may be nothing to measure although all is well, as of an agent that nobody calls.
    """

    name: str
    kind: str
    label: str
    unit: str
    how: str
    can_be_absent: bool = False


_ALL = (
    Metric(
        "response_time", "agent", "Response time", "seconds",
        "The average duration of the calls that ended in the tick.", can_be_absent=True,
    ),
    Metric(
        "success_rate", "agent", "Success", "share",
        "Calls that succeeded, of those that ended in the tick and say anything about the agent.", can_be_absent=True,
    ),
    Metric(
        "error_rate", "agent", "Errors", "share",
        "Calls that failed by its own fault or silence, of the same, as its breaker counts.", can_be_absent=True,
    ),
    Metric(
        "throughput_per_min", "agent", "Calls a minute", "count",
        "Calls that ended in the tick, times two; after ticks that were missed, spread over these.",
    ),
    Metric(
        "memory_bytes", "agent", "Memory", "bytes",
        "Resident memory of its own process, or of the worker its calls are made in, on average.", can_be_absent=True,
    ),
    Metric(
        "cpu_percent", "agent", "Processor", "percent",
        "Processor time of its own process, or of its calls' threads, of one processor.", can_be_absent=True,
    ),
    Metric(
        "utilization", "agent", "Utilisation", "share",
        "Calls in flight at the tick, of its slots; nothing while it is not online.", can_be_absent=True,
    ),
    Metric("pool_size", "pool", "Size", "count", "Members of the pool that are online or starting."),
    Metric(
        "pool_utilization", "pool", "Utilisation", "share",
        "Calls in flight at the tick, of the slots of these members.", can_be_absent=True,
    ),
    Metric("pool_waiting", "pool", "Waiting", "count", "Steps that wait for a member of the pool."),
    Metric("pool_oldest_wait", "pool", "Longest wait", "seconds", "How long the oldest of these has waited."),
    Metric("queue_waiting", "queue", "Waiting", "count", "Steps that are ready and nobody has taken, up to 100,000."),
    Metric("queue_oldest_wait", "queue", "Longest wait", "seconds", "How long the first in line has been due."),
    Metric("queue_running", "queue", "Running", "count", "Steps that are being worked on."),
    Metric("queue_dead", "queue", "Dead letters", "count", "Steps that failed for good and wait for a person."),
    Metric("workflow_started_per_min", "workflow", "Started a minute", "count", "Runs begun in the tick, times two."),
    Metric("workflow_ended_per_min", "workflow", "Ended a minute", "count", "Runs that ended in the tick, times two."),
    Metric(
        "workflow_failure_rate", "workflow", "Failed", "share",
        "Runs that failed, of those that ended in the tick.", can_be_absent=True,
    ),
    Metric(
        "workflow_duration", "workflow", "Duration", "seconds",
        "The average time from their first step to their end, of the runs that ended in the tick.", can_be_absent=True,
    ),
    Metric("executors", "system", "Executors", "count", "Executors that have given a sign of life."),
    Metric("collector_late", "system", "Collector late", "seconds", "How long after its time the tick was collected."),
    Metric("events_per_min", "system", "Events a minute", "count", "Events recorded in the tick, times two."),
    Metric("database_bytes", "system", "Database", "bytes", "What the database takes on its disk."),
    Metric("disk_free", "system", "Disk free", "share", "Free space of the disk that the data folder lies on."),
    Metric("memory_used", "system", "Memory used", "share", "Memory in use on the machine that collects."),
    Metric("cpu_used", "system", "Processor used", "share", "Processor time in use on the machine that collects."),
    Metric(
        "notifications_failing", "system", "Notifications failing", "count",
        "Notifications of the last hour that failed for good.",
    ),
)  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}


def of_kind(kind: str) -> list[Metric]:
    return [metric for metric in METRICS.values() if metric.kind == kind]
