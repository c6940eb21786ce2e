"""Messages to workers, schedules, and what is swept up after them."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import OrmQ, Schedule, Task
from django_q.signals import post_execute_in_worker, pre_execute
from django_q.signing import SignedPackage

from orchestra.kernel import jobs, pulses
from orchestra.kernel.jobs import Recurring

pytestmark = pytest.mark.django_db(transaction=True)
in_database = pytest.mark.skipif("settings.REDIS_URL", reason="is about the database as broker")


@pytest.fixture(autouse=True)
def empty_queues():
    for cluster in ("main", "executors"):
        get_broker(jobs.queue_of(cluster)).delete_queue()


def test_a_message_waits_in_the_queue_of_its_cluster():
    jobs.enqueue(jobs.PING)
    jobs.enqueue("workflows.jobs.run_executor", cluster="executors")

    assert (jobs.waiting("main"), jobs.waiting("executors")) == (1, 1)


def test_a_message_names_a_function_and_carries_ids():
    jobs.enqueue("some.job", 7, "billing")
    [(_, message)] = get_broker("main").dequeue()
    task = SignedPackage.loads(message)

    assert (task["func"], task["args"], task["kwargs"]) == ("some.job", (7, "billing"), {})


def test_a_message_that_a_worker_has_fetched_waits_no_more():
    jobs.enqueue(jobs.PING)
    get_broker("main").dequeue()

    assert jobs.waiting("main") == 0


def test_a_message_of_a_transaction_waits_once_that_is_committed():
    with transaction.atomic():
        jobs.enqueue(jobs.PING)

    assert jobs.waiting("main") == 1


def test_a_message_of_a_transaction_that_is_rolled_back_is_never_sent():
    with transaction.atomic():
        jobs.enqueue(jobs.PING)
        transaction.set_rollback(True)

    assert jobs.waiting("main") == 0


def schedules() -> dict[str, tuple[str, int]]:
    return {schedule.name: (schedule.func, schedule.minutes) for schedule in Schedule.objects.all()}


def test_schedules_become_what_is_recurring(monkeypatch):
    Schedule.objects.create(name="given up", func="old.job")
    monkeypatch.setattr(jobs.recurring, "_providers", {"tidying": Recurring("a.job", minutes=60)})

    jobs.plan()

    assert schedules() == {"tidying": ("a.job", 60)}
    schedule = Schedule.objects.get()
    assert (schedule.cluster, schedule.repeats, schedule.schedule_type) == ("main", -1, Schedule.MINUTES)


def test_planning_again_changes_the_job_and_leaves_its_next_run(monkeypatch):
    next_run = timezone.now() + timedelta(minutes=7)
    monkeypatch.setattr(jobs.recurring, "_providers", {"tidying": Recurring("a.job", minutes=60)})
    jobs.plan()
    Schedule.objects.update(next_run=next_run)
    monkeypatch.setattr(jobs.recurring, "_providers", {"tidying": Recurring("another.job", minutes=30)})

    jobs.plan()

    assert schedules() == {"tidying": ("another.job", 30)}
    assert Schedule.objects.get().next_run == next_run


def test_a_schedule_that_two_hosts_made_at_a_time_is_made_one(monkeypatch):
    monkeypatch.setattr(jobs.recurring, "_providers", {"tidying": Recurring("a.job", minutes=60)})
    Schedule.objects.create(name="tidying", func="a.job")
    Schedule.objects.create(name="tidying", func="a.job")

    jobs.plan()

    assert Schedule.objects.count() == 1


def test_old_failures_are_forgotten_and_new_ones_kept():
    for name, days in (("old", 8), ("new", 6)):
        stopped = timezone.now() - timedelta(days=days)
        Task.objects.create(id=name, name=name, func="a.job", started=stopped, stopped=stopped, success=False)

    assert jobs.forget_failures() == 1
    assert Task.objects.get().name == "new"


@in_database
def test_messages_of_executors_that_cannot_live_any_more_are_forgotten():
    retry = timedelta(seconds=settings.Q_CLUSTER["ALT_CLUSTERS"][settings.EXECUTORS_QUEUE]["retry"])
    now = timezone.now()
    fetched = {"long ago": now - timedelta(hours=3) + retry, "lately": now - timedelta(hours=1) + retry}
    for payload, lock in {**fetched, "waits": now}.items():
        OrmQ.objects.create(key=jobs.queue_of("executors"), payload=payload, lock=lock)
    OrmQ.objects.create(key="executors-of-a-tree-that-is-gone", payload="never fetched", lock=now - timedelta(hours=3))
    OrmQ.objects.create(key="main", payload="of main", lock=fetched["long ago"])

    assert jobs.forget_unfinished() == 2
    assert set(OrmQ.objects.values_list("payload", flat=True)) == {"lately", "waits", "of main"}


@pytest.mark.parametrize("moment", [pre_execute, post_execute_in_worker])
def test_the_main_cluster_shows_life_whenever_a_job_begins_or_ends(moment):
    moment.send(sender="django_q", func=None, task={"cluster": "main"})

    assert pulses.last_beat(pulses.MAIN)


def test_a_job_of_the_executors_is_no_sign_of_life_of_the_main_cluster():
    pre_execute.send(sender="django_q", func=None, task={"cluster": "executors"})

    assert pulses.last_beat(pulses.MAIN) is None
