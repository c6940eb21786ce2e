"""What waits in the queues, read so that the cost does not grow with the backlog: one statement for all queues.

The ORM has no lateral joins and no loose index scans, so this is SQL; it only reads (and locks), and the columns are
those of the index ``step_ready``.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Count
from django.utils import timezone

from orchestra.kernel.statements import columns, fetch, instances, instant
from workflows.models import Step, StepStatus

READY = "s.status = 'ready' AND NOT s.held"
"""The condition of the index: as literals, so that both databases see that it applies."""
LOOKED_AT = 500

_NAMES = f"""
WITH RECURSIVE known(name) AS (
    SELECT MIN(s.queue) FROM workflows_step s WHERE {READY}
    UNION ALL
    SELECT (SELECT MIN(s.queue) FROM workflows_step s WHERE {READY} AND s.queue > known.name)
    FROM known WHERE known.name IS NOT NULL
)
SELECT name FROM known WHERE name IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Due:
    """Which steps are looked for: due by ``at`` or now, that neither ask for ``demands`` nor hold one of ``keys``."""

    at: datetime | None
    demands: Collection[str] = ()
    keys: Collection[str] = ()

    @property
    def condition(self) -> tuple[str, list[Any]]:
        """As SQL over ``s``, with its parameters."""
        now, values = _instant(self.at)
        text = f"{READY} AND s.available_at <= {now}"
        for column, left_out in (("demand", sorted(self.demands)), ("lock_key", sorted(self.keys))):
            if left_out:
                text += f" AND s.{column} NOT IN ({_marks(left_out)})"
                values += left_out
        return text, values


@dataclass(frozen=True, slots=True)
class Wanted:
    """So many steps of a queue, and only those that stand ``before`` a moment if one is given."""

    count: int
    before: datetime | None = None


def is_any(demands: Collection[str] = (), keys: Collection[str] = (), closed: Collection[str] = ()) -> bool:
    """Whether a step is due that neither asks for ``demands`` nor holds one of ``keys``, in a queue not ``closed``."""
    condition, values = Due(None, demands, keys).condition
    if closed:
        condition += f" AND s.queue NOT IN ({_marks(closed)})"
        values = [*values, *sorted(closed)]
    (rows,) = fetch((f"SELECT 1 FROM workflows_step s WHERE {condition} LIMIT 1", values))
    return bool(rows)


def demands(unfit: Collection[str] = (), closed: Collection[str] = ()) -> dict[str, int]:
    """What the first steps that are due ask for, apart from ``unfit`` demands and ``closed`` queues, with how many do.

    Of any number at most :data:`LOOKED_AT` are looked at.
    """
    condition, values = Due(None, unfit).condition
    if closed:
        condition += f" AND s.queue NOT IN ({_marks(closed)})"
        values = [*values, *sorted(closed)]
    first = f"SELECT s.demand FROM workflows_step s WHERE {condition} LIMIT {LOOKED_AT}"
    (rows,) = fetch((f"SELECT demand, COUNT(*) FROM ({first}) AS found GROUP BY demand", values))
    return dict(rows)


def next_due() -> datetime | None:
    """When the next step that waits for its time becomes due."""
    now, values = _instant(None)
    ((row,),) = fetch(
        (f"SELECT MIN(s.available_at) FROM workflows_step s WHERE {READY} AND s.available_at > {now}", values)
    )
    return instant(row[0])


