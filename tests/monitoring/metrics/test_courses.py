"""Courses of several figures of several subjects: the same as of one at a time, in one statement, over every span."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from monitoring.metrics import courses, readings
from monitoring.metrics.figures import FIGURES, of_kind
from monitoring.metrics.readings import Scope
from monitoring.models import RunMeasure, Span
from orchestra.kernel.series import steps_between
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
T = int(NOW.timestamp())
HOUR = timedelta(hours=1)


@pytest.fixture
def agents(make_agent):
    return [make_agent(name) for name in ("a", "b")]


def steps(back, step_s):
    return steps_between(NOW - back, NOW, step_s=step_s, most=1_000)


def known(values):
    return [value for value in values if value is not None]


def test_every_pair_is_answered_and_what_was_not_measured_is_none(agents, sampled):
    one, other = agents
    sampled(one, T - 600, calls=2, seconds=1.0, failed=1, in_flight=1, slots=4)
    names = ["response_time", "error_rate", "utilization", "throughput_per_min"]

    found = courses.read(names, [str(one.pk), str(other.pk)], steps(HOUR, 600), NOW)

    assert found.keys() == {(name, str(agent.pk)) for name in names for agent in agents}
    assert known(found["response_time", str(one.pk)]) == [0.5]
    assert known(found["throughput_per_min", str(one.pk)]) == [4.0]
    assert found["utilization", str(other.pk)] == [None] * 6


@pytest.mark.parametrize("back", [HOUR, timedelta(days=6), timedelta(days=40)])
def test_it_says_what_readings_say_of_one_metric(back, agents, sampled, gauged):
    for index in range(5):
        sampled(agents[0], T - 30 * index, calls=index, seconds=index * 0.7, in_flight=1, slots=index)
        gauged("queue_waiting", "mail", T - 30 * index, index)
    for index in range(30):
        sampled(agents[0], T - 86_400 * (1 + index), span=Span.HOUR, calls=2, seconds=1.0 + index, ticks=120)
        sampled(agents[0], (T - 86_400 * (1 + index)) // 86_400 * 86_400, span=Span.DAY, calls=2, seconds=1.0, ticks=9)
    over = steps_between(NOW - back, NOW, least_s=readings.least_step_s(NOW - back, NOW))

    for metric, subject in (("response_time", str(agents[0].pk)), ("queue_waiting", "mail")):
        alone = readings.series(metric, Scope.all(), over, NOW)[subject]
        assert courses.read([metric], [subject], over, NOW)[metric, subject] == pytest.approx(alone)


def test_runs_are_read_from_minutes_hours_and_days():
    with arranged():
        for span, at in (
            (Span.MINUTE, T - 3_600),
            (Span.HOUR, T - 3 * 86_400),
            (Span.DAY, T // 86_400 * 86_400 - 864_000),
        ):
            RunMeasure.objects.create(
                workflow="reply", span=span, at=at, started=3, took_18=2, seconds=2, fastest_s=0.9, slowest_s=1.0
            )
    names = ["workflow_started", "workflow_duration_p50"]

    found = courses.read(names, ["reply"], steps(timedelta(days=20), 86_400), NOW)

    assert [value for value in found["workflow_started", "reply"] if value] == [3, 3, 3]
    assert all(0.9 <= value <= 1.0 for value in known(found["workflow_duration_p50", "reply"]))


def test_a_step_that_has_not_begun_has_no_runs():
    over = steps_between(NOW - HOUR, NOW + HOUR, step_s=1_800)

    assert courses.read(["workflow_started"], ["reply"], over, NOW)["workflow_started", "reply"] == [0, 0, None, None]


def test_of_a_whole_time_there_is_one_figure(agents, sampled):
    for index in range(4):
        sampled(agents[0], T - 600 * (index + 1), in_flight=index, slots=4)

    found = courses.totals(["utilization"], [str(agent.pk) for agent in agents], steps(HOUR, 600), NOW)

    assert found == {("utilization", str(agents[0].pk)): 6 / 16}


@pytest.mark.parametrize(("kind", "most"), [("agent", 2), ("pool", 2), ("queue", 2), ("workflow", 3), ("system", 2)])
def test_all_figures_of_a_kind_are_read_in_so_many_statements(kind, most, agents, gauged):
    gauged("queue_waiting", "mail", T - 600, 1.0)
    subjects = [str(agent.pk) for agent in agents] if kind == "agent" else ["mail", "post"]

    with CaptureQueriesContext(connection) as captured:
        courses.read([figure.name for figure in of_kind(kind)], subjects, steps(HOUR, 600), NOW)

    assert 1 <= len(captured) <= most


@pytest.mark.parametrize("metric", ["utilization", "queue_waiting", "workflow_started"])
def test_an_index_serves_it(metric, agents, sampled, gauged, plans_by_index):
    for number in range(50):
        sampled(agents[number % 2], T - 30 * number, calls=1)
        gauged("queue_waiting", "mail", T - 30 * number, 1.0)
    subjects = [str(agents[0].pk)] if FIGURES[metric].kind == "agent" else ["mail"]
    with CaptureQueriesContext(connection) as captured:
        courses.read([metric], subjects, steps(timedelta(days=3), 3_600), NOW)
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        cursor.execute(explain + captured[-1]["sql"])
        plan = " ".join(str(row) for row in cursor.fetchall())

    assert "USING INDEX" in plan or "Index Scan using" in plan, plan
    assert "SCAN monitoring" not in plan and "Seq Scan on monitoring" not in plan, plan
