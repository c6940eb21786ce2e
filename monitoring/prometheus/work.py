"""Runs, and what the collector measured last of pools, queues and the machine, for Prometheus."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from agents.models import Pool
from monitoring.metrics.catalogue import METRICS
from monitoring.metrics.catalogue import Metric as Catalogued
from monitoring.models import GaugeSample, Span, Tick
from monitoring.prometheus import buckets, measures
from workflows.models import TaskQueue

FRESH_S = 90
"""What was collected longer ago is no figure of the present: the series ends there instead of standing still."""
GIVEN = ("pool", "queue", "system")
"""Kinds whose gauges are given as they are; of workflows the counters say more."""
COUNTED = ("executors", "collector_late", "events_per_min", "notifications_failing")
"""Of these there is something better: the counter itself, or what is so at this moment."""
SUFFIXES = {"seconds": "_seconds", "share": "_ratio", "bytes": "_bytes", "percent": "_percent", "count": ""}


def families(now: datetime, last: Tick | None) -> Iterator[Metric]:
    yield from _runs(now)
    yield from _paused()
    if last is not None and now.timestamp() - last.at <= FRESH_S:
        yield from _gauges(last.at)


def name_of(metric: Catalogued) -> str:
    """What a metric of the catalogue is called here: with its unit at the end."""
    suffix = SUFFIXES[metric.unit]
    return f"orchestra_{metric.name.removesuffix(suffix) if suffix else metric.name}{suffix}"


def _runs(now: datetime) -> Iterator[Metric]:
    started = CounterMetricFamily("orchestra_runs_started", "Runs begun since midnight UTC.", labels=["workflow"])
    ended = CounterMetricFamily(
        "orchestra_runs_ended", "Runs that ended since midnight UTC, by status.", labels=["workflow", "status"]
    )
    took = HistogramMetricFamily(
        "orchestra_run_duration_seconds",
        "From start to end of runs that ended since midnight UTC.",
        labels=["workflow"],
    )
    for run in measures.runs(now):
        started.add_metric([run.workflow], run.started)
        for status, count in run.ended.items():
            ended.add_metric([run.workflow, status], count)
        took.add_metric([run.workflow], buckets.cumulative(buckets.RUNS_S, run.took.counts), run.took.seconds)
    return iter((started, ended, took))


def _paused() -> Iterator[Metric]:
    paused = GaugeMetricFamily("orchestra_queue_paused", "1 while a person has paused it.", labels=["queue"])
    for name, is_paused in TaskQueue.objects.order_by("id").values_list("name", "paused"):
        paused.add_metric([name], float(is_paused))
    yield paused


def _gauges(at: int) -> Iterator[Metric]:
    """Every gauge of the kinds given as it was at the tick."""
    families = {
        metric.name: GaugeMetricFamily(
            name_of(metric), metric.how, labels=[] if metric.kind == "system" else [metric.kind]
        )
        for metric in METRICS.values()
        if metric.kind in GIVEN and metric.name not in COUNTED
    }
    samples = GaugeSample.objects.filter(span=Span.TICK, at=at, gauge__metric__in=list(families)).order_by("gauge_id")
    rows = list(samples.values_list("gauge__metric", "gauge__kind", "gauge__subject", "total"))
    pools = dict(Pool.objects.values_list("id", "name"))
    for metric, kind, subject, value in rows:
        label = pools.get(int(subject)) if kind == "pool" and subject.isdigit() else subject
        if label is not None:
            families[metric].add_metric([label] if kind != "system" else [], value)
    return iter(families.values())
