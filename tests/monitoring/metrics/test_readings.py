"""What was measured is read by metric, scope and time, in one statement each."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents import pools
from monitoring.metrics import readings
from monitoring.metrics.catalogue import METRICS
from monitoring.metrics.readings import Scope
from monitoring.models import Span, Tick
from orchestra.kernel.access import Actor
from orchestra.kernel.series import steps_between
from workflows import queues

pytestmark = pytest.mark.django_db
NOON = 1_795_392_000
ADMIN = Actor.system("test")


@pytest.fixture
def agents(make_agent):
    return [make_agent("ada", ["draft", "check"]), make_agent("bob", ["draft"])]


class TestValues:
    def test_a_tick_has_a_value_of_each_agent_that_was_called(self, agents, sampled):
        ada, bob = agents
        sampled(ada, NOON, calls=4, seconds=2.0, failed=1)
        sampled(bob, NOON)
        sampled(bob, NOON + 30, calls=1, seconds=9.0)

        assert readings.values_at("response_time", Scope.all(), NOON) == {str(ada.pk): 0.5}
        assert readings.values_at("error_rate", Scope.all(), NOON) == {str(ada.pk): 0.25}
        assert readings.values_at("success_rate", Scope.all(), NOON) == {str(ada.pk): 0.75}
        assert readings.values_at("throughput_per_min", Scope.all(), NOON) == {str(ada.pk): 8.0, str(bob.pk): 0.0}

    def test_memory_processor_and_use_are_read_likewise(self, agents, sampled):
        ada = agents[0]
        figures = {"memory_bytes": 300, "memory_samples": 3, "cpu_percent": 90.0, "cpu_samples": 2}
        sampled(ada, NOON, in_flight=3, slots=4, **figures)

        values = [
            readings.values_at(metric, Scope.all(), NOON)[str(ada.pk)]
            for metric in ("memory_bytes", "cpu_percent", "utilization")
        ]

        assert values == [100.0, 45.0, 0.75]

    def test_calls_after_a_gap_are_spread_over_the_ticks_that_they_fell_in(self, agents, sampled):
        sampled(agents[0], NOON, calls=6, seconds=1.0, ticks=3)

        assert readings.values_at("throughput_per_min", Scope.all(), NOON) == {str(agents[0].pk): 4.0}

    def test_every_metric_can_be_read_where_nothing_was_measured(self):
        assert not any(readings.values_at(metric, Scope.all(), NOON) for metric in METRICS)

    def test_a_gauge_is_read_by_its_metric(self, gauged):
        gauged("queue_waiting", "mail", NOON, 7.0)
        gauged("queue_waiting", "post", NOON, 3.0)
        gauged("queue_running", "mail", NOON, 1.0)

        assert readings.values_at("queue_waiting", Scope.all(), NOON) == {"mail": 7.0, "post": 3.0}
        assert readings.values_at("queue_waiting", Scope("queue", "post"), NOON) == {"post": 3.0}


class TestScopes:
    @pytest.fixture(autouse=True)
    def _samples(self, agents, sampled):
        self.ada, self.bob = agents
        for agent in agents:
            sampled(agent, NOON, calls=1, seconds=1.0)

    def found(self, scope):
        return set(readings.values_at("response_time", scope, NOON))

    def test_one_agent(self):
        assert self.found(Scope("agent", str(self.bob.pk))) == {str(self.bob.pk)}

    def test_those_with_a_capability(self):
        assert self.found(Scope("capability", "check")) == {str(self.ada.pk)}
        assert self.found(Scope("capability", "draft")) == {str(self.ada.pk), str(self.bob.pk)}

    def test_the_members_of_a_pool(self, sampled):
        template = {"config": {"function": "test.echo"}, "capabilities": ["draft"]}
        pool = pools.create("python", {"name": "crew", "template": template, "min_size": 1}, by=ADMIN)
        member = pool.members.get()
        sampled(member, NOON, calls=1, seconds=1.0)

        assert self.found(Scope("pool", str(pool.pk))) == {str(member.pk)}
        subject = readings.subjects("response_time", Scope("pool", str(pool.pk)))[str(member.pk)]
        assert subject.labels == {"agent": member.name, "pool": "crew"}
        assert readings.subjects("pool_size", Scope.all())[str(pool.pk)].labels == {"pool": "crew"}

    @pytest.mark.parametrize("value", ["", "nobody", "0", "²", "9" * 40])
    def test_a_scope_that_names_nobody_has_nobody(self, value):
        scope = Scope("agent", value)

        assert self.found(scope) == set()
        assert readings.subjects("response_time", scope) == {}

    def test_a_scope_that_does_not_fit_the_metric_has_nothing(self, gauged):
        gauged("queue_waiting", "mail", NOON, 7.0)
        scope = Scope("agent", str(self.ada.pk))

        assert readings.values_at("queue_waiting", scope, NOON) == {}
        assert readings.recent("queue_waiting", scope, NOON, 60) == {}
        assert readings.history("queue_waiting", scope, NOON, NOON) == []
        assert readings.subjects("queue_waiting", scope) == {}

    def test_the_queue_that_is_used_without_a_name_needs_no_row(self):
        queues.create("slow", {"weight": 2}, by=ADMIN)

        assert list(readings.subjects("queue_dead", Scope.all())) == ["default", "slow"]
        assert list(readings.subjects("queue_dead", Scope("queue", "slow"))) == ["slow"]

    def test_the_system_is_one_subject_without_a_name(self):
        assert list(readings.subjects("executors", Scope.all())) == [""]


class TestHistory:
    def test_the_last_value_within_a_time_is_found_with_its_instant(self, agents, sampled):
        ada, bob = agents
        sampled(ada, NOON - 300, calls=1, seconds=3.0)
        sampled(ada, NOON, calls=0)
        sampled(bob, NOON - 330, calls=1, seconds=1.0)
        sampled(bob, NOON + 30, calls=1, seconds=2.0)

        assert readings.recent("response_time", Scope.all(), NOON, 300) == {str(ada.pk): (3.0, NOON - 300)}

    def test_all_values_are_listed_by_subject_in_the_order_of_time(self, agents, sampled):
        ada, bob = agents
        for at in (NOON + 60, NOON, NOON + 30):
            sampled(ada, at, calls=1, seconds=float(at - NOON))
        sampled(bob, NOON + 30, calls=2, seconds=3.0)
        sampled(bob, NOON + 90, calls=2, seconds=3.0)

        assert readings.history("response_time", Scope.all(), NOON, NOON + 60) == [
            (str(ada.pk), [(NOON, 0.0), (NOON + 30, 30.0), (NOON + 60, 60.0)]),
            (str(bob.pk), [(NOON + 30, 1.5)]),
        ]

    def test_a_tick_that_is_missing_is_missing(self):
        for at in (NOON, NOON + 30, NOON + 120):
            Tick.objects.create(at=at, holder="test")

        assert readings.ticks(NOON, NOON + 120) == [NOON, NOON + 30, NOON + 120]
        assert readings.ticks(NOON + 31, NOON + 119) == []


class TestSeries:
    now = datetime.fromtimestamp(NOON, UTC)

    def test_a_step_has_what_all_its_calls_took_on_average(self, agents, sampled):
        ada = agents[0]
        sampled(ada, NOON - 120, calls=1, seconds=4.0)
        sampled(ada, NOON - 90, calls=3, seconds=0.0)
        sampled(ada, NOON - 30, calls=0)
        steps = steps_between(self.now - timedelta(minutes=3), self.now, step_s=60)

        assert readings.series("response_time", Scope.all(), steps, self.now) == {str(ada.pk): [None, 1.0, None]}
        assert readings.series("throughput_per_min", Scope.all(), steps, self.now) == {str(ada.pk): [None, 4.0, 0.0]}

    def test_a_gauge_has_its_average(self, gauged):
        gauged("queue_waiting", "mail", NOON - 60, 7.0)
        gauged("queue_waiting", "mail", NOON - 30, 8.0)
        steps = steps_between(self.now - timedelta(minutes=1), self.now, step_s=60)

        assert readings.series("queue_waiting", Scope.all(), steps, self.now) == {"mail": [7.5]}

    def test_older_hours_are_read_from_hours_and_older_days_from_days_and_no_call_twice(self, agents, sampled):
        ada, day, hour = agents[0], 86_400, 3_600
        for age in (9 * day, 3 * day, 2 * hour):
            begins = NOON - age
            sampled(ada, begins, calls=5, seconds=5.0, ticks=120)
            sampled(ada, begins, span=Span.HOUR, calls=7, seconds=7.0, ticks=120)
            sampled(ada, begins - begins % day, span=Span.DAY, calls=9, seconds=9.0, ticks=120)
        hours = steps_between(self.now - timedelta(days=4), self.now, step_s=hour)
        days = steps_between(self.now - timedelta(days=10), self.now, step_s=day)

        by_hour = readings.series("throughput_per_min", Scope.all(), hours, self.now)[str(ada.pk)]
        by_day = readings.series("throughput_per_min", Scope.all(), days, self.now)[str(ada.pk)]

        per_minute = 2 / 120
        assert [value for value in by_hour if value is not None] == pytest.approx([7 * per_minute, 5 * per_minute])
        assert [value for value in by_day if value is not None] == pytest.approx(
            [9 * per_minute, 7 * per_minute, 5 * per_minute]
        )

    def test_the_further_back_the_longer_the_least_step(self):
        ages = (timedelta(days=8), timedelta(days=9), timedelta(days=61))

        assert [readings.least_step_s(self.now - age, self.now) for age in ages] == [60, 3_600, 86_400]


@pytest.mark.parametrize("metric", ["response_time", "queue_waiting"])
@pytest.mark.parametrize("question", ["values_at", "recent", "history", "series"])
def test_a_question_is_one_statement_that_uses_an_index(question, metric, agents, sampled, gauged, plans_by_index):
    for number in range(50):
        sampled(agents[number % 2], NOON - 30 * number, calls=1, seconds=1.0)
        gauged("queue_waiting", "mail", NOON - 30 * number, 1.0)
    now = datetime.fromtimestamp(NOON, UTC)
    asked = {
        "values_at": lambda: readings.values_at(metric, Scope.all(), NOON),
        "recent": lambda: readings.recent(metric, Scope.all(), NOON, 300),
        "history": lambda: readings.history(metric, Scope.all(), NOON - 300, NOON),
        "series": lambda: readings.series(
            metric, Scope.all(), steps_between(now - timedelta(hours=3), now, step_s=3_600), now
        ),
    }
    with CaptureQueriesContext(connection) as captured:
        asked[question]()
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        cursor.execute(explain + captured[0]["sql"])
        plan = " ".join(str(row) for row in cursor.fetchall())

    assert len(captured) == 1
    samples = "agent_sample" if metric == "response_time" else "gauge_sample"
    assert samples in plan, plan
    assert "SCAN s" not in plan and "Seq Scan on monitoring" not in plan, plan
