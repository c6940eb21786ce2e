"""``bench engine``: durable steps a second through real workers, and what a web write waits meanwhile."""

import subprocess
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from typing import Any, Self

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from django.db.models import Sum

from agents.models import AgentHealth, Circuit
from orchestra.bench import history, load, scratch
from orchestra.bench.figures import milliseconds, percentile
from orchestra.kernel.events import NOTHING
from orchestra.kernel.models import Event
from workflows import engine
from workflows.models import Run, RunStatus, Step, StepStatus

FEED = 25
WARM_UP_RUNS = 50
LEAST_S = 15.0
LONGEST_S = 600.0
MONITORING = {"on": "true", "off": "false"}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=0, help="exactly so many; default: as many as 15 s take")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--executors", type=int, default=settings.EXECUTORS, help="default: the setting EXECUTORS")
    parser.add_argument("--concurrency", type=int, default=200, help="runs open at a time")
    parser.add_argument("--monitoring", choices=MONITORING, default="on", help="what watching all of it costs")
    parser.add_argument("--history", type=int, default=0, help="finished runs in the tables before it begins")


def run(options: Namespace) -> dict[str, Any]:
    load.fleet_of("bench.noop", "noop")
    version = load.workflow_of("bench", "noop", options.steps)
    if options.history:
        history.runs(options.history, version)
        history.settle()
    process = scratch.workers(options.executors, MONITORING=MONITORING[options.monitoring])
    try:
        _feed(options, runs=WARM_UP_RUNS, least_s=0)
        history.settle()  # a database that has been in use for a minute knows its statistics
        first = Run.objects.order_by("-pk").values_list("pk", flat=True)[0]
        with _WebWriter() as writer:
            started = time.perf_counter()
            runs = _feed(options, runs=options.runs, least_s=0 if options.runs else LEAST_S)
            seconds = time.perf_counter() - started
    finally:
        scratch.stop(process)
    _check(options)
    took = _durations_ms(first)
    return {
        "bench": "engine",
        "database": connection.vendor,
        "executors": options.executors,
        "concurrency": options.concurrency,
        "history": options.history,
        "monitoring": options.monitoring,
        "runs": runs,
        "steps": options.steps,
        "seconds": round(seconds, 2),
        "steps_per_s": round(runs * options.steps / seconds),
        "run_p50_ms": percentile(took, 50),
        "run_p99_ms": percentile(took, 99),
        "web_write_p99_ms": percentile(writer.times_ms, 99),
        "web_writes": len(writer.times_ms),
    }


def _feed(options: Namespace, *, runs: int, least_s: float) -> int:
    """Keep ``concurrency`` runs open until ``runs`` were started, or ``least_s`` are over; wait for all to succeed."""
    started_at, started = time.monotonic(), 0
    while True:
        elapsed = time.monotonic() - started_at
        if elapsed > LONGEST_S:
            raise CommandError("The runs did not end within ten minutes; something is stuck.")
        done = started - _open()
        wanted = runs or (started + FEED if elapsed < least_s else started)
        if started >= wanted and done >= started:
            return started
        room = min(options.concurrency - (started - done), wanted - started)
        if room >= min(FEED, wanted - started) > 0:
            for _ in range(0, room, FEED):
                count = min(FEED, wanted - started if runs else FEED)
                engine.start_many("bench", [({"n": started + n}, NOTHING) for n in range(count)], by=load.BENCH)
                started += count
                wanted = max(wanted, started)
        else:
            time.sleep(0.01)


def _open() -> int:
    """How many runs have not ended: few at any time, unlike those that have."""
    return Run.objects.filter(status__in=[RunStatus.QUEUED, RunStatus.RUNNING]).count()


def _durations_ms(after: int) -> list[float]:
    rows = Run.objects.filter(pk__gt=after).values_list("created_at", "finished_at")
    return [milliseconds(created, finished) for created, finished in rows]


def _check(options: Namespace) -> None:
    """Everything was on: each step has its candidates, its call counted, its event; no breaker opened."""
    steps = Step.objects.filter(status=StepStatus.SUCCEEDED, run__gt=options.history)
    done = steps.count()
    counted = AgentHealth.objects.aggregate(calls=Sum("calls"))["calls"]
    told = Event.objects.filter(action="StepSucceeded").count()
    chosen = steps.filter(choice__isnull=False, agent__isnull=False).count()
    if not done == counted == told == chosen or AgentHealth.objects.exclude(circuit=Circuit.CLOSED).exists():
        raise CommandError(
            f"Of {done} steps {chosen} have candidates, {counted} calls are counted, {told} events told."
        )
    runs = Run.objects.filter(pk__gt=options.history).count()
    if done != runs * options.steps:
        raise CommandError(f"{runs} runs have {done} steps.")


class _WebWriter:
    """Another process that makes a small business write every 50 ms, as somebody at a page would, and times it."""

    def __enter__(self) -> Self:
        self.times_ms: list[float] = []
        command = [sys.executable, "manage.py", "bench", "web-writes"]
        self._process = subprocess.Popen(
            command, cwd=settings.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._reader.join()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.times_ms += [float(line) for line in self._process.stdout]
