"""Fails a test in which a business table is written outside a unit of work: such a write would leave no event."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.signals import connection_created

from orchestra.kernel import events
from orchestra.kernel.access import Actor

WRITE = re.compile(r'\s*(?:INSERT(?: OR \w+)? INTO|REPLACE INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)

_watching = False


class SilentWriteError(AssertionError):
    """A write that no event tells of."""


@contextmanager
def watching(*, on: bool = True) -> Iterator[None]:
    """Watch every connection of this process; ``on=False`` looks away, for tests that play the intruder."""
    global _watching  # noqa: PLW0603  one process runs one test at a time
    before, _watching = _watching, on
    try:
        yield
    finally:
        _watching = before


@contextmanager
def arranged() -> Iterator[None]:
    """Where a test makes the rows that it needs: a unit of work by the system, whose events nobody looks at."""
    with events.recording(Actor.system("test")):
        yield


def is_telemetry(table: str, sql: str) -> bool:
    """Whether the table, or every column that an UPDATE sets, is listed as telemetry."""
    changes = sql.partition(" SET ")[2].partition(" WHERE ")[0]
    columns = re.findall(r'"(\w+)" = ', changes)
    written = {f"{table}.{column}" for column in columns} or {table}
    return table in events.TELEMETRY or written <= events.TELEMETRY


def refuse(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    write = WRITE.match(str(sql)) if _watching and events.current() is None else None
    if write and not is_telemetry(write[1], str(sql)):
        raise SilentWriteError(f"{write[1]} is written outside events.recording(): {sql}")
    return execute(sql, params, many, context)


def watch(connection: Any, **_: Any) -> None:
    if refuse not in connection.execute_wrappers:
        connection.execute_wrappers.append(refuse)


connection_created.connect(watch)
