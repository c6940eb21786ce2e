"""The time that leases are judged by: the database's own on PostgreSQL, so that hosts with skewed clocks agree."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from orchestra.kernel.statements import Statement, fetch

NOW = "SELECT clock_timestamp()"


def database_now() -> datetime:
    """The instant by the database's clock (PostgreSQL), or by this machine's (SQLite: there is only one)."""
    if connection.vendor != "postgresql":
        return timezone.now()
    return fetch_now()[0]


def fetch_now(*statements: Statement) -> tuple[datetime, list[list[tuple[Any, ...]]]]:
    """The same instant and what ``statements`` find, which are read right after it; in one message."""
    if connection.vendor != "postgresql":
        return timezone.now(), fetch(*statements)
    clock, *found = fetch((NOW, ()), *statements)
    return clock[0][0], found
