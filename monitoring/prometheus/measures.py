"""Counters that are read from stored measures: what was counted since the day began, in UTC.

Measures are removed when they are old, so a sum over all of them falls, which Prometheus would take for a restart with
everything counted anew. Counted from midnight they only grow, and start again at 0 as those of a process do.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, QuerySet, Sum

from agents.models import AgentMeasure
from agents.models import Span as AgentSpan
from agents.models.measures import BUCKET_COLUMNS
from monitoring.models import RunMeasure, Span
from monitoring.models.metrics import RUN_BUCKETS
from monitoring.prometheus import buckets
from orchestra.kernel.series import DAY_S, HOUR_S, floor

HOUR = timedelta(seconds=HOUR_S)


@dataclass(slots=True)
class Durations:
    """How many durations there were in each group of buckets, and what they add up to."""

    counts: list[int] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, counts: Sequence[int], seconds: float) -> None:
        ours = self.counts or [0] * len(counts)
        self.counts = [one + other for one, other in zip(ours, counts, strict=True)]
        self.seconds += seconds


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of a workflow: begun, ended by status, and how long they took."""

    workflow: str
    started: int
    ended: Mapping[str, int]
    took: Durations


def calls(now: datetime) -> Mapping[int, Durations]:
    """How long the calls of each agent took; in three queries.

    Whole hours are read as such once they are an hour old: then housekeeping has added them up for good.
    """
    since = floor(now, DAY_S)
    hours = AgentMeasure.objects.filter(span=AgentSpan.HOUR)
    last = hours.order_by("-at").values_list("at", flat=True).first()
    edge = max(since, last - HOUR) if last else since
    minutes = AgentMeasure.objects.filter(span=AgentSpan.MINUTE, at__gte=edge)
    found: dict[int, Durations] = defaultdict(Durations)
    for rows in (hours.filter(at__gte=since, at__lt=edge), minutes):
        for agent, counts, seconds in _durations(rows, "agent_id", BUCKET_COLUMNS, buckets.CALLS_S):
            found[agent].add(counts, seconds)
    return found


def runs(now: datetime) -> list[Runs]:
    """The runs of each workflow; in one query."""
    rows = RunMeasure.objects.filter(span=Span.MINUTE, at__gte=int(floor(now, DAY_S).timestamp()))
    counted = ("started", "succeeded", "failed", "cancelled", "seconds")
    sums = {**{f"sum_{name}": Sum(name) for name in counted}, **_groups(RUN_BUCKETS, buckets.RUNS_S)}
    found = []
    summed: Any = rows.values("workflow").annotate(**sums).order_by("workflow")
    for row in summed:
        took = Durations([row[name] for name in _names(buckets.RUNS_S)], row["sum_seconds"])
        ended = {status: row[f"sum_{status}"] for status in counted[1:4]}
        found.append(Runs(row["workflow"], row["sum_started"], ended, took))
    return found


def _durations(
    rows: "QuerySet[Any]", key: str, columns: Sequence[str], bounds: Sequence[float]
) -> Iterable[tuple[int, list[int], float]]:
    sums = _groups(columns, bounds)
    for name, *counts, seconds in (
        rows.order_by().values(key).annotate(**sums, took=Sum("seconds")).values_list(key, *sums, "took")
    ):
        yield name, counts, seconds


def _groups(columns: Sequence[str], bounds: Sequence[float]) -> dict[str, Any]:
    """For each group of buckets the sum of its columns."""
    sums = {}
    for name, group in zip(_names(bounds), buckets.groups(bounds), strict=True):
        within: Any = F(columns[group[0]])
        for index in group[1:]:
            within = within + F(columns[index])
        sums[name] = Sum(within)
    return sums


def _names(bounds: Sequence[float]) -> list[str]:
    return [f"below_{index}" for index in range(len(bounds) + 1)]
