"""Ticks add up to hours and days, and each is kept as long as it is worth."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from monitoring.metrics import readings, tables
from monitoring.metrics.readings import Scope
from monitoring.models import AgentSample, Gauge, GaugeSample, RunMeasure, Span, Tick
from orchestra.kernel import retention
from orchestra.kernel.series import DAY_S, HOUR_S, steps_between

pytestmark = pytest.mark.django_db
NOON = 1_795_392_000 - 1_795_392_000 % DAY_S + 12 * HOUR_S
COLUMNS = ("calls", "judged", "failed", "timed", "seconds", "memory_bytes", "ticks", "in_flight", "slots")


def clock(at):
    return datetime.fromtimestamp(at, UTC)


def sums(rows):
    return [sum(row[column] for row in rows) for column in range(len(COLUMNS))]


def test_hours_and_days_are_what_their_ticks_are_together(make_agent, sampled):
    agents = [make_agent("ada", ["draft"]), make_agent("bob", ["draft"])]
    for number in range(300):
        figures = {"failed": number % 3, "memory_bytes": number * 7, "in_flight": number % 2, "slots": 4}
        sampled(agents[number % 2], NOON + 30 * number, calls=number, seconds=number / 8, **figures)

    tables.AGENTS.roll_up(clock(NOON + 3 * HOUR_S))

    for agent in agents:
        spans = [list(AgentSample.objects.filter(agent=agent, span=span).values_list(*COLUMNS)) for span in Span.values]
        ticks, minutes, hours, days = spans
        assert (len(ticks), len(minutes), len(hours), len(days)) == (150, 0, 3, 1)
        assert sums(ticks) == sums(hours) == sums(days)
    assert set(AgentSample.objects.filter(span=Span.HOUR).values_list("at", flat=True)) == {
        NOON + HOUR_S * number for number in range(3)
    }


def test_a_series_of_hours_is_the_same_before_and_after_the_ticks_are_gone(make_agent, sampled):
    agent = make_agent("ada", ["draft"])
    for number in range(240):
        sampled(agent, NOON + 30 * number, calls=number % 5, seconds=number / 8)
    steps = steps_between(clock(NOON), clock(NOON + 2 * HOUR_S), step_s=HOUR_S)
    before = readings.series("response_time", Scope.all(), steps, clock(NOON + 2 * HOUR_S))
    tables.AGENTS.roll_up(clock(NOON + 2 * HOUR_S))

    tables.AGENTS.forget_old(clock(NOON + 9 * DAY_S))

    assert not AgentSample.objects.filter(span=Span.TICK).exists()
    after = readings.series("response_time", Scope.all(), steps, clock(NOON + 9 * DAY_S))
    assert after[str(agent.pk)] == pytest.approx(before[str(agent.pk)])


def test_an_hour_of_a_gauge_keeps_its_extremes(gauged):
    for number, value in enumerate([5.0, 2.0, 11.0]):
        gauged("queue_waiting", "mail", NOON + 30 * number, value)

    tables.GAUGES.roll_up(clock(NOON + HOUR_S))

    hour = GaugeSample.objects.get(span=Span.HOUR)
    assert (hour.count, hour.total, hour.least, hour.most) == (3, 18.0, 2.0, 11.0)


def test_runs_are_kept_by_minute_for_a_fortnight_and_by_hour_beyond():
    for number in (0, 1, 60):
        RunMeasure.objects.create(workflow="flow", span=Span.MINUTE, at=NOON + 60 * number, started=2, took_03=1)
    tables.RUNS.forget_old(clock(NOON + 2 * HOUR_S))
    assert RunMeasure.objects.filter(span=Span.MINUTE).count() == 3

    tables.RUNS.forget_old(clock(NOON + 15 * DAY_S))

    left = RunMeasure.objects.order_by("span", "at").values_list("span", "started", "took_03")
    assert list(left) == [(Span.HOUR, 4, 2), (Span.HOUR, 2, 1), (Span.DAY, 6, 3)]


def test_an_hour_is_added_up_from_its_own_ticks_by_index(make_agent, sampled, plans_by_index):
    sampled(make_agent("ada", ["draft"]), NOON, calls=1)
    with CaptureQueriesContext(connection) as captured:
        tables.AGENTS.roll_up(clock(NOON))
    asked = next(each["sql"] for each in captured if "finer" in each["sql"])
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        cursor.execute(explain + asked)
        plan = " ".join(str(row) for row in cursor.fetchall())

    assert "agent_sample_age" in plan, plan


def test_what_a_clock_ahead_has_added_up_keeps_nothing_from_being_added_up(make_agent, sampled):
    agent = make_agent("ada", ["draft"])
    sampled(agent, NOON + 7 * DAY_S, calls=1)
    tables.AGENTS.roll_up(clock(NOON + 7 * DAY_S))
    sampled(agent, NOON, calls=3)

    tables.AGENTS.roll_up(clock(NOON + HOUR_S))

    hours = AgentSample.objects.filter(span=Span.HOUR).order_by("at")
    assert list(hours.values_list("at", "calls")) == [(NOON, 3), (NOON + 7 * DAY_S, 1)]


def test_ticks_go_with_their_samples():
    for age in (timedelta(days=7, hours=23), timedelta(days=8, seconds=30)):
        Tick.objects.create(at=NOON - int(age.total_seconds()), holder="test")

    assert tables.forget_ticks(clock(NOON)) == 1
    assert Tick.objects.count() == 1


def test_added_again_what_was_added_up_stays_the_same(make_agent, sampled):
    agent = make_agent("ada", ["draft"])
    sampled(agent, NOON, calls=3, seconds=1.5)
    for _ in range(3):
        tables.AGENTS.roll_up(clock(NOON + HOUR_S))

    assert list(AgentSample.objects.exclude(span=Span.TICK).values_list("calls", flat=True)) == [3, 3]
    assert not Gauge.objects.exists()


def test_of_very_many_old_rows_the_rest_goes_the_next_time(monkeypatch):
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(retention, "SLICES_AT_MOST_S", 0.0)
    for number in range(5):
        Tick.objects.create(at=NOON - 9 * DAY_S + 30 * number, holder="test")

    assert [tables.forget_ticks(clock(NOON)) for _ in range(4)] == [2, 2, 1, 0]
