"""On SQLite: units of work take turns, and those who write all the time give way to those who write now and then.

SQLite has one writer at a time; the others look again ever more rarely, so an executor that commits one group after
another would keep a person's click out for seconds. Two files beside the database mend that, by locks which the system
takes back at the instant their process dies. ``-turn`` is held by whoever is writing; the others look every
millisecond. ``-announced`` is shared by all who want to write or do, apart from executors: an executor looks between
two groups whether anybody has announced himself, and rests until that is done. Neither file guards anything: who waits
too long goes on, and SQLite's own lock decides. PostgreSQL needs none of this.
"""

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from django.db import connection

LOOK_S = 0.001
AT_MOST_S = 0.1
TURN_WITHIN_S = 5.0

_thread = threading.local()


@contextmanager
def announced() -> Iterator[None]:
    """Announce that this thread wants to write, and wait for its turn; the turn ends with the outermost block."""
    if not _applies() or getattr(_thread, "has_turn", False):
        yield
        return
    with _file("announced") as announcement, _file("turn") as turn:
        if not getattr(_thread, "gives_way", False):
            fcntl.flock(announcement, fcntl.LOCK_SH)
        _wait_for(turn, TURN_WITHIN_S)
        _thread.has_turn = True
        try:
            yield
        finally:
            _thread.has_turn = False


@contextmanager
def giving_way() -> Iterator[None]:
    """Mark this thread as one that writes all the time: it announces nothing and calls :func:`give_way` in between."""
    _thread.gives_way = True
    try:
        yield
    finally:
        _thread.gives_way = False


def give_way() -> float:
    """Rest while somebody has announced himself, a tenth of a second at most; returns the seconds rested."""
    if not _applies():
        return 0.0
    with _file("announced") as announcements:
        return _wait_for(announcements, AT_MOST_S)


def _wait_for(file: IO[str], at_most_s: float) -> float:
    """Lock ``file`` for this thread alone, or give up; returns the seconds that took."""
    began = time.monotonic()
    while time.monotonic() - began < at_most_s:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(LOOK_S)
    return time.monotonic() - began


def _applies() -> bool:
    return connection.vendor == "sqlite" and ":memory:" not in str(connection.settings_dict["NAME"])


def _file(name: str) -> IO[str]:
    return open(f"{connection.settings_dict['NAME']}-{name}", "w")  # noqa: PTH123  closed by its with
