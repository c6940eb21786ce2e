"""The runs of each workflow are counted from their events, by minute, each event once."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.outcomes import Failed
from monitoring.metrics import readings, runs
from monitoring.metrics.collector import Collector
from monitoring.metrics.readings import Scope
from monitoring.models import RunMeasure, Tick
from monitoring.models.metrics import RUN_BUCKETS
from orchestra.kernel import chain, series
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR
from workflows import control
from workflows.models import Run

pytestmark = pytest.mark.django_db
NOON = 1_795_392_000
STEP = {"name": "a", "capabilities": ["work"]}


def value(metric, at, workflow="flow"):
    return readings.values_at(metric, Scope.all(), at).get(workflow)


def collect(collector, number):
    at = NOON + 30 * number
    collector.collect(datetime.fromtimestamp(at, UTC))
    return at


def took(run, seconds):
    """The run lasted so long, ending now."""
    ended = run.created_at + timedelta(seconds=seconds)
    with arranged():
        Run.objects.filter(pk=run.pk).update(started_at=run.created_at, finished_at=ended)


@pytest.fixture
def collector():
    made = Collector()
    collect(made, 0)
    return made


def test_begun_and_ended_runs_are_rates_of_the_tick_and_rows_of_their_minutes(begin, script, collector):
    done = begin({}, STEP)
    script.finish()
    took(done, 4.0)
    begin({}, STEP)
    at = collect(collector, 1)

    assert value("workflow_started_per_min", at) == 4.0
    assert value("workflow_ended_per_min", at) == 2.0
    assert value("workflow_duration", at) == pytest.approx(4.0, abs=0.001)
    assert value("workflow_failure_rate", at) == 0.0
    rows = RunMeasure.objects.filter(workflow="flow")
    assert sum(row.started for row in rows) == 2
    assert sum(row.succeeded for row in rows) == 1
    ended = rows.get(succeeded=1)
    assert ended.seconds == pytest.approx(4.0, abs=0.001)
    assert getattr(ended, RUN_BUCKETS[series.bucket_of(4.0)]) == 1
    assert ended.at % 60 == 0


def test_failed_and_cancelled_runs_are_told_apart(begin, worker, script, collector):
    begin({}, STEP)
    script.finish(Failed("It is broken."))
    cancelled = begin({}, STEP)
    control.cancel(cancelled.pk, by=OPERATOR, reason="Nobody needs it.")
    at = collect(collector, 1)

    assert value("workflow_failure_rate", at) == 0.5
    measured = RunMeasure.objects.filter(workflow="flow")
    assert [sum(getattr(row, name) for row in measured) for name in ("failed", "cancelled")] == [1, 1]


def test_a_workflow_without_runs_has_none_and_no_rate_of_failures(publish, collector):
    publish("quiet", STEP)
    at = collect(collector, 1)

    assert value("workflow_started_per_min", at, "quiet") == 0.0
    assert value("workflow_failure_rate", at, "quiet") is None
    assert not RunMeasure.objects.exists()


def test_every_event_counts_once_whoever_collects(begin, script, collector):
    for number in range(1, 6):
        begin({}, STEP)
        script.finish()
        collect(Collector() if number % 2 else collector, number)
    collect(collector, 6)

    totals = [(row.started, row.succeeded) for row in RunMeasure.objects.all()]
    assert [sum(column) for column in zip(*totals, strict=True)] == [5, 5]
    assert value("workflow_ended_per_min", NOON + 180) == 0.0
    assert Tick.objects.latest("at").event_number == chain.head()


def test_the_buckets_are_those_of_the_histograms(begin, script, collector):
    """What SQL sorts into buckets lies where Python would have put it, at the bounds too."""
    durations = [0.0004, 0.0012, 0.1, 0.25, 1.0, 7.5, 599.0, 900.0]
    ids = [begin({}, STEP).pk for _ in durations]
    script.finish()
    for pk, seconds in zip(ids, durations, strict=True):
        took(Run.objects.get(pk=pk), seconds)
    collect(collector, 1)

    expected = series.Histogram.of(durations)
    counts = [sum(column) for column in zip(*RunMeasure.objects.values_list(*RUN_BUCKETS), strict=True)]
    assert counts == expected.counts
    row = RunMeasure.objects.order_by("-slowest_s").first()
    assert row.slowest_s == pytest.approx(900.0, abs=0.001)


def test_a_run_whose_row_is_gone_is_counted_without_a_duration(begin, script, collector):
    begin({}, STEP)
    script.finish()
    with arranged():
        Run.objects.all().update(finished_at=None, started_at=None, status="running")
    at = collect(collector, 1)

    assert value("workflow_ended_per_min", at) == 2.0
    assert value("workflow_duration", at) is None


def test_an_index_serves_it(begin, script, plans_by_index):
    begin({}, STEP)
    script.finish()
    head = chain.head()
    with CaptureQueriesContext(connection) as captured:
        runs.count(0, head)
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        cursor.execute((explain + captured[0]["sql"]).replace("%", "%%"))
        plan = " ".join(str(row) for row in cursor.fetchall())

    assert len(captured) == 1
    # PostgreSQL may as well read all events between the numbers, if there are few others.
    assert "event_action" in plan or "number > 0) AND (number <=" in plan, plan
    assert "SCAN e" not in plan and "Seq Scan" not in plan, plan
