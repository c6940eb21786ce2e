"""What the measures of runs say: how many began and ended, and percentiles of how long they took. Reads only."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from monitoring.metrics import sources
from monitoring.metrics.runs import Counted
from monitoring.models import RunMeasure, Span
from monitoring.models.metrics import RUN_BUCKETS
from orchestra.kernel.series import Histogram, Steps
from orchestra.kernel.statements import fetch

_COUNTS = ("started", "succeeded", "failed", "cancelled")
_SUMS = ", ".join(f"SUM(s.{name})" for name in (*_COUNTS, "seconds", *RUN_BUCKETS))
_TABLE = RunMeasure._meta.db_table


def _percentile(part: float) -> Callable[[Counted], float | None]:
    def value(counted: Counted) -> float | None:
        found = counted.took.percentile(part)
        return None if found is None else found.value

    return value


VALUES: dict[str, Callable[[Counted], float | None]] = {
    "workflow_started": lambda counted: counted.started,
    "workflow_succeeded": lambda counted: counted.succeeded,
    "workflow_failed": lambda counted: counted.failed,
    "workflow_cancelled": lambda counted: counted.cancelled,
    "workflow_duration_p50": _percentile(0.5),
    "workflow_duration_p95": _percentile(0.95),
}


def measured(workflows: Collection[str], steps: Steps, now: datetime) -> dict[str, list[Counted]]:
    """What was counted of each workflow in each of ``steps``; one query."""
    found = {name: [Counted() for _ in range(steps.count)] for name in workflows}
    if not found:
        return found
    first = int(steps.start.timestamp()) // steps.step_s
    for workflow, number, *sums in _read(list(found), steps, now):
        found[workflow][int(number) - first] = _counted(sums)
    return found


def _read(workflows: list[str], steps: Steps, now: datetime) -> list[tuple[Any, ...]]:
    parts, values = [], []
    marks = ", ".join(["%s"] * len(workflows))
    for span, start, end in sources.stretches(steps, now, finest=Span.MINUTE):
        parts.append(f"SELECT * FROM {_TABLE} WHERE workflow IN ({marks}) AND span = %s AND at >= %s AND at < %s")
        values += [*workflows, span, int(start.timestamp()), int(end.timestamp())]
    if not parts:
        return []
    text = (
        f"SELECT s.workflow, s.at / %s, MIN(s.fastest_s), MAX(s.slowest_s), {_SUMS} "
        f"FROM ({' UNION ALL '.join(parts)}) AS s GROUP BY 1, 2"
    )
    (rows,) = fetch((text, [steps.step_s, *values]))
    return rows


def _counted(sums: list[Any]) -> Counted:
    fastest, slowest, started, succeeded, failed, cancelled, seconds, *counts = sums
    took = Histogram([int(count) for count in counts], float(seconds), fastest, slowest)
    return Counted(int(started), int(succeeded), int(failed), int(cancelled), took)
