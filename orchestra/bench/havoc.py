"""What ``bench chaos`` does to the processes, the database and Redis while runs go on."""

import os
import random
import shlex
import signal
import subprocess
import time
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import psutil
from django.conf import settings
from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from orchestra.bench import scratch
from orchestra.kernel.models import Pulse

KILL_EVERY_S = (1.0, 3.0)
START_AGAIN_S = 2.0  # as the service manager of docs/deployment.md does
AWAY_S = 60.0
FLUSH_AT, RESTART_AT = 0.35, 0.5  # of the way through

T = TypeVar("T")


def patiently(ask: Callable[[], T]) -> T:
    """Ask the database, and ask again while it is away. For what may be asked twice."""
    until = time.monotonic() + AWAY_S
    while True:
        try:
            return ask()
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


class Havoc:
    """The worker processes, a hand that kills one of them every now and then, and outages in the middle."""

    def __init__(self, options: Namespace, chance: random.Random) -> None:
        self.kills: Counter[str] = Counter()
        self.outages: dict[str, datetime] = {}
        self._options = options
        self._chance = chance
        self._supervisor = scratch.workers(options.executors)
        self._started_at = self._struck_at = time.monotonic()
        self._pause_s = 1.0

    @property
    def is_over(self) -> bool:
        """Whether everything that was asked for has been done."""
        return self.kills.total() >= self._options.kills and not self._due(1.0)

    def go_on(self, begun: int) -> None:
        """Do what is due, and start the supervisor anew where it was killed."""
        kills = self._options.kills
        for outage in self._due(self.kills.total() / kills if kills else begun / self._options.runs):
            outage()
        if self.kills.total() < kills and time.monotonic() > self._struck_at + self._pause_s:
            self._strike()
        self.keep_up()

    def keep_up(self) -> None:
        """Start the supervisor anew where it has ended, as a service manager does."""
        if self._supervisor.poll() is not None and time.monotonic() > self._started_at + START_AGAIN_S:
            self._supervisor = scratch.start_workers(self._options.executors)
            self._started_at = time.monotonic()

    def end(self) -> None:
        scratch.stop(self._supervisor)

    def _due(self, progress: float) -> list[Callable[[], None]]:
        due: list[Callable[[], None]] = []
        if self._options.flush_redis and progress >= FLUSH_AT and "flush" not in self.outages:
            due.append(self._flush_redis)
        if self._options.restart_database and progress >= RESTART_AT and "restart" not in self.outages:
            due.append(self._restart_database)
        return due

    def _flush_redis(self) -> None:
        scratch.flush_redis(settings.REDIS_URL)
        self.outages["flush"] = timezone.now()

    def _restart_database(self) -> None:
        command = shlex.split(self._options.restart_database)
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        except OSError as error:
            raise CommandError(f"The command that restarts the database cannot be run: {error}") from error
        if done.returncode:
            raise CommandError(f"The command that restarts the database failed: {done.stderr or done.stdout}")
        self.outages["restart"] = timezone.now()
        connection.close()

    def _strike(self) -> None:
        victims = patiently(self._victims)
        if "executor" not in victims:
            return  # still healing from the last one: the next strike meets a whole tree
        self._struck_at, self._pause_s = time.monotonic(), self._chance.uniform(*KILL_EVERY_S)
        kind = self._chance.choice(sorted(victims))
        try:
            os.kill(self._chance.choice(victims[kind]), signal.SIGKILL)
        except ProcessLookupError:
            return
        self.kills[kind] += 1

    def _victims(self) -> dict[str, list[int]]:
        """Process ids by what they are: told by the titles that the clusters give themselves, and by heartbeats."""
        beating = {
            detail["pid"]
            for detail in Pulse.objects.filter(name__startswith="executor:").values_list("detail", flat=True)
        }
        found: dict[str, list[int]] = defaultdict(list)
        try:
            family = psutil.Process(self._supervisor.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return {}
        found["supervisor"].append(self._supervisor.pid)
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
