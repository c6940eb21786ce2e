"""``bench chaos``: processes are killed while runs go on; nothing may be lost, stuck or done twice.

The database may be restarted and Redis emptied in the middle as well.
"""

import os
import random
import secrets
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError, connection

from orchestra.bench import load
from orchestra.bench.havoc import Havoc, patiently
from orchestra.kernel.events import NOTHING
from orchestra.kernel.models import Event
from orchestra.kernel.verification import verify
from workflows import engine
from workflows.models import RUN_ENDS, Run

STEPS = 4
SETTLE_S = 60.0
PORTIONS = 10
"""Of the runs due before the next kill so many parts, one every fifth of a second: each kill meets some at work."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--executors", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument(
        "--restart-database",
        default="",
        metavar="COMMAND",
        help="in the middle run this, for example 'pg_ctlcluster 15 main restart -m immediate'; default: nothing",
    )
    parser.add_argument("--flush-redis", action="store_true", help="in the middle empty the benchmark's own Redis")


def run(options: Namespace) -> dict[str, Any]:
    _refuse_what_cannot_be(options)
    seed = options.seed or secrets.randbelow(1 << 31) + 1
    marks = Path(settings.DATA_DIR) / "marks"
    marks.touch()
    os.environ[load.MARKS] = str(marks)
    load.fleet_of("bench.mark", "mark", slots=8)
    undone = {"capabilities": ["mark"]}  # asked for of a step with effects; never called here
    load.workflow_of("chaos", "mark", STEPS, input={"run": "run"}, effects=True, compensate=undone)
    started = time.monotonic()
    havoc = Havoc(options, random.Random(seed))  # noqa: S311  repeatable on purpose
    try:
        settle_s = _run_through(options, havoc)
    finally:
        havoc.end()
    if not verify().valid:
        raise CommandError("The audit trail does not verify after the kills.")
    return {
        "bench": "chaos",
        "database": connection.vendor,
        "redis": bool(settings.REDIS_URL),
        "runs": options.runs,
        **_judge(options, marks),
        "kills": havoc.kills.total(),
        "victims": dict(havoc.kills),
        "restarts": int("restart" in havoc.outages),
        "flushes": int("flush" in havoc.outages),
        **{f"next_end_after_{name}_s": _next_end_after(at) for name, at in havoc.outages.items()},
        "settle_s": settle_s,
        "seed": seed,
        "seconds": round(time.monotonic() - started, 1),
    }


def _refuse_what_cannot_be(options: Namespace) -> None:
    if options.restart_database and connection.vendor != "postgresql":
        raise CommandError("--restart-database needs PostgreSQL: SQLite has no server. Set DATABASE_URL.")
    if options.flush_redis and not settings.REDIS_URL:
        raise CommandError("--flush-redis needs Redis: set REDIS_URL.")


def _run_through(options: Namespace, havoc: Havoc) -> float:
    """Start all runs over the time of the havoc, then give what is open a minute to end; how long that took."""
    begun = 0
    while begun < options.runs or not havoc.is_over:
        if begun < options.runs:
            due = min(options.runs, options.runs * (havoc.kills.total() + 1) // max(options.kills, 1))
            begun = _begin(begun, -(-(due - begun) // PORTIONS))
        havoc.go_on(begun)
        time.sleep(0.2)
    began_at = time.monotonic()
    while time.monotonic() < began_at + SETTLE_S and patiently(_open_runs().exists):
        havoc.keep_up()
        time.sleep(0.2)
    return round(time.monotonic() - began_at, 1)


def _begin(begun: int, count: int) -> int:
    """Start this many runs; how many have been accepted by now.

    A connection that breaks at the commit leaves open whether it counted: then the database is asked.
    """
    rows = [({"run": begun + n}, NOTHING) for n in range(count)]
    if not rows:
        return begun
    try:
        engine.start_many("chaos", rows, by=load.BENCH)
    except (OperationalError, InterfaceError):
        connection.close()
        return patiently(Run.objects.count)
    return begun + count


def _open_runs() -> Any:
    return Run.objects.exclude(status__in=RUN_ENDS)


def _next_end_after(moment: datetime) -> float | None:
    """Seconds from an outage to the next run that ended."""
    at = Run.objects.filter(finished_at__gt=moment).order_by("finished_at").values_list("finished_at", flat=True)
    return round((found - moment).total_seconds(), 2) if (found := at.first()) else None


def _judge(options: Namespace, marks: Path) -> dict[str, int]:
    """Lost: runs that did not succeed, or did so without a call of theirs. Stuck: runs that did not end.

    Doubled: two keys for one step, or two events of one end. Repeats: calls made again, which their key makes harmless.
    """
    keys: dict[tuple[str, str], set[str]] = defaultdict(set)
    calls = Counter[tuple[str, str]]()
    for line in marks.read_text().splitlines():
        run_number, step, key, _ = line.split()
        keys[run_number, step].add(key)
        calls[run_number, step] += 1
    ended = Run.objects.filter(status__in=RUN_ENDS)
    failed = [f"run {run.pk} {run.status}: {run.error}" for run in ended.exclude(status="succeeded")]
    uncalled = [
        f"run {pk} succeeded without the call of step {step}"
        for pk, input_ in ended.filter(status="succeeded").values_list("pk", "input").iterator()
        for step in range(1, STEPS + 1)
        if (str(input_["run"]), str(step)) not in keys
    ]
    missing = [f"{count} runs are not there"] if (count := options.runs - Run.objects.count()) else []
    stuck = [f"run {run.pk} is {run.status}" for run in _open_runs()]
    doubled = [
        f"step {step} of run {number} was called under two keys" for (number, step), k in keys.items() if len(k) > 1
    ]
    doubled += _told_twice("RunSucceeded", "RunFailed", "RunCancelled") + _told_twice("StepSucceeded")
    for sentence in (*failed, *uncalled, *missing, *stuck, *doubled):
        print(sentence, file=sys.stderr)
    return {
        "lost": len(failed) + len(uncalled) + max(count, len(missing)),
        "stuck": len(stuck),
        "doubled": len(doubled),
        "repeats": calls.total() - len(calls),
    }


def _told_twice(*actions: str) -> list[str]:
    ends = Counter(Event.objects.filter(action__in=actions).values_list("target_id", flat=True))
    return [f"{actions[0]} is told {count} times of {target}" for target, count in ends.items() if count > 1]
