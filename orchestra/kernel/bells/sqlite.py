"""Hears commits of a SQLite database: sleeps until its write-ahead log is written to, then asks for its version."""

import sqlite3
import time
from pathlib import Path

from django.db import connection

from orchestra.kernel.bells.filewatch import FileWatch

SETTLE_S = 0.0005  # a commit becomes visible a moment after its last write: look again, each time after twice as long
POLL_S = 0.02  # where the system does not tell of writes
RETRY_S = 0.5  # between two tries to open a database that is away


class SqliteBell:
    """A connection of its own, because ``PRAGMA data_version`` counts the commits of others only."""

    def __init__(self) -> None:
        self._database: sqlite3.Connection | None = None
        self._watch: FileWatch | None = None
        self._seen = 0
        self._pause_s = SETTLE_S
        self._has_opened()

    def wait(self, timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        while not self._has_changed():
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            self._rest(left_s)
        return True

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
        if self._database is not None:
            self._database.close()
        self._watch = self._database = None

    def _has_opened(self) -> bool:
        path = str(connection.settings_dict["NAME"])
        try:
            self._database = sqlite3.connect(
                f"{Path(path).as_uri()}?mode=rw", uri=True, timeout=1, check_same_thread=False
            )
            self._seen = _version(self._database)
        except sqlite3.Error:
            self.close()
            return False
        self._watch = FileWatch.of(f"{path}-wal")
        return True

    def _has_changed(self) -> bool:
        if self._database is None:
            return self._has_opened()
        try:
            version = _version(self._database)
        except sqlite3.Error:
            self.close()
            return False
        self._seen, before = version, self._seen
        return version != before

    def _rest(self, left_s: float) -> None:
        if self._database is None:
            time.sleep(min(RETRY_S, left_s))
        elif self._watch is None:
            time.sleep(min(POLL_S, left_s))
        elif self._watch.wait(min(self._pause_s, left_s)):
            self._pause_s = SETTLE_S
        else:
            self._pause_s *= 2


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA data_version").fetchone()[0])
