"""Each tick all metrics are collected: every call counts in one tick, whoever collects and however late."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from agents import fleet, measures, pools
from agents.models import Agent, AgentStatus
from agents.observation import Tally
from agents.outcomes import Fault
from monitoring.metrics import readings
from monitoring.metrics.collector import GAP_S, Collector
from monitoring.metrics.readings import Scope
from monitoring.models import AgentSample, CountersSeen, Gauge, GaugeSample, Tick
from orchestra.kernel.access import Actor

pytestmark = pytest.mark.django_db
NOON = 1_795_392_000
ADMIN = Actor.system("test")
ALL = Scope.all()


def clock(at):
    return datetime.fromtimestamp(at, UTC)


def called(agent, at, *seconds, fault=None, cpu_s=0.0, memory=None):
    """Calls of an agent that ended at an instant, as an executor writes them down."""
    tally = Tally()
    for took in seconds:
        tally.count(took, fault)
    if cpu_s:
        tally.spend(cpu_s)
    if memory is not None:
        tally.sample(memory)
    measures.write({(agent.pk, at // 60): tally})


def totals():
    return AgentSample.objects.aggregate(calls=Sum("calls"), failed=Sum("failed"), seconds=Sum("seconds"))


@pytest.fixture
def collector():
    return Collector()


@pytest.fixture
def agent(make_agent):
    return make_agent("writer", ["draft"])


class TestCalls:
    def test_a_tick_has_what_ended_since_the_tick_before(self, agent, collector):
        called(agent, NOON - 10, 9.0)
        assert collector.collect(clock(NOON)) == NOON
        called(agent, NOON + 5, 0.2, 0.4)
        called(agent, NOON + 20, 0.6, fault=Fault.AGENT)

        assert collector.collect(clock(NOON + 31)) == NOON + 30

        sample = AgentSample.objects.get(at=NOON + 30)
        assert (sample.calls, sample.judged, sample.failed, sample.timed) == (3, 3, 1, 3)
        assert sample.seconds == pytest.approx(1.2)
        assert readings.values_at("throughput_per_min", ALL, NOON + 30) == {str(agent.pk): 6.0}

    def test_of_what_ended_before_the_first_tick_nothing_is_known(self, agent, collector):
        called(agent, NOON - 10, 9.0)
        collector.collect(clock(NOON))

        sample = AgentSample.objects.get()
        assert (sample.calls, sample.ticks) == (0, 0)
        assert readings.values_at("throughput_per_min", ALL, NOON) == {}

    def test_an_idle_agent_has_a_row_too(self, agent, collector):
        collector.collect(clock(NOON))
        collector.collect(clock(NOON + 30))

        assert readings.values_at("throughput_per_min", ALL, NOON + 30) == {str(agent.pk): 0.0}
        assert readings.values_at("response_time", ALL, NOON + 30) == {}

    def test_what_is_written_late_counts_in_the_tick_that_sees_it(self, agent, collector):
        collector.collect(clock(NOON))
        collector.collect(clock(NOON + 30))
        collector.collect(clock(NOON + 300))
        called(agent, NOON - 20, 1.0)
        called(agent, NOON + 29, 1.0)

        collector.collect(clock(NOON + 330))

        assert list(AgentSample.objects.order_by("at").values_list("calls", flat=True)) == [0, 0, 0, 2]

    def test_what_is_counted_twice_by_nobody_is_the_sum_of_all(self, agent, collector):
        """Ticks on time, late and skipped, flushes in the middle of minutes and after them: the sums are the calls."""
        collector.collect(clock(NOON))
        ended = 0
        for number in range(1, 60):
            at = NOON + number * 17
            called(agent, at - (number % 4) * 40, *[0.5] * (number % 5))
            ended += number % 5
            if number % 7:
                collector.collect(clock(at))
        collector.collect(clock(NOON + 60 * 17 + 30))

        assert totals() == {"calls": ended, "failed": 0, "seconds": pytest.approx(ended / 2)}

    def test_failures_that_are_not_its_own_do_not_count_against_it(self, agent, collector):
        collector.collect(clock(NOON))
        called(agent, NOON + 1, 1.0, fault=Fault.CALLER)
        called(agent, NOON + 1, 1.0, fault=Fault.LOST)
        called(agent, NOON + 1, 1.0, fault=Fault.TIMEOUT)
        called(agent, NOON + 1, 2.0)
        collector.collect(clock(NOON + 30))

        sample = AgentSample.objects.get(at=NOON + 30)
        assert (sample.calls, sample.judged, sample.failed, sample.timed) == (4, 2, 1, 3)
        assert readings.values_at("error_rate", ALL, NOON + 30) == {str(agent.pk): 0.5}

    def test_memory_and_processor_are_what_was_measured_in_the_tick(self, agent, collector):
        called(agent, NOON - 5, 1.0, memory=900)
        collector.collect(clock(NOON))
        called(agent, NOON + 1, 1.0, memory=100, cpu_s=3.0)
        called(agent, NOON + 11, 1.0, memory=300)
        collector.collect(clock(NOON + 30))

        assert readings.values_at("memory_bytes", ALL, NOON + 30) == {str(agent.pk): 200.0}
        assert readings.values_at("cpu_percent", ALL, NOON + 30) == {str(agent.pk): 10.0}

    def test_an_agent_that_takes_no_work_has_no_slots(self, agent, make_agent, collector):
        idle = make_agent("idle", ["draft"], max_concurrency=3)
        fleet.set_status(agent.pk, AgentStatus.DISABLED, by=ADMIN, reason="It is out of order.")
        collector.collect(clock(NOON))

        assert dict(AgentSample.objects.values_list("agent", "slots")) == {agent.pk: 0, idle.pk: 3}
        assert readings.values_at("utilization", ALL, NOON) == {str(idle.pk): 0.0}

    def test_an_agent_that_was_removed_has_no_further_rows(self, agent, collector):
        collector.collect(clock(NOON))
        called(agent, NOON + 1, 1.0)
        fleet.remove(agent.pk, by=ADMIN, reason="It is not needed.")

        collector.collect(clock(NOON + 30))

        assert not AgentSample.objects.filter(at=NOON + 30).exists()


class TestTicks:
    def test_a_tick_is_collected_once(self, agent, collector):
        assert collector.collect(clock(NOON + 3)) == NOON
        assert collector.collect(clock(NOON + 29)) is None

        tick = Tick.objects.get()
        assert (tick.at, tick.late_s, tick.agents) == (NOON, 3.0, 1)
        assert tick.gauges == GaugeSample.objects.count()
        assert tick.collect_s > 0

    def test_another_process_goes_on_where_the_first_stopped(self, agent, collector):
        collector.collect(clock(NOON))
        called(agent, NOON + 3, 1.0)
        collector.collect(clock(NOON + 30))
        called(agent, NOON + 4, 1.0, 1.0)

        Collector().collect(clock(NOON + 60))

        assert list(AgentSample.objects.order_by("at").values_list("calls", flat=True)) == [0, 1, 2]

    def test_the_first_goes_on_again_after_another(self, agent, collector):
        collector.collect(clock(NOON))
        called(agent, NOON + 3, 1.0)
        Collector().collect(clock(NOON + 30))
        called(agent, NOON + 4, 1.0, 1.0)

        collector.collect(clock(NOON + 60))

        assert list(AgentSample.objects.order_by("at").values_list("calls", flat=True)) == [0, 1, 2]

    def test_after_a_tick_that_was_skipped_the_next_has_its_calls_spread_over_both(self, agent, collector):
        collector.collect(clock(NOON))
        called(agent, NOON + 3, 1.0, 1.0, 1.0)
        collector.collect(clock(NOON + 90))

        assert AgentSample.objects.get(at=NOON + 90).calls == 3
        assert readings.ticks(NOON, NOON + 90) == [NOON, NOON + 90]
        assert readings.values_at("throughput_per_min", ALL, NOON + 90) == {str(agent.pk): 2.0}

    def test_after_a_long_pause_nothing_is_invented(self, agent, collector):
        collector.collect(clock(NOON))
        called(agent, NOON + 3, 1.0)
        collector.collect(clock(NOON + GAP_S + 30))
        called(agent, NOON + GAP_S + 31, 1.0)
        collector.collect(clock(NOON + GAP_S + 60))

        assert list(AgentSample.objects.order_by("at").values_list("calls", "ticks")) == [(0, 0), (0, 0), (1, 1)]
        assert readings.values_at("events_per_min", ALL, NOON + GAP_S + 30) == {}

    def test_while_the_clock_is_set_back_there_is_no_tick(self, agent, collector):
        collector.collect(clock(NOON))

        assert collector.collect(clock(NOON - GAP_S)) is None
        assert Collector().collect(clock(NOON - 30)) is None
        assert collector.collect(clock(NOON + 30)) == NOON + 30

    def test_a_tick_of_a_clock_that_was_far_ahead_does_not_end_all_collecting(self, agent, collector, caplog):
        days_ahead = NOON + 2 * 86_400
        collector.collect(clock(NOON))
        called(agent, NOON + 3, 1.0)
        collector.collect(clock(days_ahead))
        collector.collect(clock(days_ahead + 30))

        assert collector.collect(clock(NOON + 10)) is None  # that tick there is
        assert collector.collect(clock(NOON + 30)) == NOON + 30
        assert "The clock was ahead" in caplog.text
        called(agent, NOON + 33, 1.0, 1.0)
        assert [Collector().collect(clock(NOON + 60)), collector.collect(clock(NOON + 90))] == [NOON + 60, NOON + 90]

        collected = [NOON, NOON + 30, NOON + 60, NOON + 90]
        assert readings.ticks(0, 2**40) == collected
        assert list(AgentSample.objects.order_by("at").values_list("at", "calls", "ticks")) == [
            *zip(collected, (0, 0, 2, 0), (0, 0, 1, 1), strict=True),
        ]
        assert set(GaugeSample.objects.values_list("at", flat=True)) == set(collected)
        assert CountersSeen.objects.get().at == NOON + 90
        assert caplog.text.count("The clock was ahead") == 1

    def test_where_only_what_was_seen_lies_ahead_it_begins_anew_too(self, agent, collector):
        collector.collect(clock(NOON))
        CountersSeen.objects.update(at=NOON + 86_400)

        assert [collector.collect(clock(at)) for at in (NOON + 30, NOON + 60)] == [NOON + 30, NOON + 60]

    def test_being_late_is_a_metric(self, collector):
        collector.collect(clock(NOON + 12))

        assert readings.values_at("collector_late", ALL, NOON) == {"": 12.0}

    def test_what_failed_to_be_written_counts_in_the_next(self, agent, collector, monkeypatch):
        collector.collect(clock(NOON))
        called(agent, NOON + 3, 1.0)
        monkeypatch.setattr(Tick, "save", fail)
        with pytest.raises(OSError, match="away"):
            collector.collect(clock(NOON + 30))
        monkeypatch.undo()

        collector.collect(clock(NOON + 60))

        assert list(AgentSample.objects.order_by("at").values_list("at", "calls")) == [(NOON, 0), (NOON + 60, 1)]


def fail(*_, **__):
    raise OSError("away")


class TestGauges:
    def value(self, metric, subject="", at=NOON):
        return readings.values_at(metric, ALL, at).get(subject)

    def test_a_pool_is_as_its_page_says(self, collector):
        template = {"config": {"function": "test.echo"}, "capabilities": ["draft"], "max_concurrency": 2}
        pool = pools.create("python", {"name": "crew", "template": template, "min_size": 3, "max_size": 5}, by=ADMIN)
        collector.collect(clock(NOON))

        metrics = ("pool_size", "pool_utilization", "pool_waiting", "pool_oldest_wait")
        assert [self.value(metric, str(pool.pk)) for metric in metrics] == [3.0, 0.0, 0.0, 0.0]

    def test_a_queue_that_fills_and_empties_is_followed(self, begin, script, collector):
        begin({}, {"name": "a", "capabilities": ["work"]})
        begin({}, {"name": "a", "capabilities": ["nobody can"]})
        collector.collect(clock(NOON))
        metrics = ("queue_waiting", "queue_running", "queue_dead")
        assert [self.value(metric, "default") for metric in metrics] == [2.0, 0.0, 0.0]
        assert self.value("queue_oldest_wait", "default") is not None

        script.claim()
        collector.collect(clock(NOON + 30))

        assert [self.value(metric, "default", NOON + 30) for metric in metrics] == [1.0, 1.0, 0.0]

    def test_agents_and_pools_are_in_use_by_the_calls_in_flight(self, begin, worker, script, collector):
        begin({}, {"name": "a", "capabilities": ["work"]})
        script.claim()
        collector.collect(clock(NOON))

        assert self.value("utilization", str(worker.pk)) == 0.25

    def test_the_system_tells_of_itself(self, begin, collector):
        collector.collect(clock(NOON))
        begin({}, {"name": "a", "capabilities": ["work"]})
        collector.collect(clock(NOON + 30))

        assert self.value("database_bytes") > 10_000
        assert 0 < self.value("disk_free") < 1
        assert 0 < self.value("memory_used") < 1
        assert self.value("cpu_used") is None  # of the first tick nothing can be known
        assert 0 <= self.value("cpu_used", at=NOON + 30) <= 1
        assert [self.value("executors"), self.value("notifications_failing")] == [0.0, 0.0]
        assert self.value("events_per_min", at=NOON + 30) > 0

    def test_a_gauge_is_made_once(self, collector):
        for number in range(3):
            collector.collect(clock(NOON + 30 * number))
        gauges = Gauge.objects.count()
        Collector().collect(clock(NOON + 90))

        assert Gauge.objects.count() == gauges


class TestCost:
    def test_the_statements_are_as_many_for_many_agents_as_for_few(self, make_agent, collector):
        make_agent("a0", ["draft"])
        for number in range(2):
            self.collected(collector, number)
            time.sleep(0.05)  # the machine counts processor time in hundredths; then every gauge has its row
        few = self.collected(collector, 2)
        for number in range(1, 30):
            make_agent(f"a{number}", ["draft"])

        assert self.collected(collector, 3) == few <= 24

    def collected(self, collector, number):
        with CaptureQueriesContext(connection) as captured:
            collector.collect(clock(NOON + 30 * number))
        return len(captured)

    def test_of_the_measures_only_the_last_minutes_are_read(self, agent, collector, plans_by_index):
        called(agent, NOON, 1.0)
        with CaptureQueriesContext(connection) as captured:
            collector.collect(clock(NOON))
        (asked,) = [each["sql"] for each in captured if "FROM agents_agentmeasure" in each["sql"]]
        explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
        with connection.cursor() as cursor:
            cursor.execute(explain + asked)
            plan = " ".join(str(row) for row in cursor.fetchall())

        assert "measure_age" in plan, plan


@pytest.mark.django_db(transaction=True)
def test_of_two_that_collect_at_once_one_writes(make_agent):
    agent = make_agent("writer", ["draft"])
    Collector().collect(clock(NOON))
    for number in range(1, 8):
        called(agent, NOON + number * 30, 1.0)
        collected = at_once(NOON + number * 30)
        assert sorted(collected, key=str) == [NOON + number * 30, None]

    assert Tick.objects.count() == 8
    assert totals()["calls"] == 7
    assert CountersSeen.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_that_collect_the_very_first_tick_one_writes(make_agent):
    make_agent("writer", ["draft"])

    assert sorted(at_once(NOON), key=str) == [NOON, None]
    assert (Tick.objects.count(), AgentSample.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_of_two_that_begin_anew_at_once_one_does(make_agent):
    make_agent("writer", ["draft"])
    Collector().collect(clock(NOON + 86_400))

    assert sorted(at_once(NOON), key=str) == [NOON, None]
    assert readings.ticks(0, 2**40) == [NOON]


def at_once(at):
    """What two collectors on connections of their own come to."""
    together, collected = threading.Barrier(2), []

    def collect():
        try:
            together.wait()
            collected.append(Collector().collect(clock(at)))
        finally:
            connection.close()

    threads = [threading.Thread(target=collect) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return collected


@pytest.mark.django_db(transaction=True)
def test_a_collector_that_is_half_a_minute_late_does_not_write_beside_the_next(make_agent, monkeypatch):
    """It has read what the next one counts as well; the tick it would write is too old by then."""
    agent = make_agent("writer", ["draft"])
    slow = Collector()
    slow.collect(clock(NOON))
    called(agent, NOON + 3, 1.0)
    find = slow._find

    def find_slowly(*given):
        found = find(*given)
        assert in_a_thread(lambda: Collector().collect(clock(NOON + 60))) == NOON + 60
        return found

    monkeypatch.setattr(slow, "_find", find_slowly)

    assert slow.collect(clock(NOON + 30)) is None
    assert totals()["calls"] == 1


def in_a_thread(act):
    done = []

    def run():
        try:
            done.append(act())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return done[0]


def test_the_clock_is_that_of_the_database(agent, collector):
    at = collector.collect()

    assert at % 30 == 0
    assert timedelta(0) <= datetime.now(UTC) - clock(at) < timedelta(seconds=60)
    assert Agent.objects.count() == AgentSample.objects.count()
