"""``bench latency``: one run at a time, from its submission to the start of its first step, and to its end."""

import time
from argparse import ArgumentParser, Namespace
from typing import Any

from django.db import connection

from orchestra.bench import load, scratch
from orchestra.bench.figures import milliseconds, percentile
from workflows import engine
from workflows.models import Run, RunStatus, Step

WARM_UP_RUNS = 10
POLL_S = 0.001


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=100)


def run(options: Namespace) -> dict[str, Any]:
    load.fleet_of("bench.noop", "noop")
    load.workflow_of("bench", "noop", 8)
    process = scratch.workers(1)
    try:
        for _ in range(WARM_UP_RUNS):
            _one_run()
        runs = [_one_run() for _ in range(options.runs)]
    finally:
        scratch.stop(process)
    starts, ends = _measure(runs)
    return {
        "bench": "latency",
        "database": connection.vendor,
        "runs": options.runs,
        "start_p50_ms": percentile(starts, 50),
        "start_p95_ms": percentile(starts, 95),
        "run_p50_ms": percentile(ends, 50),
    }


def _one_run() -> int:
    """A run from start to end; a pause after it, so that each meets idle workers."""
    pk = engine.start("bench", {}, by=load.BENCH).pk
    while not Run.objects.filter(pk=pk, status=RunStatus.SUCCEEDED).exists():
        time.sleep(POLL_S)
    time.sleep(0.05)
    return pk


def _measure(runs: list[int]) -> tuple[list[float], list[float]]:
    """From the rows' own times, in ms: created → first step started, created → finished."""
    first = dict(Step.objects.filter(run_id__in=runs, name="step_1").values_list("run_id", "started_at"))
    rows = Run.objects.filter(pk__in=runs).values_list("pk", "created_at", "finished_at")
    starts, ends = [], []
    for pk, created, finished in rows:
        starts.append(milliseconds(created, first[pk]))
        ends.append(milliseconds(created, finished))
    return starts, ends
