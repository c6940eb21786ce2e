"""``bench chaos``: processes are killed while runs go on; nothing may be lost, stuck or done twice."""

import os
import random
import secrets
import signal
import time
from argparse import ArgumentParser, Namespace
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

from orchestra.bench import load, scratch
from orchestra.kernel.events import NOTHING
from orchestra.kernel.models import Event, Pulse
from orchestra.kernel.verification import verify
from workflows import engine
from workflows.models import RUN_ENDS, Run

STEPS = 4
SETTLE_S = 60.0
KILL_EVERY_S = (1.0, 3.0)
FEED = 10


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--executors", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")


def run(options: Namespace) -> dict[str, Any]:
    seed = options.seed or secrets.randbelow(1 << 31) + 1
    marks = Path(settings.DATA_DIR) / "marks"
    marks.touch()
    os.environ[load.MARKS] = str(marks)
    load.fleet_of("bench.mark", "mark", slots=8)
    load.workflow_of("chaos", "mark", STEPS, input={"run": "run"}, effects=True)
    started = time.monotonic()
    havoc = _Havoc(options.executors, random.Random(seed))  # noqa: S311  repeatable on purpose
    try:
        _run_through(options, havoc)
    finally:
        havoc.end()
    if not verify().valid:
        raise CommandError("The audit trail does not verify after the kills.")
    return {
        "bench": "chaos",
        "database": connection.vendor,
        "runs": options.runs,
        **_judge(options, marks),
        "kills": sum(havoc.kills.values()),
        "victims": dict(havoc.kills),
        "seed": seed,
        "seconds": round(time.monotonic() - started, 1),
    }


def _run_through(options: Namespace, havoc: "_Havoc") -> None:
    """Start all runs over the time of the kills, then give what is open a minute to end."""
    begun = 0
    while begun < options.runs or sum(havoc.kills.values()) < options.kills:
        if begun < options.runs:
            due = options.runs * (sum(havoc.kills.values()) + 1) // max(options.kills, 1)
            count = min(max(FEED, (due - begun) // 4), options.runs - begun)
            engine.start_many("chaos", [({"run": begun + n}, NOTHING) for n in range(count)], by=load.BENCH)
            begun += count
        if sum(havoc.kills.values()) < options.kills:
            havoc.strike_if_due()
        havoc.keep_up()
        time.sleep(0.2)
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until and Run.objects.exclude(status__in=RUN_ENDS).exists():
        havoc.keep_up()
        time.sleep(0.2)


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
    stuck = Run.objects.exclude(status__in=RUN_ENDS).count()
    ends = Counter(
        Event.objects.filter(action__in=["RunSucceeded", "RunFailed", "RunCancelled"]).values_list(
            "target_id", flat=True
        )
    )
    steps = Counter(Event.objects.filter(action="StepSucceeded").values_list("target_id", flat=True))
    succeeded = Run.objects.filter(status="succeeded")
    lost = (
        sum(
            any((str(input_["run"]), str(step)) not in keys for step in range(1, STEPS + 1))
            for input_ in succeeded.values_list("input", flat=True).iterator()
        )
        + Run.objects.filter(status__in=RUN_ENDS).exclude(status="succeeded").count()
    )
    doubled = sum(len(found) > 1 for found in keys.values())
    doubled += sum(count > 1 for count in (*ends.values(), *steps.values()))
    lost += options.runs - Run.objects.count()
    return {"lost": lost, "stuck": stuck, "doubled": doubled, "repeats": sum(calls.values()) - len(calls)}


class _Havoc:
    """The worker processes, and a hand that kills one of them every now and then."""

    def __init__(self, executors: int, chance: random.Random) -> None:
        self.executors = executors
        self.chance = chance
        self.kills: Counter[str] = Counter()
        self.supervisor = scratch.workers(executors)
        self._next = time.monotonic() + 1

    def strike_if_due(self) -> None:
        if time.monotonic() < self._next:
            return
        victims = self._victims()
        if "executor" not in victims:
            return  # still healing from the last one: the next strike meets a whole tree
        self._next = time.monotonic() + self.chance.uniform(*KILL_EVERY_S)
        kind = self.chance.choice(sorted(victims))
        try:
            os.kill(self.chance.choice(victims[kind]), signal.SIGKILL)
        except ProcessLookupError:
            return
        self.kills[kind] += 1

    def keep_up(self) -> None:
        """Start the supervisor anew where it was killed, as a service manager does."""
        if self.supervisor.poll() is not None:
            self.supervisor = scratch.start_workers(self.executors)

    def end(self) -> None:
        scratch.stop(self.supervisor)

    def _victims(self) -> dict[str, list[int]]:
        """Process ids by what they are: told by the titles that the clusters give themselves, and by heartbeats."""
        beating = {
            detail["pid"]
            for detail in Pulse.objects.filter(name__startswith="executor:").values_list("detail", flat=True)
        }
        found: dict[str, list[int]] = defaultdict(list)
        try:
            family = psutil.Process(self.supervisor.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return {}
        found["supervisor"].append(self.supervisor.pid)
        for process in family:
            try:
                found[_kind(process, beating)].append(process.pid)
            except psutil.NoSuchProcess:
                continue
        return {kind: pids for kind, pids in found.items() if kind}


def _kind(process: psutil.Process, executors: set[int]) -> str:
    if process.pid in executors:
        return "executor"
    title = " ".join(process.cmdline())
    for word, kind in (("pusher", "pusher"), ("monitor", "monitor"), ("idle", "idle worker")):
        if title.startswith("qcluster") and word in title:
            return kind
    parent = process.parent()
    if title.startswith("qcluster") and parent is not None and " ".join(parent.cmdline()).startswith("qcluster"):
        return "sentinel"
    return "cluster" if title.startswith("qcluster") else ""
