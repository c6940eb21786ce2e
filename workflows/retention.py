"""Removes old runs, which would fill the database for ever; the audit trail keeps what they did.

Small batches, each a unit of work of its own, with a rest in between: an executor or a page waits for one batch at
most. What serves an object is cut loose from its run, not removed.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate

from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from orchestra.kernel import events, right_of_way
from orchestra.kernel.access import Actor
from orchestra.kernel.events import Ref
from workflows.models import Run, Step

RETENTION = Actor.system("retention")
BATCH = 100
MOST_STEPS = 5_000
"""Steps that are removed with their runs in one unit."""
STEPS_AT_ONCE = 2_000
"""Of a run that has more, so many at a time."""
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
            if batch is None:
                break
            removed += batch
            time.sleep(REST_S)
            right_of_way.give_way()
    return removed


def _remove_batch(before: datetime) -> int | None:
    """Remove the oldest runs, or some steps of a large one; how many runs are gone, or None if there are no old ones.

    A run within another stays as long as that one goes on: its outcome may still be asked for.
    """
    old = Run.objects.filter(finished_at__lt=before).exclude(
        parent__run__finished_at__isnull=True, parent__isnull=False
    )
    with events.recording(RETENTION):
        oldest = list(old.order_by("finished_at").values_list("pk", "finished_at")[:BATCH])
        if not oldest:
            return None
        runs = _few_steps(oldest)
        if not runs:
            _remove_steps(oldest[0][0])
            return 0
        pks = [pk for pk, _ in runs]
        Run.objects.filter(pk__in=pks).delete()
        events.record(
            "RunsRemoved",
            target=Ref("runs", f"{min(pks)}-{max(pks)}", f"{len(pks)} runs"),
            after={"count": len(pks), "numbers": pks, "ended_until": runs[-1][1]},
            reason=f"They ended more than {settings.RUN_RETENTION_DAYS} days ago.",
        )
    return len(runs)


def _few_steps(oldest: Sequence[tuple[int, datetime | None]]) -> list[tuple[int, datetime | None]]:
    """As many of the oldest runs as have at most ``MOST_STEPS`` together; none if the first has more."""
    of_runs = Step.objects.filter(run__in=[pk for pk, _ in oldest]).order_by()
    counts = dict(of_runs.values_list("run_id").annotate(Count("pk")))
    sums = accumulate(counts.get(pk, 0) for pk, _ in oldest)
    return [run for run, steps in zip(oldest, sums, strict=True) if steps <= MOST_STEPS]


def _remove_steps(run: int) -> None:
    """Remove some steps of a run that has too many, items before what they are items of; it goes itself with the rest.

    No event tells of it: the run's own removal does.
    """
    newest = Step.objects.filter(run=run).order_by("-pk").values_list("pk", flat=True)[:STEPS_AT_ONCE]
    Step.objects.filter(pk__in=list(newest)).delete()
