"""Wakes what waits for a commit: the write-ahead log on SQLite, LISTEN/NOTIFY on PostgreSQL, and Redis if there is one.

A ring says only "look": it carries nothing, may be lost or doubled, and every waiter also wakes at its own timeout.
With Redis, rings are published after the commit; while it is away PostgreSQL rings as it does without, and waiters
always listen to both. docs/decisions/0004-redis.md says why.
"""

import time
from contextlib import suppress
from functools import cache, partial
from types import TracebackType
from typing import Protocol, Self

from django.conf import settings
from django.db import Error, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.module_loading import import_string

from orchestra.kernel.bells import CHANNEL
from orchestra.kernel.bells.pubsub import Ringer

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
    statement = ringing(database)
    if statement:
        with database.cursor() as cursor:
            cursor.execute(statement)


def ringing(database: BaseDatabaseWrapper | None = None) -> str:
    """The statement that rings at the commit of its transaction; empty where what rings is not a statement."""
    database = database or connection
    if database.vendor != "postgresql":
        return ""
    if settings.REDIS_URL and _ringer(settings.REDIS_URL).is_ready:
        transaction.on_commit(partial(_publish, database), using=database.alias)
        return ""
    return f"NOTIFY {CHANNEL}"


@cache
def _ringer(url: str) -> Ringer:
    return Ringer(url)


def _publish(database: BaseDatabaseWrapper) -> None:
    """Ring by Redis, or else by the database. Never raises: the commit has been made, and its waiters wake anyway."""
    if not _ringer(settings.REDIS_URL).ring():
        with suppress(Error):
            _notify(database)


def _notify(database: BaseDatabaseWrapper) -> None:
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
