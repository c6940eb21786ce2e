"""The runs of each workflow that began and ended, counted from their events up to a number. Reads only.

The events stand in the order of their commits without a gap, so what lies between two numbers is counted once.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from monitoring.metrics.tables import RUNS
from monitoring.models import Span
from orchestra.kernel.series import BOUNDS_S, MINUTE_S, Histogram
from orchestra.kernel.statements import fetch

STARTED = "RunStarted"
ENDS = {"RunSucceeded": "succeeded", "RunFailed": "failed", "RunCancelled": "cancelled"}

_MINUTE = {
    "sqlite": "CAST(strftime('%%s', e.happened) AS integer)",
    "postgresql": "CAST(FLOOR(EXTRACT(EPOCH FROM e.happened)) AS bigint)",
}
_SECONDS = "(strftime('%%s', {0}) + CAST('0' || substr({0}, 20) AS real))"
"""SQLite's own functions know milliseconds at best; the text has the rest of the second."""
_TOOK = {
    "sqlite": f"ROUND({_SECONDS.format('r.finished_at')} - {_SECONDS.format('r.started_at')}, 6)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM r.finished_at - r.started_at) AS double precision)",
}
_ACTIONS = ", ".join(f"'{action}'" for action in (STARTED, *ENDS))
_BUCKET = " ".join(f"WHEN took <= {bound!r} THEN {index}" for index, bound in enumerate(BOUNDS_S))
_COUNT = f"""
WITH told AS MATERIALIZED (
    SELECT e.target_label AS workflow, {{minute}} / {MINUTE_S} * {MINUTE_S} AS minute, e.action AS action,
        {{took}} AS took
    FROM kernel_event e
    LEFT JOIN workflows_run r ON e.action <> '{STARTED}' AND r.id = CAST(e.target_id AS bigint)
    WHERE e.action IN ({_ACTIONS}) AND e.number > %s AND e.number <= %s
)
SELECT workflow, minute, action, CASE WHEN took IS NULL THEN -1 {_BUCKET} ELSE {len(BOUNDS_S)} END AS bucket,
    COUNT(*), SUM(took), MIN(took), MAX(took)
FROM told GROUP BY workflow, minute, action, bucket
"""
"""Materialized, so that how long a run took is reckoned once and not for each bucket."""


@dataclass(slots=True)
class Counted:
    """Runs of a workflow: how many began and ended how, and how long those took of which it is known."""

    started: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    took: Histogram = field(default_factory=Histogram)

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed + self.cancelled

    def merge(self, other: "Counted") -> None:
        self.started += other.started
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.cancelled += other.cancelled
        self.took.merge(other.took)


Minute = tuple[str, int]
"""A workflow, and when a minute of it begins."""


def count(after: int, upto: int) -> dict[Minute, Counted]:
    """What the events after number ``after`` and up to ``upto`` tell of runs, by workflow and minute."""
    text = _COUNT.format(minute=_MINUTE[connection.vendor], took=_TOOK[connection.vendor])
    (rows,) = fetch((text, [after, upto]))
    found: dict[Minute, Counted] = defaultdict(Counted)
    for workflow, minute, action, bucket, number, *durations in rows:
        counted = found[workflow, int(minute)]
        name = "started" if action == STARTED else ENDS[action]
        setattr(counted, name, getattr(counted, name) + number)
        if bucket >= 0:
            counted.took.merge(_histogram(bucket, number, *durations))
    return dict(found)


def by_workflow(found: Iterable[tuple[Minute, Counted]], workflows: Collection[str]) -> dict[str, Counted]:
    """What was counted of each of ``workflows``, whatever the minute; nothing happened in those left out before."""
    total = {workflow: Counted() for workflow in workflows}
    for (workflow, _), counted in found:
        total.setdefault(workflow, Counted()).merge(counted)
    return total


def rows_of(found: Iterable[tuple[Minute, Counted]]) -> list[list[Any]]:
    """What was counted as rows that can be added to RunMeasure."""
    rows = []
    for (workflow, minute), counted in sorted(found, key=lambda each: each[0]):
        took = counted.took
        ended = (counted.succeeded, counted.failed, counted.cancelled)
        extremes = (took.fastest_s, took.slowest_s)
        rows.append([workflow, int(Span.MINUTE), minute, *extremes, counted.started, *ended, took.sum_s, *took.counts])
    assert not rows or len(rows[0]) == len(RUNS.columns)
    return rows


def _histogram(bucket: int, number: int, sum_s: float, fastest_s: float, slowest_s: float) -> Histogram:
    made = Histogram(sum_s=sum_s, fastest_s=fastest_s, slowest_s=slowest_s)
    made.counts[bucket] = number
    return made
