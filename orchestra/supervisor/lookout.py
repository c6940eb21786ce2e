"""Watches the clusters through the database, in a thread of its own: it may hang with the database, the tree may not.

It keeps as many executors as there should be by messages, has the main cluster show life by pings, and reports a
cluster that shows none.
"""

import logging
import os
import threading
import time
from collections.abc import Iterable
from queue import SimpleQueue
from typing import NamedTuple, Protocol

from django.db import connection

from orchestra.kernel import jobs, pulses
from orchestra.supervisor.child import Child

LOOK_S = 1.0
PING_S = 10.0
MAIN_SILENT_S = 75.0  # more than the 60 s that one of its jobs may take
BEATS_WITHIN_S = 30.0  # an executor beats every 5 s
ARRIVES_WITHIN_S = 5.0  # from a message to the first beat; after that another message is sent
EXECUTORS_SILENT_S = 20.0
RUN_EXECUTOR = "workflows.jobs.run_executor"

log = logging.getLogger("orchestra.supervisor")


class Cluster(Protocol):
    """A cluster and what is known of its life. ``sign_at`` is when it last showed any, by the monotonic clock."""

    child: Child
    sign_at: float

    @property
    def patience_s(self) -> float: ...

    def look(self, now: float) -> None: ...


class MainCluster:
    """Shows life by working: any job that begins or ends is a sign, and a ping is sent where none waits."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.sign_at = 0.0
        self.patience_s = MAIN_SILENT_S
        self._last_beat: object = None
        self._looked_at = 0.0

    def look(self, now: float) -> None:
        if now < self._looked_at + PING_S and self._looked_at > self.child.started_at:
            return
        self._looked_at = now
        if jobs.waiting("main") == 0:
            jobs.enqueue(jobs.PING)
        beat = pulses.last_beat(pulses.MAIN)
        if beat != self._last_beat:
            self._last_beat, self.sign_at = beat, now


class ExecutorCluster:
    """Shows life by its executors' heartbeats; where one is missing, a message makes a worker become one."""

    def __init__(self, child: Child, *, wanted: int) -> None:
        self.child = child
        self.sign_at = 0.0
        self.at_work: frozenset[int] = frozenset()
        self._wanted = wanted
        self._sent_at: list[float] = []

    @property
    def patience_s(self) -> float:
        """Longer after each start in vain: on a slow machine the next one may succeed."""
        return EXECUTORS_SILENT_S * (1 + self.child.failures)

    def look(self, now: float) -> None:
        at_work = self._find()
        arrived = len(at_work - self.at_work)
        self.at_work = at_work
        if arrived or len(at_work) >= self._wanted:
            self.sign_at = now
        self._sent_at = [at for at in self._sent_at if at > now - ARRIVES_WITHIN_S][arrived:]
        if self.child.group:
            self._send_for_missing(now)

    def _find(self) -> frozenset[int]:
        """The processes of this cluster that beat. Other trees of this host may use the same database."""
        names = pulses.alive(f"{pulses.EXECUTOR}:{pulses.HOST}:", within_s=BEATS_WITHIN_S)
        pids = (int(name.rpartition(":")[2]) for name in names.values_list("name", flat=True))
        return frozenset(pid for pid in pids if _group_of(pid) == self.child.group)

    def _send_for_missing(self, now: float) -> None:
        missing = self._wanted - len(self.at_work) - len(self._sent_at)
        if missing > 0:
            missing -= jobs.waiting("executors")
        for _ in range(missing):
            jobs.enqueue(RUN_EXECUTOR, cluster="executors")
            self._sent_at.append(now)


class Complaint(NamedTuple):
    """A cluster to be started anew, and why: ``reason`` completes its name to a sentence."""

    child: Child
    reason: str


class Lookout(threading.Thread):
    """Looks at every cluster each second and complains of those that show no life.

    ``is_blind`` while the database or the broker does not answer.
    """

    def __init__(self, clusters: Iterable[Cluster]) -> None:
        super().__init__(name="lookout", daemon=True)
        self.complaints: SimpleQueue[Complaint] = SimpleQueue()
        self._clusters = list(clusters)
        self.is_blind = False
        self._resting = threading.Event()

    def run(self) -> None:
        while not self._resting.wait(LOOK_S):
            self.look(time.monotonic())

    def rest(self) -> None:
        """Look no more: the tree is stopping."""
        self._resting.set()

    def look(self, now: float) -> None:
        """One look. Without the database nothing can be said of the clusters, so silence counts from its return."""
        try:
            for cluster in self._clusters:
                cluster.look(now)
        except jobs.OUTAGES as error:
            self._go_blind(error)
            return
        if self.is_blind:
            self._see_again(now)
        for cluster in self._clusters:
            self._judge(cluster, now)

    def _judge(self, cluster: Cluster, now: float) -> None:
        silent_s = now - max(cluster.sign_at, cluster.child.started_at)
        if cluster.child.group and silent_s > cluster.patience_s:
            cluster.sign_at = now
            self.complaints.put(Complaint(cluster.child, f"showed no life for {silent_s:.0f} s"))

    def _go_blind(self, error: Exception) -> None:
        if not self.is_blind:
            log.warning("The database or the broker does not answer; the tree goes on and looks each second: %s", error)
        self.is_blind = True
        connection.close()

    def _see_again(self, now: float) -> None:
        log.info("The database and the broker answer again.")
        self.is_blind = False
        for cluster in self._clusters:
            cluster.sign_at = now


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0
