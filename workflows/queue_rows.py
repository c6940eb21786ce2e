"""The list of queues, for page and API, with the figures of each in a constant number of queries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from orchestra.kernel.lists import COUNT_LIMIT, Choice, ListFilter, Search
from workflows import admission, backlog
from workflows.admission import Policy, Refusal
from workflows.models import TaskQueue
from workflows.queues import policy_from


def _is_paused(value: str) -> Q:
    return Q(paused=value == "true")


class QueueList(ListFilter[TaskQueue]):
    """Queues by name."""

    filters = {
        "paused": Choice([("true", "paused"), ("false", "open")], _is_paused),
        "search": Search(("name",)),
    }
    order = ("name",)

    def base(self) -> QuerySet[TaskQueue]:
        return TaskQueue.objects.all()


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queue and how it stands: steps that run, that wait (counted up to a limit) and that are dead.

    ``waits_since`` is when the first in line became due; ``obstacle`` says why no step of it may start, if so.
    """

    queue: TaskQueue
    policy: Policy
    in_use: int
    ready: int
    dead: int
    waits_since: datetime | None
    obstacle: Refusal | None

    @property
    def used_share(self) -> float | None:
        limit = self.policy.max_concurrency
        return None if limit is None else self.in_use / limit


def rows_of(queues: Collection[TaskQueue], now: datetime) -> list[QueueRow]:
    """The rows for ``queues``, in four queries."""
    names = [row.name for row in queues]
    counts = backlog.counts(names, COUNT_LIMIT + 1)
    heads = backlog.heads(names)
    used = backlog.running(names, now)
    return [_row(row, counts[row.name], heads.get(row.name), used.get(row.name, 0), now) for row in queues]


def _row(row: TaskQueue, counts: Sequence[int], head: datetime | None, used: int, now: datetime) -> QueueRow:
    policy = policy_from(row)
    ready, dead = counts
    return QueueRow(row, policy, used, ready, dead, head, admission.obstacle_of(policy, used, now))
