"""The figures of pools, queues and workflows at a tick, each kind in a constant number of queries. Reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agents import pool_figures
from agents.models import Agent, Pool
from monitoring.metrics import runs, subjects
from orchestra.kernel import series
from workflows import backlog

COUNTED_UPTO = 100_000
"""Steps that wait are counted up to so many in each queue."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of a gauge."""

    metric: str
    kind: str
    subject: str
    value: float


def of_pools(members: Mapping[int, Sequence[Agent]], now: datetime) -> list[Reading]:
    """``members``: the agents of each pool, with their calls in flight."""
    readings = []
    pools = list(Pool.objects.only("name", "template").order_by("pk"))
    for standing in pool_figures.standings(pools, members, now):
        values: dict[str, float | None] = {
            "pool_size": standing.size,
            "pool_utilization": standing.load,
            "pool_waiting": standing.waiting.count,
            "pool_oldest_wait": standing.waiting.oldest_s,
        }
        readings += known("pool", str(standing.pool.pk), values)
    return readings


def of_queues(now: datetime) -> list[Reading]:
    names = subjects.names("queue")
    counts = backlog.counts(names, COUNTED_UPTO)
    heads = backlog.heads(names)
    running = backlog.running(names, now)
    readings = []
    for name in names:
        waiting, dead = counts[name]
        head = heads.get(name)
        values: dict[str, float | None] = {
            "queue_waiting": waiting,
            "queue_oldest_wait": max(0.0, (now - head).total_seconds()) if head else 0.0,
            "queue_running": running.get(name, 0),
            "queue_dead": dead,
        }
        readings += known("queue", name, values)
    return readings


def of_workflows(found: Mapping[runs.Minute, runs.Counted], seconds: float) -> list[Reading]:
    """What was counted of runs in ``seconds``; of a workflow that has none, that there were none."""
    readings = []
    for name, counted in runs.by_workflow(found.items(), subjects.names("workflow")).items():
        values = {
            "workflow_started_per_min": series.per_minute(counted.started, seconds),
            "workflow_ended_per_min": series.per_minute(counted.ended, seconds),
            "workflow_failure_rate": series.share(counted.failed, counted.ended),
            "workflow_duration": counted.took.average,
        }
        readings += known("workflow", name, values)
    return readings


def known(kind: str, subject: str, values: Mapping[str, float | None]) -> list[Reading]:
    """The readings of a subject by metric, without those of which nothing is known."""
    return [Reading(metric, kind, subject, float(value)) for metric, value in values.items() if value is not None]
