"""`manage.py worker` on two hosts: two trees with folders of their own share one PostgreSQL and one Redis."""

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.db import connection

from orchestra.bench import load
from orchestra.kernel.events import NOTHING
from orchestra.kernel.models import Event, Pulse
from tests.orchestra.running_tree import ROOT, START_S, wait_until
from workflows import engine
from workflows.models import Run, RunStatus, Step

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="hosts share no SQLite: needs PostgreSQL"),
]
BATCH = 20
HEAL_S = 90


def database_url() -> str:
    """The test's database as DATABASE_URL."""
    known = connection.settings_dict
    return f"postgresql://{known['USER']}:{known['PASSWORD']}@{known['HOST']}:{known['PORT']}/{known['NAME']}"


class WorkerTree:
    """What another host runs, on a folder of its own."""

    def __init__(self, folder: Path, marks: Path) -> None:
        environment = {
            "DATA_DIR": str(folder),
            "DATABASE_URL": database_url(),
            "REDIS_URL": settings.REDIS_URL,
            "LEASE_S": "6",
            "DJANGO_SETTINGS_MODULE": "tests.orchestra.tree_settings",
            load.MARKS: str(marks),
            "LOG_LEVEL": "ERROR",
        }
        command = [sys.executable, "manage.py", "worker", "--executors", "1"]
        self.supervisor = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL)

    def executor(self) -> str:
        """The name of its executor, as steps bear it; empty while there is none."""
        with suppress(psutil.NoSuchProcess):
            pids = {process.pid for process in psutil.Process(self.supervisor.pid).children(recursive=True)}
            for name in Pulse.objects.filter(name__startswith="executor:").values_list("name", flat=True):
                if int(name.rpartition(":")[2]) in pids:
                    return str(name)
        return ""

    def end(self) -> None:
        """Kill it, and wait for its processes, which die with it."""
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.supervisor.pid).children(recursive=True)
            self.supervisor.kill()
            psutil.wait_procs(family, timeout=10)
        self.supervisor.wait()


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """Where the agents leave their keys."""
    path = tmp_path / "marks"
    path.touch()
    return path


@pytest.fixture
def hosts(tmp_path: Path, marks: Path) -> Iterator[tuple[WorkerTree, WorkerTree]]:
    load.fleet_of("bench.mark", "mark", slots=4)
    load.workflow_of("shared", "mark", 2, input={"run": "run"})
    folders = [tmp_path / name for name in ("here", "there")]
    for folder in folders:
        folder.mkdir()
    trees = (WorkerTree(folders[0], marks), WorkerTree(folders[1], marks))
    try:
        wait_until(lambda: all(tree.executor() for tree in trees), START_S)
        yield trees
    finally:
        for tree in trees:
            tree.end()


def begin(count: int) -> None:
    first = Run.objects.count()
    engine.start_many("shared", [({"run": first + n}, NOTHING) for n in range(count)], by=load.BENCH)


def begin_until_both_work(*trees: WorkerTree) -> None:
    """Give the hosts work until each has been seen at it."""
    names = {tree.executor() for tree in trees}
    seen: set[str] = set()
    until = time.monotonic() + HEAL_S
    while names - seen:
        assert time.monotonic() < until, "one of the hosts takes no work"
        begin(BATCH)
        for _ in range(15):
            held = Step.objects.exclude(executor="").values_list("executor", flat=True).distinct()
            seen |= {name.rpartition(":")[0] for name in held}
            time.sleep(0.02)


def test_both_hosts_work_and_when_one_dies_the_other_ends_it_all(hosts, marks):
    survivor, victim = hosts
    begin_until_both_work(survivor, victim)
    begin(BATCH)
    victim.supervisor.kill()
    begin(BATCH)

    wait_until(lambda: not Run.objects.exclude(status=RunStatus.SUCCEEDED).exists(), HEAL_S)

    keys = defaultdict(set)
    for run, step, key, _ in map(str.split, marks.read_text().splitlines()):
        keys[run, step].add(key)
    assert len(keys) == 2 * Run.objects.count()
    assert all(len(found) == 1 for found in keys.values())
    assert Event.objects.filter(action="StepSucceeded").count() == Step.objects.count() == len(keys)


def test_each_host_asks_for_its_own_executor(hosts):
    """A message for one host that another fetched would lie there while the first lacks an executor."""
    here, there = hosts
    unharmed, before = here.executor(), there.executor()
    psutil.Process(int(before.rpartition(":")[2])).kill()

    wait_until(lambda: there.executor() not in {"", before}, HEAL_S)
    assert here.executor() == unharmed
