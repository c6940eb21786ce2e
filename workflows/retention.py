"""Removes old runs, which would fill the database for ever; the audit trail keeps what they did.

Small batches, each a unit of work of its own, with a rest in between: an executor or a page waits for one batch at
most. What serves an object is cut loose from its run, not removed.
"""

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from orchestra.kernel import events, right_of_way
from orchestra.kernel.access import Actor
from orchestra.kernel.events import Ref
from workflows.models import Run

RETENTION = Actor.system("retention")
BATCH = 100
REST_S = 0.05
SLICE_S = 10.0
"""The longest that one call goes on; the next hour's call takes up where it ended."""


def remove_old_runs() -> int:
    """Remove runs that ended more than ``RUN_RETENTION_DAYS`` ago, the oldest first; returns how many."""
    if not settings.RUN_RETENTION_DAYS:
        return 0
    before = timezone.now() - timedelta(days=settings.RUN_RETENTION_DAYS)
    removed, until = 0, time.monotonic() + SLICE_S
    with right_of_way.giving_way():
        while time.monotonic() < until:
            batch = _remove_batch(before)
            removed += batch
            if batch < BATCH:
                break
            time.sleep(REST_S)
            right_of_way.give_way()
    return removed


def _remove_batch(before: datetime) -> int:
    """A run within another stays as long as that one goes on: its outcome may still be asked for."""
    old = Run.objects.filter(finished_at__lt=before).exclude(
        parent__run__finished_at__isnull=True, parent__isnull=False
    )
    with events.recording(RETENTION):
        runs = list(old.order_by("finished_at").values_list("pk", "finished_at")[:BATCH])
        if runs:
            pks = [pk for pk, _ in runs]
            Run.objects.filter(pk__in=pks).delete()
            events.record(
                "RunsRemoved",
                target=Ref("runs", f"{min(pks)}-{max(pks)}", f"{len(pks)} runs"),
                after={"count": len(pks), "numbers": pks, "ended_until": runs[-1][1]},
                reason=f"They ended more than {settings.RUN_RETENTION_DAYS} days ago.",
            )
    return len(runs)
