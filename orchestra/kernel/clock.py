"""The time that leases are judged by: the database's own on PostgreSQL, so that hosts with skewed clocks agree."""

from datetime import datetime

from django.db import connection
from django.utils import timezone


def database_now() -> datetime:
    """The instant by the database's clock (PostgreSQL), or by this machine's (SQLite: there is only one)."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
