"""Removes what is older than it is worth, some at a time, so that nobody waits for all of it.

Telemetry goes in slices and in silence. What the audit trail tells of goes in batches, each a unit of work of its own
whose event says how many are gone; the trail itself stays.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.db.models import Model, QuerySet
from django.utils import timezone

from orchestra.kernel import events, right_of_way
from orchestra.kernel.access import Actor
from orchestra.kernel.events import Ref

Row = TypeVar("Row", bound=Model)

RETENTION = Actor.system("retention")
ROWS_AT_ONCE = 5_000
"""Rows of telemetry that go in one statement."""
SLICES_AT_MOST_S = 20.0
"""After so long no further slice of theirs is begun: the job that tidies up has a minute for all its chores."""
AT_MOST_S = 10.0
"""The longest that one call removes in batches; the next hour's takes up where it ended."""
REST_S = 0.05
"""Between two batches: an executor or a page waits for one of them at most."""


def remove_in_slices(rows: QuerySet[Row]) -> int:
    """Remove rows of telemetry, some thousands at a time in their order; returns how many.

    What is left after :data:`SLICES_AT_MOST_S` goes the next time.
    """
    removed, until = 0, time.monotonic() + SLICES_AT_MOST_S
    while pks := list(rows.values_list("pk", flat=True)[:ROWS_AT_ONCE]):
        with right_of_way.announced():
            removed += rows.model._default_manager.filter(pk__in=pks).delete()[0]
        if time.monotonic() >= until:
            break
    return removed


def ended_before(rows: QuerySet[Row], column: str, *, days: int) -> QuerySet[Row]:
    """Those that ended more than ``days`` ago by their ``column``, the oldest first; of 0 days none, ever."""
    if not days:
        return rows.none()
    return rows.filter(**{f"{column}__lt": timezone.now() - timedelta(days=days)}).order_by(column)


def remove_recorded(rows: QuerySet[Row], *, at_once: int, by: Actor, action: str) -> int:
    """Remove rows in their order, ``at_once`` of them in a unit whose event is ``action``; returns how many."""
    return in_batches(lambda: _remove_batch(rows, at_once=at_once, by=by, action=action))


def in_batches(remove_batch: Callable[[], int | None]) -> int:
    """Call ``remove_batch`` until it returns None, but for some seconds at most; the sum of what it returned."""
    removed, until = 0, time.monotonic() + AT_MOST_S
    with right_of_way.giving_way():
        while time.monotonic() < until:
            batch = remove_batch()
            if batch is None:
                break
            removed += batch
            time.sleep(REST_S)
            right_of_way.give_way()
    return removed


def _remove_batch(rows: QuerySet[Row], *, at_once: int, by: Actor, action: str) -> int | None:
    with events.recording(by):
        pks = list(rows.values_list("pk", flat=True)[:at_once])
        if not pks:
            return None
        rows.model._default_manager.filter(pk__in=pks).delete()
        noun = str(rows.model._meta.verbose_name_plural)
        target = Ref(noun, f"{min(pks)}-{max(pks)}", f"{len(pks)} {noun}")
        events.record(action, target=target, after={"count": len(pks)})
    return len(pks)
