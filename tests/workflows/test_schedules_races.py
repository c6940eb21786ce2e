"""Several tickers at the same instant, on real connections."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from orchestra.kernel.models import Event
from tests.silent_writes import arranged
from tests.workflows.conftest import SYSTEM
from workflows import schedules
from workflows.models import Run, Schedule

pytestmark = pytest.mark.django_db(transaction=True)
DUE = datetime(2026, 1, 5, 9, tzinfo=UTC)


def at_once(*acts):
    """Do all of ``acts`` at the same time, each on a connection of its own; returns what they return."""
    together = threading.Barrier(len(acts))
    results = [None] * len(acts)

    def perform(index):
        together.wait()
        try:
            results[index] = acts[index]()
        finally:
            connection.close()

    threads = [threading.Thread(target=perform, args=[index]) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def due_schedules(publish, count):
    publish("clean_up", {"name": "review", "human": {}})
    for number in range(count):
        values = {"name": f"schedule-{number}", "workflow": "clean_up", "cron": "0 9 * * *"}
        schedules.create(values, by=SYSTEM)
    with arranged():
        Schedule.objects.update(next_at=DUE)


def test_several_tickers_start_each_run_once(publish):
    due_schedules(publish, 6)

    fired = at_once(*[lambda: schedules.fire_due(DUE + timedelta(seconds=1))] * 4)

    assert sum(fired) == 6
    assert sorted(Run.objects.values_list("started_by", flat=True)) == [f"schedule-{number}" for number in range(6)]
    assert Event.objects.filter(action="ScheduleFired").count() == 6


def test_a_schedule_that_cannot_start_fails_once(publish):
    due_schedules(publish, 1)
    publish("clean_up", {"name": "review", "human": {}}, input_schema={"required": ["depth"]})

    fired = at_once(*[lambda: schedules.fire_due(DUE)] * 3)

    assert sum(fired) == 1
    assert Event.objects.filter(action="ScheduleFailed").count() == 1


def test_a_ticker_whose_clock_is_behind_starts_nothing_again(publish):
    due_schedules(publish, 1)

    at_once(
        lambda: schedules.fire_due(DUE + timedelta(seconds=20)),
        lambda: schedules.fire_due(DUE),
        lambda: schedules.fire_due(DUE + timedelta(minutes=2)),
    )

    assert Run.objects.count() == 1


def test_what_is_changed_at_the_instant_it_fires_fires_once_as_one_of_both(publish):
    due_schedules(publish, 1)
    pk = Schedule.objects.get().pk

    at_once(
        lambda: schedules.fire_due(DUE),
        lambda: schedules.change(pk, {"input": {"depth": 2}}, by=SYSTEM),
    )

    assert Run.objects.get().input in ({}, {"depth": 2})
    assert Schedule.objects.get().input == {"depth": 2}
    assert Schedule.objects.get().next_at == DUE + timedelta(days=1)
