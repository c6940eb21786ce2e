"""Wakes what waits for a commit: the write-ahead log on SQLite, LISTEN/NOTIFY on PostgreSQL.

A ring says only "look": it carries nothing, may be lost or doubled, and every waiter also wakes at its own timeout.
"""

import time
from types import TracebackType
from typing import Protocol, Self

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.module_loading import import_string

CHANNEL = "orchestra"
SPACING_S = 0.01  # between two rings heard: a thousand commits a second shall not wake everybody a thousand times
BELLS = {
    "sqlite": "orchestra.kernel.bells.sqlite.SqliteBell",
    "postgresql": "orchestra.kernel.bells.postgresql.PostgresBell",
}
"""By vendor, as dotted paths: only the driver in use is imported."""


class Bell(Protocol):
    """A connection that hears the commits of others."""

    def wait(self, timeout_s: float) -> bool: ...

    def close(self) -> None: ...


def ring(database: BaseDatabaseWrapper | None = None) -> None:
    """Ring at the commit of the current transaction. On SQLite the commit itself is what waiters see."""
    database = database or connection
    if database.vendor == "postgresql":
        with database.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")


class Waiter:
    """A connection of its own that hears other connections' commits. A waiter belongs to one thread at a time."""

    def __init__(self) -> None:
        self._bell: Bell | None = None
        self._heard_at = 0.0

    def __enter__(self) -> Self:
        self._bell = import_string(BELLS[connection.vendor])()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bell is not None:
            self._bell.close()
            self._bell = None

    def wait(self, timeout_s: float) -> bool:
        """Whether somebody committed within ``timeout_s``; commits between two calls count for the second.

        Never raises because the database is away; true once it is back, because something may have been missed.
        """
        if self._bell is None:
            raise RuntimeError("A Waiter waits only inside its with block.")
        pause_s = min(timeout_s, max(0.0, self._heard_at + SPACING_S - time.monotonic()))
        time.sleep(pause_s)
        rung = self._bell.wait(timeout_s - pause_s)
        if rung:
            self._heard_at = time.monotonic()
        return rung
