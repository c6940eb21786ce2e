"""Which tasks of a run can be undone: what the database knows of them, and what a group has in memory."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from workflows.models import Step, StepStatus

Ended = tuple[datetime, str, str]
"""When a task ended, its name and its status."""
NEXT = (StepStatus.COMPENSATING, StepStatus.SUCCEEDED)
DONE = (*NEXT, StepStatus.COMPENSATED, StepStatus.DEAD)


@dataclass(frozen=True, slots=True)
class Undoable:
    """The tasks of ``steps``, which can be undone; those ``here`` are in memory, all of them if ``complete``."""

    run_id: int
    steps: Collection[str]
    here: Mapping[str, Step]
    complete: bool

    def in_order(self) -> list[tuple[str, str]]:
        """All that have ever succeeded, in that order, with their statuses."""
        return [(name, status) for _, name, status in sorted([*self._stored(DONE), *self._here(DONE)])]

    def next(self) -> list[tuple[str, str]]:
        """Of those, what the next undoing depends on: what is under way, or else the last that had succeeded."""
        first = self._stored(NEXT).order_by("status", "-finished_at", "-name")[:1]  # compensating before succeeded
        known = sorted([*first, *self._here(NEXT)])
        under_way = [(name, status) for _, name, status in known if status == StepStatus.COMPENSATING]
        return under_way or [(name, status) for _, name, status in known[-1:]]

    def _stored(self, statuses: Collection[StepStatus]) -> "QuerySet[Step, Ended]":
        rows = Step.objects.filter(run_id=self.run_id, finished_at__isnull=False, status__in=statuses)
        rows = rows.filter(Q(name__in=self.steps, total__isnull=True) | Q(parent__in=self.steps))
        rows = rows.none() if self.complete else rows.exclude(name__in=list(self.here))
        return rows.values_list("finished_at", "name", "status")  # type: ignore[return-value]

    def _here(self, statuses: Collection[StepStatus]) -> Iterator[Ended]:
        for name, step in self.here.items():
            is_one = (name in self.steps or step.parent in self.steps) and step.total is None
            if is_one and step.status in statuses and step.finished_at is not None:
                yield step.finished_at, name, step.status
