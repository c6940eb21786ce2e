"""The tree: web, the main cluster and the executors' cluster, kept running until it is told to stop."""

import logging
import os
import signal
import socket
import time
from contextlib import suppress

from django.conf import settings
from setproctitle import setproctitle

from orchestra.supervisor.child import Child
from orchestra.supervisor.lookout import ExecutorCluster, Lookout, MainCluster
from orchestra.supervisor.members import busy_members_of, members_of
from orchestra.supervisor.signals import Signals

TEND_S = 1.0
WEB_FIRST_S = 1.0  # somebody waits for the pages; the workers share the processor with them no sooner
STOP_POLL_S = 0.1
STOP_S = 12.0  # executors release what they hold within 10 s
REPLACE_S = 3.0  # for what else the cluster does, when one of its processes was lost
INSIST_AFTER_S = 1.0  # sooner, it is the same wish: make and a terminal's group pass one signal on twice
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = logging.getLogger("orchestra.supervisor")


class Tree:
    """Started by :meth:`run`, which returns when everything has ended. Without ``listener`` it has workers only."""

    def __init__(self, *, executors: int, listener: socket.socket | None = None) -> None:
        delay_s = WEB_FIRST_S if listener else 0
        self._listener = listener
        self._main = _cluster("main", delay_s)
        self._main_members: frozenset[int] = frozenset()
        crowd = {"Q_CLUSTER_NAME": settings.EXECUTORS_QUEUE, "ORCHESTRA_EXECUTORS": str(executors)}
        self._crowd = _cluster("executors", delay_s, **crowd)
        self._clusters = [self._crowd, self._main]
        self._children = [*([_web(listener)] if listener else []), *self._clusters]
        self._lookout = Lookout([ExecutorCluster(self._crowd, wanted=executors), MainCluster(self._main)])

    def run(self) -> None:
        """Keep the children running until SIGTERM, SIGINT or SIGHUP. Call it from the main thread."""
        setproctitle("orchestra supervisor")
        with Signals(signal.SIGCHLD, *STOP_SIGNALS) as signals:
            self._tend()
            self._lookout.start()
            while not signals.wait(TEND_S).intersection(STOP_SIGNALS):
                self._tend()
            self._stop(signals)

    def _tend(self) -> None:
        while not self._lookout.complaints.empty():
            complaint = self._lookout.complaints.get()
            if complaint.child is self._crowd:
                self._tell_executors()
            complaint.child.replace(complaint.reason, within_s=REPLACE_S)
        self._look_for_losses()
        for child in self._children:
            if child.group or child not in self._clusters or not self._lookout.is_blind:
                child.tend()  # a cluster cannot start without the database

    def _look_for_losses(self) -> None:
        """Whatever of the main cluster was killed may have held its queue's lock; nothing would ever run again."""
        members = members_of(self._main.group) if self._main.group else frozenset()
        lost = self._main_members - members
        self._main_members = members
        if lost and members and not self._lookout.is_blind:
            self._main.replace(f"lost its process {min(lost)}", within_s=REPLACE_S)

    def _stop(self, signals: Signals) -> None:
        told_at = time.monotonic()
        log.info("Stopping; what is at work has %d s to come to an end.", STOP_S)
        if self._listener:
            self._listener.close()
        self._lookout.rest()
        self._dismiss(within_s=STOP_S)
        while any(child.group for child in self._children):
            if not self._tell_executors():
                self._crowd.dismiss(within_s=0)
            for child in self._children:
                child.tend()
            told_again = signals.wait(STOP_POLL_S).intersection(STOP_SIGNALS)
            if told_again and time.monotonic() - told_at >= INSIST_AFTER_S:
                log.warning("Told to stop again: what is left is killed.")
                self._dismiss(within_s=0)
        log.info("Everything has stopped.")

    def _dismiss(self, *, within_s: float) -> None:
        for child in self._children:
            child.dismiss(within_s=within_s)

    def _tell_executors(self) -> bool:
        """Ask those at work to release what they hold and return; whether there are any. Telling twice is harmless."""
        busy = busy_members_of(self._crowd.group) if self._crowd.group else frozenset()
        for pid in busy:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        return bool(busy)


def _web(listener: socket.socket) -> Child:
    """Daphne on the tree's own socket: while it starts anew, connections wait instead of being refused."""
    descriptor = listener.fileno()
    command = ["daphne", "--fd", str(descriptor), "--verbosity", "0", "--no-server-name", "orchestra.asgi:application"]
    return Child("web", command, environment={"ORCHESTRA_PROCESS": "web"}, descriptors=[descriptor])


def _cluster(name: str, delay_s: float, **environment: str) -> Child:
    common = {"ORCHESTRA_PROCESS": "worker", "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]}
    return Child(name, ["django", "qcluster"], environment=common | environment, delay_s=delay_s)
