"""`manage.py up` on a folder and a database of its own, seen from outside: processes, pages, signs of life."""

import http.client
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.processes import lives

ROOT = Path(__file__).resolve().parents[2]
START_S = 60
TITLES = {"worker": "idle", "executor": "processing", "pusher": "pusher", "monitor": "monitor"}


def manage(folder: Path, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """A management command on the SQLite database of ``folder``."""
    environment = os.environ | {"DATA_DIR": str(folder), "DATABASE_URL": "", "REDIS_URL": "", "LOG_LEVEL": "INFO"}
    return subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, **options)


def wait_until(claim: Callable[[], object], within_s: float) -> None:
    until = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < until, f"{claim} did not come true within {within_s} s"
        time.sleep(0.1)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


class RunningTree:
    """Started when made; call :meth:`end` at last. ``folder`` holds a migrated database."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._log = folder / "log.txt"
        with self._log.open("w") as log:
            self.supervisor = manage(folder, "up", "--port", str(self.port), stdout=log, stderr=log)
        self._seen: set[psutil.Process] = set()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def answers(self, path: str) -> bool:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection, suppress(OSError):
            connection.request("GET", path)
            return connection.getresponse().status == 200
        return False

    def is_ready(self) -> bool:
        """Whether pages, main cluster and executors are at work."""
        return self.supervisor.poll() is None and self.answers("/readyz")

    def process(self, path: str) -> psutil.Process:
        """``web``, ``main``, ``executors``: what the supervisor started last; ``main/pusher`` and so on: its forks."""
        name, _, role = path.partition("/")
        leader = psutil.Process(int(re.findall(rf"\b{name} started \(process (\d+)\)", self.log)[-1]))
        if not role:
            return leader
        [sentinel] = leader.children()
        return sentinel if role == "sentinel" else next(p for p in sentinel.children() if _role_of(p) == role)

    def beats(self, pattern: str) -> set[tuple[str, str]]:
        """The pulses like ``pattern`` as (name, time)."""
        with closing(sqlite3.connect(self.folder / "orchestra.sqlite3")) as database:
            return set(database.execute("SELECT name, beat_at FROM kernel_pulse WHERE name LIKE ?", [pattern]))

    def look(self) -> None:
        """Remember the processes there are, for :meth:`is_gone`."""
        supervisor = psutil.Process(self.supervisor.pid)
        self._seen |= {supervisor, *supervisor.children(recursive=True)}

    def is_gone(self) -> bool:
        """Whether none of the processes that were looked at is left."""
        return len(self._seen) > 10 and not any(map(lives, self._seen))

    def end(self) -> None:
        self.supervisor.kill()
        self.supervisor.wait()


def _role_of(process: psutil.Process) -> str:
    words = " ".join(process.cmdline()).split()[2:3]  # after "qcluster Process-…"
    return next((role for role, title in TITLES.items() if [title] == words), "")
