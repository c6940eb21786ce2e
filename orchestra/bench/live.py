"""``bench live``: how soon open pages hear of what happens, and how old what they show is, under many events."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client

from orchestra.bench import history, load, scratch
from orchestra.bench.browsers import Browser, Region, Seen, browse_all
from orchestra.bench.figures import percentile
from orchestra.kernel import accounts
from orchestra.kernel.models import Role
from workflows.models import Run

RUNS = 300
PEOPLE = 20
SETTLE_S = 5.0
"""Events stop, and browsers have this time to hear and fetch the last of them."""
SAMPLED_S = 0.25


@dataclass(frozen=True, slots=True)
class Written:
    """Events up to number ``last`` were committed at ``at``; ``topics`` are what they changed."""

    at: float
    last: int
    topics: frozenset[str]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rate", type=int, default=500, help="events a second")
    parser.add_argument("--seconds", type=float, default=30.0)


def run(options: Namespace) -> dict[str, Any]:
    load.fleet_of("bench.noop", "noop")
    history.runs(RUNS, load.workflow_of("bench", "noop", 1))
    keys = _sign_in(PEOPLE)
    paths = _paths()
    with scratch.web() as host:
        browsers = [Browser(host, keys[n % PEOPLE], paths[n % len(paths)]) for n in range(options.clients)]
        work, written = asyncio.Event(), list[Written]()
        thread = threading.Thread(target=_write, args=(options, work, written))
        thread.start()
        seen = asyncio.run(browse_all(browsers, work))
        thread.join()
    return _figures(options, seen, written)


def _sign_in(people: int) -> list[str]:
    keys = []
    for number in range(people):
        user = accounts.create_user(load.BENCH, username=f"reader-{number}", role=Role.OPERATOR, password="")
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        keys.append(str(client.session.session_key))
    return keys


def _paths() -> list[str]:
    """Where people have their pages open: the first page, the list of runs, a run, the agents."""
    run_pk = Run.objects.order_by("-pk").values_list("pk", flat=True)[0]
    return ["/", "/runs/", f"/runs/{run_pk}/", "/agents/"]


def _write(options: Namespace, work: asyncio.Event, written: list[Written]) -> None:
    """Have the writer's process make events once all pages are open; in a thread of its own."""
    while not work.is_set():
        time.sleep(0.05)
    try:
        command = ["manage.py", "bench", "live-writes", f"--rate={options.rate}", f"--seconds={options.seconds}"]
        with subprocess.Popen([sys.executable, *command], cwd=settings.BASE_DIR, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            written.extend(_read(line) for line in process.stdout)
        time.sleep(SETTLE_S)
    finally:
        work.clear()


def _read(line: bytes) -> Written:
    said = json.loads(line)
    about = {topic for pk in said["runs"] for topic in (f"run:{pk}", f"step:{pk}.1")}
    return Written(said["at"], said["last"], frozenset({"events", "run", "step", *about}))


def _figures(options: Namespace, seen: Sequence[Seen], written: Sequence[Written]) -> dict[str, Any]:
    if not written:
        raise CommandError("The writer made no events; the lines above say why.")
    hints_ms: list[float] = []
    lost = 0
    for one in seen:
        for late_ms in _hints(one, written):
            if late_ms is None:
                lost += 1
            else:
                hints_ms.append(late_ms)
    stale_ms = [ms for one in seen for region in one.regions for ms in _stale(one, region, written)]
    return {
        "bench": "live",
        "database": connection.vendor,
        "clients": options.clients,
        "rate": round((written[-1].last - written[0].last) / max(0.1, written[-1].at - written[0].at)),
        "seconds": options.seconds,
        "p50_ms": percentile(hints_ms, 50),
        "p95_ms": percentile(hints_ms, 95),
        "stale_p95_ms": percentile(stale_ms, 95),
        "lost": lost,
        "fetches_per_s": round(sum(len(one.fetches) for one in seen) / options.seconds, 1),
        "refused": sum(one.refused for one in seen),
        "closed_early": sum(one.closed > 1 for one in seen),
    }


def _hints(one: Seen, written: Sequence[Written]) -> Iterator[float | None]:
    """For each commit that changed what the page shows: after how many ms it heard of it; None: never."""
    for region_topics in {region.topics for region in one.regions}:
        frames = [(at, number) for at, number, topics in one.frames if not topics or _meets(region_topics, topics)]
        numbers = [number for _, number in frames]
        for unit in written:
            if _meets(region_topics, unit.topics):
                index = bisect_left(numbers, unit.last)
                yield max(0.0, frames[index][0] - unit.at) * 1000 if index < len(frames) else None


def _stale(one: Seen, region: Region, written: Sequence[Written]) -> Iterator[float]:
    """How old the first change is that the region does not show, looked at four times a second; 0: it shows all."""
    changes = [unit.at for unit in written if _meets(region.topics, unit.topics)]
    if not changes:
        return
    fetches = [(ended, began) for began, ended, regions in one.fetches if region.id in regions]
    ends = [ended for ended, _ in fetches]
    at = written[0].at
    while at < written[-1].at:
        done = bisect_right(ends, at)
        shown = fetches[done - 1][1] if done else 0.0
        first = bisect_right(changes, shown)
        yield max(0.0, at - changes[first]) * 1000 if first < len(changes) else 0.0
        at += SAMPLED_S


def _meets(wanted: frozenset[str], changed: frozenset[str]) -> bool:
    return not wanted.isdisjoint(changed)
