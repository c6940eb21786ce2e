"""What calls took is written, added up, kept as long as it is worth, and read again."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import figures, measures
from agents.models import AgentMeasure, AgentProcess, Span
from agents.models.measures import BUCKET_COLUMNS
from agents.observation import Observations, Tally
from agents.outcomes import Fault
from orchestra.kernel import series
from orchestra.kernel.series import steps_between
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def tally(*seconds, fault=None):
    made = Tally()
    for took in seconds:
        made.count(took, fault)
    return made


def minute(at):
    return int(at.timestamp() // 60)


def writing(agent, at, *seconds, fault=None):
    measures.write({(agent.pk, minute(at)): tally(*seconds, fault=fault)})


@pytest.fixture
def agent(make_agent):
    return make_agent("writer", ["draft"])


class TestObserving:
    def test_what_was_observed_is_drained_once(self):
        observed = Observations()
        observed.observe(7, 0.2, within=True)
        observed.observe(7, 0.4, Fault.TIMEOUT)
        observed.observe(8, 0.0, Fault.LOST)
        observed.spend(7, 0.05)

        tallies = {agent: found for (agent, _), found in observed.drain().items()}

        assert (tallies[7].calls, tallies[7].failures, tallies[7].cpu_s) == (2, {Fault.TIMEOUT: 1}, 0.05)
        assert tallies[7].is_within
        assert (tallies[8].calls, tallies[8].took.count) == (1, 0)  # how long that one took, nobody knows
        assert observed.drain() == {}

    def test_what_could_not_be_written_is_drained_again(self):
        observed = Observations()
        observed.observe(7, 0.2)
        observed.keep(observed.drain())
        observed.observe(7, 0.3)

        assert sum(found.calls for found in observed.drain().values()) == 2

    def test_nothing_is_lost_between_threads(self):
        observed, drained = Observations(), []

        def call():
            for _ in range(5_000):
                observed.observe(7, 0.1)

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            drained.append(observed.drain())
        drained.append(observed.drain())

        assert sum(found.calls for tallies in drained for found in tallies.values()) == 20_000

    def test_in_a_process_where_nobody_drains_it_only_the_latest_are_held(self):
        observed = Observations(most=3)
        for number in range(5):
            observed.observe(number, 0.1)

        assert sorted(agent for agent, _ in observed.drain()) == [2, 3, 4]


class TestWriting:
    def test_all_agents_and_minutes_are_one_statement(self, make_agent):
        tallies = {(make_agent(f"a{number}").pk, minute(NOON)): tally(0.1) for number in range(20)}

        with CaptureQueriesContext(connection) as captured:
            measures.write(tallies)

        assert len(captured) == 1
        assert AgentMeasure.objects.count() == 20

    def test_the_same_minute_is_added_to(self, agent):
        writing(agent, NOON, 0.2, 4.0)
        writing(agent, NOON, 0.05, fault=Fault.AGENT)
        writing(agent, NOON, fault=None)

        row = AgentMeasure.objects.get()
        assert (row.calls, row.failed_agent, row.seconds) == (3, 1, pytest.approx(4.25))
        assert (row.fastest_s, row.slowest_s) == (0.05, 4.0)
        assert sum(getattr(row, name) for name in BUCKET_COLUMNS) == 3

    def test_a_lost_call_counts_without_a_duration(self, agent):
        measures.observe(agent.pk, 0.0, Fault.LOST)
        measures.observe(agent.pk, 0.5)

        rows = AgentMeasure.objects.all()
        assert sum(row.calls for row in rows) == 2
        assert sum(row.failed_lost for row in rows) == 1
        assert {row.fastest_s for row in rows} - {None} == {0.5}

    def test_an_agent_that_was_removed_meanwhile_keeps_no_other_from_being_counted(self, agent):
        measures.write({(agent.pk, minute(NOON)): tally(0.1), (agent.pk + 999, minute(NOON)): tally(0.1)})

        assert AgentMeasure.objects.filter(agent=agent).get().calls == 1

    def test_all_that_is_written_at_once_counts_or_none(self, agent):
        tallies = {(agent.pk, minute(NOON) + number): tally(0.1) for number in range(900)}
        tallies[agent.pk, minute(NOON) + 899].calls = -1
        with pytest.raises(IntegrityError), transaction.atomic():
            measures.write(tallies)

        assert not AgentMeasure.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_lose_nothing(make_agent):
    agents = [make_agent(f"a{number}").pk for number in range(5)]
    faults, together = [], threading.Barrier(2)

    def write():
        try:
            together.wait()
            for _ in range(20):
                measures.write({(agent, minute(NOON)): tally(0.1, 0.2) for agent in agents})
        except Exception as error:  # noqa: BLE001  told by the assertion below
            faults.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    bucket = BUCKET_COLUMNS[series.bucket_of(0.1)]
    assert list(AgentMeasure.objects.values_list("calls", bucket)) == [(80, 40)] * 5


class TestProcesses:
    def test_what_a_process_used_lately_is_added_to_this_minute(self, agent):
        now = timezone.now()
        AgentProcess.objects.create(
            agent=agent,
            holder="executor:1",
            lease_expires_at=now,
            memory_bytes=50_000_000,
            cpu_percent=12.5,
            measured_at=now,
        )

        assert [measures.sample_processes(), measures.sample_processes()] == [1, 1]

        row = AgentMeasure.objects.get()
        assert (row.memory_bytes, row.samples, row.cpu_percent, row.cpu_samples) == (100_000_000, 2, 25.0, 2)
        assert row.calls == 0

    def test_an_old_figure_is_no_measurement(self, agent):
        old = timezone.now() - timedelta(minutes=1)
        AgentProcess.objects.create(
            agent=agent, holder="executor:1", lease_expires_at=old, memory_bytes=50_000_000, measured_at=old
        )

        assert measures.sample_processes() == 0


class TestRollingUp:
    def test_minutes_become_hours_and_hours_days(self, agent):
        for number in range(90):
            writing(agent, NOON + timedelta(minutes=number), 0.2)

        measures.roll_up(NOON + timedelta(hours=2))

        hours = AgentMeasure.objects.filter(span=Span.HOUR).order_by("at")
        assert [(row.at, row.calls) for row in hours] == [(NOON, 60), (NOON + timedelta(hours=1), 30)]
        (day,) = AgentMeasure.objects.filter(span=Span.DAY)
        assert (day.at, day.calls, day.fastest_s) == (NOON.replace(hour=0), 90, 0.2)
        assert day.seconds == pytest.approx(18)

    def test_again_it_counts_what_came_since_and_nothing_twice(self, agent):
        writing(agent, NOON, 0.2)
        measures.roll_up(NOON + timedelta(minutes=10))
        writing(agent, NOON + timedelta(minutes=20), 0.4)

        for _ in range(3):
            measures.roll_up(NOON + timedelta(hours=1))

        assert AgentMeasure.objects.get(span=Span.HOUR).calls == 2
        assert AgentMeasure.objects.get(span=Span.DAY).slowest_s == 0.4

    def test_after_a_long_rest_all_that_is_missing_is_added_up(self, agent):
        writing(agent, NOON - timedelta(hours=30), 0.2)
        measures.roll_up(NOON - timedelta(hours=29))
        writing(agent, NOON - timedelta(hours=20), 0.2)
        writing(agent, NOON - timedelta(hours=3), 0.2)

        measures.roll_up(NOON)

        assert AgentMeasure.objects.filter(span=Span.HOUR).count() == 3

    def test_of_a_time_whose_minutes_are_gone_the_sums_stay(self, agent):
        writing(agent, NOON, 0.2)
        measures.forget_old(NOON + timedelta(hours=1))

        removed = measures.forget_old(NOON + timedelta(days=3))

        assert removed == 1
        assert set(AgentMeasure.objects.values_list("span", "calls")) == {(Span.HOUR, 1), (Span.DAY, 1)}

    @pytest.mark.parametrize(
        ("days", "left"), [(1, {60, 3600, 86400}), (59, {3600, 86400}), (700, {86400}), (800, set())]
    )
    def test_each_span_is_kept_as_long_as_it_is_worth(self, agent, days, left):
        writing(agent, NOON, 0.2)
        measures.roll_up(NOON + timedelta(hours=1))

        measures.forget_old(NOON + timedelta(days=days))

        assert set(AgentMeasure.objects.values_list("span", flat=True)) == left

    def test_housekeeping_does_it(self):
        from orchestra.kernel.housekeeping import chores

        assert chores.get("old measures of agents") is measures.forget_old


class TestReading:
    def read(self, agent, length, now=NOON, **how):
        steps = steps_between(now - length, now, **how)
        return steps, figures.measured([agent.pk], steps, now)

    def test_percentiles_errors_and_rates_are_those_of_each_step(self, agent):
        writing(agent, NOON - timedelta(minutes=10), *[0.2] * 9, 4.0)
        writing(agent, NOON - timedelta(minutes=10), 1.0, fault=Fault.AGENT)
        writing(agent, NOON - timedelta(minutes=10), 1.0, 1.0, fault=Fault.CALLER)

        steps, found = self.read(agent, timedelta(hours=1), step_s=300)
        step = steps.index(NOON - timedelta(minutes=10))

        assert found.values(agent.pk, "response_p50")[step] == pytest.approx(0.2)
        assert found.values(agent.pk, "response_p95")[step] == pytest.approx(4.0, rel=0.35)
        assert found.values(agent.pk, "response_avg")[step] == pytest.approx((1.8 + 4 + 3) / 13)
        assert found.values(agent.pk, "error_rate")[step] == pytest.approx(
            1 / 11
        )  # the caller's own faults are not its
        assert found.values(agent.pk, "success_rate")[step] == pytest.approx(10 / 11)
        assert found.values(agent.pk, "throughput")[step] == pytest.approx(13 / 5)
        assert found.values(agent.pk, "calls")[step] == 13

    def test_where_nothing_was_called_there_is_no_response_and_no_rate_of_errors(self, agent):
        _, found = self.read(agent, timedelta(hours=1))

        assert set(found.values(agent.pk, "response_p50")) == {None}
        assert set(found.values(agent.pk, "error_rate")) == {None}
        assert set(found.values(agent.pk, "memory_bytes")) == {None}
        assert set(found.values(agent.pk, "calls")) == {0}

    def test_processor_time_of_threads_is_a_share_of_the_time(self, agent):
        spent = tally(1.0)
        spent.spend(15)
        measures.write({(agent.pk, minute(NOON - timedelta(minutes=5))): spent})

        steps, found = self.read(agent, timedelta(hours=1), step_s=60)

        assert found.values(agent.pk, "cpu_percent")[steps.index(NOON - timedelta(minutes=5))] == pytest.approx(25)

    @pytest.mark.parametrize(("days", "step_s"), [(1, 3_600), (7, 3_600), (50, 43_200), (60, 86_400), (300, 86_400)])
    def test_long_times_are_read_from_what_was_added_up_and_what_was_not_yet(self, agent, days, step_s):
        """Nothing is missed and nothing counted twice where minutes, hours and days meet."""
        for number in range(days):
            writing(agent, NOON - timedelta(days=number, hours=1), 0.2)
            writing(agent, NOON - timedelta(days=number, minutes=1), 0.2)
        for number in reversed(range(days)):  # as housekeeping did it day by day
            measures.forget_old(NOON - timedelta(days=number, hours=2))

        _, found = self.read(agent, timedelta(days=days), step_s=step_s, most=400)

        assert found.total(agent.pk).calls == 2 * days

    def test_it_is_one_query_however_many_agents(self, make_agent):
        agents = [make_agent(f"a{number}") for number in range(30)]
        steps = steps_between(NOON - timedelta(hours=1), NOON)

        with CaptureQueriesContext(connection) as captured:
            figures.measured([agent.pk for agent in agents], steps, NOON)

        assert len(captured) == 1

    def test_an_index_serves_it(self, agent, plans_by_index):
        steps = steps_between(NOON - timedelta(days=20), NOON, step_s=86_400)
        with CaptureQueriesContext(connection) as captured:
            figures.measured([agent.pk], steps, NOON)

        with connection.cursor() as cursor:
            plan = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
            cursor.execute((plan + captured[0]["sql"]).replace("%", "%%"))
            told = str(cursor.fetchall())
        searched = "USING INDEX sqlite_autoindex" if connection.vendor == "sqlite" else "Index Scan using"
        assert told.count(searched) == 3

    def test_steps_are_as_short_as_the_time_is_still_kept(self):
        ages = [timedelta(hours=47), timedelta(days=3), timedelta(days=70)]

        assert [figures.least_step_s(NOON - age, NOON) for age in ages] == [60, series.HOUR_S, series.DAY_S]


class TestRecent:
    def recent(self, agent):
        return figures.with_recent([agent])[0].recent

    def test_the_last_hour_has_percentiles_and_courses(self, agent):
        writing(agent, timezone.now() - timedelta(minutes=20), 0.2, 0.2, 0.2)
        writing(agent, timezone.now() - timedelta(minutes=10), 0.2, fault=Fault.TIMEOUT)

        recent = self.recent(agent)

        assert (recent.calls, recent.p50) == (4, pytest.approx(0.2))
        assert len(recent.responses) == len(recent.successes) == 13
        assert (recent.successes[0], recent.successes[-1]) == (1.0, 0.0)

    def test_of_an_agent_that_was_not_called_nothing_is_said(self, agent):
        recent = self.recent(agent)

        assert (recent.p50, recent.p95, list(recent.responses), recent.usage.measured_of) == (None, None, [], None)

    def test_a_function_uses_its_worker(self, agent):
        used = tally(0.1)
        used.sample(80_000_000)
        used.spend(0.02)
        measures.write({(agent.pk, minute(timezone.now())): used})

        usage = self.recent(agent).usage

        assert (usage.memory_bytes, usage.measured_of) == (80_000_000, "worker")
        assert 0 < usage.cpu_percent < 0.02

    def test_a_process_is_measured_itself_while_it_says_so(self, agent):
        now = timezone.now()
        with arranged():
            type(agent).objects.filter(pk=agent.pk).update(kind="process")
        process = AgentProcess(
            agent=agent, holder="x", lease_expires_at=now, memory_bytes=9, cpu_percent=2.0, measured_at=now
        )
        process.save()
        agent.refresh_from_db()

        assert self.recent(agent).usage == figures.Usage(9, 2.0, "process")
        AgentProcess.objects.update(measured_at=now - timedelta(minutes=5))
        agent.refresh_from_db()
        assert self.recent(agent).usage == figures.Usage()
