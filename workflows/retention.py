"""Removes old runs, which would fill the database for ever; the audit trail keeps what they did.

Small batches, each a unit of work of its own, with a rest in between: an executor or a page waits for one batch at
most. What serves an object is cut loose from its run, not removed.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate

from django.conf import settings
from django.db.models import Count, QuerySet

from orchestra.kernel import events
from orchestra.kernel.events import Ref
from orchestra.kernel.retention import RETENTION, ended_before, in_batches
from workflows.models import Run, Step

BATCH = 100
MOST_STEPS = 5_000
"""Steps that are removed with their runs in one unit."""
STEPS_AT_ONCE = 2_000
"""Of a run that has more, so many at a time."""


def remove_old_runs() -> int:
    """Remove runs that ended more than ``RUN_RETENTION_DAYS`` ago, the oldest first; returns how many.

    A run within another stays as long as that one goes on: its outcome may still be asked for.
    """
    removable = Run.objects.exclude(parent__run__finished_at__isnull=True, parent__isnull=False)
    old = ended_before(removable, "finished_at", days=settings.RUN_RETENTION_DAYS)
    return in_batches(lambda: _remove_batch(old))


def _remove_batch(old: QuerySet[Run]) -> int | None:
    """Remove the oldest runs, or some steps of a large one; how many runs are gone, None if there are no old ones."""
    with events.recording(RETENTION):
        oldest = list(old.values_list("pk", "finished_at")[:BATCH])
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