def names() -> list[str]:
    """The queues in which a step is ready, by a look at one row of each."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES)
        return [name for (name,) in cursor.fetchall()]


def depths(queues: Collection[str], due: Due, limit: int) -> dict[str, int]:
    """How many steps wait in each queue, counted up to ``limit``; in one statement."""
    if not queues:
        return {}
    condition, values = due.condition
    inner = f"SELECT 1 FROM workflows_step s WHERE s.queue = q.name AND {condition} LIMIT %s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH q(name) AS (VALUES {', '.join(['(%s)'] * len(queues))}) "
            f"SELECT q.name, (SELECT COUNT(*) FROM ({inner}) bounded) FROM q",
            [*queues, *values, limit],
        )
        return dict(cursor.fetchall())


def counts(queues: Collection[str], limit: int) -> dict[str, tuple[int, int]]:
    """How many steps of each queue are ready, due or not, and how many are dead, each counted up to ``limit``."""
    if not queues:
        return {}
    ready = f"SELECT 1 FROM workflows_step s WHERE s.queue = q.name AND {READY} LIMIT %s"
    dead = "SELECT 1 FROM workflows_step s WHERE s.queue = q.name AND s.status = 'dead' LIMIT %s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH q(name) AS (VALUES {', '.join(['(%s)'] * len(queues))}) SELECT q.name, "
            f"(SELECT COUNT(*) FROM ({ready}) waits), (SELECT COUNT(*) FROM ({dead}) died) FROM q",
            [*queues, limit, limit],
        )
        return {name: (waits, died) for name, waits, died in cursor.fetchall()}


def heads(queues: Collection[str]) -> dict[str, datetime]:
    """Since when the first in line of each queue has been due; queues in which nothing waits are left out."""
    part = f"SELECT s.* FROM workflows_step s WHERE s.queue = %s AND {READY} ORDER BY s.rank_at, s.id LIMIT 1"
    if not queues:
        return {}
    sql = " UNION ALL ".join([f"SELECT id, queue, available_at FROM ({part}) AS head"] * len(queues))
    return {step.queue: step.available_at for step in Step.objects.raw(sql, list(queues))}


def first(queues: Collection[str], count: int, due: Due) -> list[int]:
    """The steps that stand first in each queue, at most ``count`` of each, by their number; nothing is locked."""
    parts = [_first_of(queue, Wanted(count), due) for queue in queues]
    if not parts:
        return []
    sql = " UNION ALL ".join(f"SELECT id FROM ({text}) AS first" for text, _ in parts)
    (rows,) = fetch((sql, [value for _, part in parts for value in part]))
    return [pk for (pk,) in rows]


def ahead(steps: Collection[int], limit: int) -> dict[int, int]:
    """How many ready steps stand before each of ``steps`` in its queue, counted up to ``limit``; in one statement."""
    if not steps:
        return {}
    before = f"s.queue = q.queue AND {READY} AND (s.rank_at, s.id) < (q.rank_at, q.id)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH q AS (SELECT id, queue, rank_at FROM workflows_step WHERE id IN ({_marks([*steps])})) "
            f"SELECT q.id, (SELECT COUNT(*) FROM (SELECT 1 FROM workflows_step s WHERE {before} LIMIT %s) b) FROM q",
            [*steps, limit],
        )
        return dict(cursor.fetchall())


def running(queues: Collection[str], now: datetime, *, without: Collection[int] = ()) -> dict[str, int]:
    """How many steps of each queue run, by unexpired leases only; ``without``: steps that have just come back."""
    return _count("queue", queues, now, without)


def running_by_key(keys: Collection[str], now: datetime, *, without: Collection[int] = ()) -> dict[str, int]:
    """Likewise how many steps hold each key, whatever their queue."""
    return _count("lock_key", keys, now, without)


def _count(column: str, values: Collection[str], now: datetime, without: Collection[int]) -> dict[str, int]:
    if not values:
        return {}
    leased = Step.objects.filter(status=StepStatus.RUNNING, lease_expires_at__gt=now, **{f"{column}__in": values})
    counted = leased.exclude(pk__in=without) if without else leased
    return dict(counted.order_by().values_list(column).annotate(Count("pk")))


def lock(wanted: Mapping[str, Wanted], due: Due) -> list[Step]:
    """The first steps of each queue as they are wanted, locked; those that others hold are passed over.

    On SQLite the transaction is alone anyway.
    """
    parts = [_first_of(queue, part, due) for queue, part in wanted.items() if part.count > 0]
    if not parts:
        return []
    # In a UNION locks are not allowed, but they are in a subquery of FROM.
    members = " UNION ALL ".join(f"SELECT * FROM ({text} {{lock_free}}) AS locked" for text, _ in parts)
    (rows,) = fetch(
        (parts[0][0] + " {lock_free}" if len(parts) == 1 else members, [v for _, part in parts for v in part])
    )
    return instances(Step, rows)


def _first_of(queue: str, wanted: Wanted, due: Due) -> tuple[str, list[Any]]:
    condition, values = due.condition
    text = f"SELECT {columns(Step, 's')} FROM workflows_step s WHERE s.queue = %s AND {condition}"
    values = [queue, *values]
    if wanted.before is not None:
        text += " AND s.rank_at < %s"
        values.append(wanted.before)
    return f"{text} ORDER BY s.rank_at, s.id LIMIT %s", [*values, wanted.count]


def _instant(at: datetime | None) -> tuple[str, list[Any]]:
    """An instant as SQL, with its parameters; without one, the present by the clock of the database."""
    if at is None and connection.vendor == "postgresql":
        return "clock_timestamp()", []
    return "%s", [connection.ops.adapt_datetimefield_value(at or timezone.now())]


def _marks(values: Collection[Any]) -> str:
    return ", ".join(["%s"] * len(values))
