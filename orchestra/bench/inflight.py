"""``bench inflight``: so many slow calls at a time in one worker, and the memory that they take."""

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import connection

from orchestra.bench import load, scratch
from orchestra.kernel.events import NOTHING
from orchestra.kernel.models import Pulse
from workflows import engine
from workflows.models import RUN_ENDS, Run, RunStatus

POLL_S = 0.02
LONGEST_S = 120.0
KB = 1024


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=1.0)


def run(options: Namespace) -> dict[str, Any]:
    load.fleet_of("bench.sleep", "sleep")
    load.workflow_of("sleepers", "sleep", 1)
    process = scratch.workers(1)
    try:
        _one_batch(10, 0.0)  # the worker has met everything once
        wall_s = _one_batch(options.calls, options.seconds)
        peak_rss_mb = _peak_rss_mb()
    finally:
        scratch.stop(process)
    return {
        "bench": "inflight",
        "database": connection.vendor,
        "calls": options.calls,
        "seconds": options.seconds,
        "wall_s": round(wall_s, 2),
        "peak_rss_mb": peak_rss_mb,
    }


def _one_batch(calls: int, seconds: float) -> float:
    """Seconds from the submission of the first call to the stored outcome of the last."""
    began = time.monotonic()
    first = engine.start_many("sleepers", [({"seconds": seconds}, NOTHING)] * calls, by=load.BENCH)[0].pk
    mine = Run.objects.filter(pk__gte=first)
    while mine.exclude(status__in=RUN_ENDS).exists():
        if time.monotonic() - began > LONGEST_S:
            raise CommandError(f"The calls did not end within {LONGEST_S:.0f} s; something is stuck.")
        time.sleep(POLL_S)
    wall_s = time.monotonic() - began
    if (failed := mine.exclude(status=RunStatus.SUCCEEDED).count()) or mine.count() != calls:
        raise CommandError(f"Of {calls} calls {failed} did not succeed.")
    return wall_s


def _peak_rss_mb() -> float:
    """The most memory that the executor ever had, by the kernel's own account."""
    (pid,) = Pulse.objects.filter(name__startswith="executor:").values_list("detail__pid", flat=True)
    status = Path(f"/proc/{pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(peak.split()[1]) / KB, 1)
