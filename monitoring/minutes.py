"""Counts of rows by minute. A minute that is over is counted once by each process and remembered."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import CharField, Count, Func, QuerySet

MINUTE = timedelta(minutes=1)
SETTLED_AFTER = timedelta(minutes=2)
"""Rows get their time before their transaction commits; nothing is open for longer."""
REMEMBERED_S = 2 * 60 * 60


class MinuteOf(Func):
    """The minute of an instant as ``2026-01-31 12:00``, in UTC, by what the database has for it."""

    output_field = CharField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="substr(%(expressions)s, 1, 16)", **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = "to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')"
        return self.as_sql(compiler, connection, template=template, **extra)


def per_minute(rows: QuerySet[Any], column: str, *, name: str, now: datetime, minutes: int = 60) -> list[int]:
    """How many ``rows`` have their ``column`` in each of the last ``minutes``, oldest first; the last one is not over.

    ``name`` tells what is counted from other counts. An index on ``column`` should serve.
    """
    wanted = [_start(now) - MINUTE * age for age in range(minutes - 1, -1, -1)]
    keys = {minute: f"minutes:{name}:{minute.timestamp():.0f}" for minute in wanted}
    known = cache.get_many(keys.values())
    missing = [minute for minute in wanted if keys[minute] not in known]
    counted = _counted(rows.filter(**{f"{column}__gte": missing[0]}), column)
    fresh = {keys[minute]: counted.get(_label(minute), 0) for minute in missing}
    over = {keys[minute] for minute in missing if minute + MINUTE + SETTLED_AFTER <= now}
    cache.set_many({key: count for key, count in fresh.items() if key in over}, REMEMBERED_S)
    return [(known | fresh)[keys[minute]] for minute in wanted]


def spread(moments: Sequence[datetime], *, now: datetime, minutes: int = 60) -> list[int]:
    """How many of ``moments`` fall in each of the last ``minutes``, oldest first."""
    counts = [0] * minutes
    for at in moments:
        age = (_start(now) - _start(at)) // MINUTE
        if 0 <= age < minutes:
            counts[minutes - 1 - age] += 1
    return counts


def _counted(rows: QuerySet[Any], column: str) -> dict[str, int]:
    return dict(rows.order_by().annotate(minute=MinuteOf(column)).values_list("minute").annotate(Count("pk")))


def _start(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _label(minute: datetime) -> str:
    return minute.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
