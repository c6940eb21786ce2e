"""Jobs: functions that a worker process runs. The only module that knows django-q2.

Messages carry ids at most, never state: one that is lost or doubled loses and doubles nothing. Entry functions are
synchronous, named by dotted path, and return None; those of the main cluster take at most 10 s.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from django.conf import settings
from django.db import Error, connection, transaction
from django.db.models import Q
from django.dispatch import receiver
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import OrmQ, Schedule, Task
from django_q.signals import post_execute_in_worker, pre_execute
from django_q.tasks import async_task
from redis.exceptions import RedisError

from orchestra.kernel import pulses
from orchestra.kernel.registry import Port

Cluster = Literal["main", "executors"]
PING = "orchestra.kernel.jobs.ping"
FAILURES_KEPT_FOR = timedelta(days=7)
EXECUTORS_LIVE_FOR = timedelta(hours=2)  # at most: they return after an hour
OUTAGES = (Error, RedisError)
"""What :func:`enqueue` and :func:`waiting` raise while the database or the broker is away."""


@dataclass(frozen=True, slots=True)
class Recurring:
    """A job run every ``minutes`` by the main cluster (q2 looks every 30 s at best); finer times are the ticker's."""

    function: str
    minutes: int


recurring: Port[Recurring] = Port("jobs by the hour or day")
recurring.register("housekeeping", Recurring("orchestra.kernel.housekeeping.tidy", minutes=60))


def queue_of(cluster: Cluster) -> str:
    """The queue that a cluster works off: one ``main`` of all hosts, but executors are asked of this tree only."""
    return settings.EXECUTORS_QUEUE if cluster == "executors" else "main"


def enqueue(function: str, *ids: int | str, cluster: Cluster = "main") -> None:
    """Have a worker of ``cluster`` call ``function`` (a dotted path) with ``ids``, once the open transaction commits.

    Where Redis is the broker, a message that cannot be sent after a commit is logged and lost.
    """
    send = partial(async_task, function, *ids, cluster=queue_of(cluster), save=False)
    if settings.REDIS_URL:
        transaction.on_commit(send, robust=connection.in_atomic_block)
    else:
        send()


def waiting(cluster: Cluster) -> int:
    """How many messages of ``cluster`` nobody has fetched yet."""
    if settings.REDIS_URL:
        return int(get_broker(queue_of(cluster)).queue_size())
    return OrmQ.objects.filter(key=queue_of(cluster), lock__lte=timezone.now()).count()


def plan() -> None:
    """Make q2's schedules equal to :data:`recurring`: missing ones are made, changed ones changed, others removed."""
    kept = [_planned(name, job) for name, job in recurring.items()]
    Schedule.objects.exclude(pk__in=kept).delete()


def _planned(name: str, job: Recurring) -> int:
    timing = {"func": job.function, "schedule_type": Schedule.MINUTES, "minutes": job.minutes, "cluster": "main"}
    schedule = Schedule.objects.filter(name=name).order_by("pk").first()
    if schedule is None:
        return int(Schedule.objects.create(name=name, repeats=-1, **timing).pk)
    Schedule.objects.filter(pk=schedule.pk).update(repeats=-1, **timing)  # leaves the next run where it is
    return int(schedule.pk)


def forget_failures() -> int:
    """Remove old records of failed jobs; q2 would keep them for ever. Returns how many."""
    return Task.objects.filter(stopped__lt=timezone.now() - FAILURES_KEPT_FOR).delete()[0]


def forget_unfinished() -> int:
    """Remove what is left of executors that were killed, and of trees that are gone. Returns how many messages.

    q2 would send the former again after a day, and nobody will ever fetch the latter.
    """
    clusters: Any = settings.Q_CLUSTER["ALT_CLUSTERS"]
    retry = timedelta(seconds=clusters[settings.EXECUTORS_QUEUE]["retry"])
    long_ago = timezone.now() - EXECUTORS_LIVE_FOR
    messages = OrmQ.objects.filter(key__startswith="executors")
    fetched = Q(lock__gt=timezone.now(), lock__lt=long_ago + retry)
    return messages.filter(fetched | Q(lock__lt=long_ago)).delete()[0]


def ping() -> None:
    """Do nothing: that it ran is the sign of life."""


@receiver([pre_execute, post_execute_in_worker])
def _show_life(task: dict[str, Any], **_: Any) -> None:
    """Every job that begins or ends is a sign of life: a cluster that works off a long queue is not dead."""
    if task["cluster"] == "main":
        with suppress(Error):  # raised here, it would end the worker
            pulses.beat(pulses.MAIN)
