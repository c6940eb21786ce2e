"""Which figures are drawn together: the charts that there are of each kind of subject."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitoring.metrics.figures import FIGURES
from orchestra.kernel.looks import COMPENSATING, FAILED, NEUTRAL, PAUSED, RUNNING, SUCCEEDED, WAITING

TONES = (RUNNING, WAITING, SUCCEEDED, FAILED, COMPENSATING, PAUSED)
"""Of subjects beside each other."""
MOST_SUBJECTS = len(TONES)


@dataclass(frozen=True, slots=True)
class Part:
    """A line of a drawing: the metric, the word in the legend, its tone."""

    metric: str
    label: str
    tone: str = RUNNING


@dataclass(frozen=True, slots=True)
class Drawing:
    """Figures of one unit. With several parts each subject has a chart of its own, else they share one.

    ``limited`` is the metric whose thresholds are drawn; ``how`` says what one sees.
    """

    name: str
    title: str
    parts: Sequence[Part]
    limited: str
    how: str
    shape: str = "line"

    @property
    def unit(self) -> str:
        return FIGURES[self.parts[0].metric].unit

    @property
    def metrics(self) -> list[str]:
        return [part.metric for part in self.parts]


def _one(metric: str, tone: str = RUNNING, shape: str = "line") -> Drawing:
    figure = FIGURES[metric]
    return Drawing(metric, figure.label, (Part(metric, figure.label, tone),), metric, figure.how, shape)


_OF_KIND = {
    "agent": (
        Drawing(
            "response", "Response",
            (Part("response_p50", "p50"), Part("response_p95", "p95", WAITING)), "response_time",
            "So long half, and 95 %, of the calls took at most; limits are of the average.",
        ),
        _one("response_time"),
        _one("throughput_per_min"),
        _one("error_rate", FAILED),
        _one("success_rate", SUCCEEDED),
        _one("utilization"),
        _one("memory_bytes", SUCCEEDED),
        _one("cpu_percent", SUCCEEDED),
    ),
    "pool": (
        _one("pool_utilization"),
        _one("pool_size"),
        _one("pool_waiting", WAITING),
        _one("pool_oldest_wait", WAITING),
    ),
    "queue": (
        _one("queue_waiting", WAITING),
        _one("queue_oldest_wait", WAITING),
        _one("queue_running"),
        _one("queue_dead", FAILED),
    ),
    "workflow": (
        Drawing(
            "runs", "Runs",
            (
                Part("workflow_started", "started"),
                Part("workflow_succeeded", "succeeded", SUCCEEDED),
                Part("workflow_failed", "failed", FAILED),
                Part("workflow_cancelled", "cancelled", NEUTRAL),
            ),
            "workflow_started",
            "Runs that began and that ended, by how they ended.",
        ),
        Drawing(
            "durations", "Duration",
            (Part("workflow_duration_p50", "p50"), Part("workflow_duration_p95", "p95", WAITING)), "workflow_duration",
            "So long half, and 95 %, of the runs took at most, from start to end; limits are of the average.",
        ),
        _one("workflow_failure_rate", FAILED),
        _one("workflow_started_per_min"),
        _one("workflow_ended_per_min", SUCCEEDED),
    ),
    "system": (
        _one("executors"),
        _one("collector_late", WAITING),
        _one("events_per_min"),
        _one("database_bytes", SUCCEEDED),
        _one("disk_free", SUCCEEDED),
        _one("memory_used"),
        _one("cpu_used"),
        _one("notifications_failing", FAILED),
    ),
}  # fmt: skip

DRAWINGS: Mapping[str, Mapping[str, Drawing]] = {
    kind: {drawing.name: drawing for drawing in drawings} for kind, drawings in _OF_KIND.items()
}
COUNTS = frozenset({"calls", "workflow_started", "workflow_succeeded", "workflow_failed", "workflow_cancelled"})
"""Metrics that say how many in a step, so that a shorter step has less."""
