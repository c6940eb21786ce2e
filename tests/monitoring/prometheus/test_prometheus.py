"""What Prometheus is told: it parses, it is so, counters only grow, and more agents cost no more queries."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from agents import measures, pools
from agents.models import AgentHealth, AgentMeasure, AgentProcess
from agents.observation import Tally
from agents.outcomes import Fault
from monitoring.metrics.catalogue import METRICS
from monitoring.models import (
    Alert,
    AlertStatus,
    Gauge,
    GaugeSample,
    Notification,
    NotificationStatus,
    RunMeasure,
    Severity,
    Span,
    Tick,
)
from monitoring.prometheus import buckets, exposition, work
from orchestra.kernel import chain, pulses
from orchestra.kernel.access import Actor
from orchestra.kernel.series import BOUNDS_S, BUCKETS
from tests.agents.conftest import make_agent  # noqa: F401  used as a fixture
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("test")


def scraped():
    """Every sample by name and labels, and each family's type."""
    families = list(text_string_to_metric_families(exposition.answer().decode()))
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples
    }
    assert len(samples) == sum(len(family.samples) for family in families), "A series is there twice."
    return samples, {family.name: family.type for family in families}


def value(name, **labels):
    return scraped()[0].get((name, *sorted(labels.items())))


def called(agent, *seconds, fault=None, at=None):
    tally = Tally()
    for took in seconds:
        tally.count(took, fault)
    measures.write({(agent.pk, int((at or timezone.now()).timestamp() // 60)): tally})


@pytest.fixture
def agent(make_agent):  # noqa: F811
    return make_agent("writer", ["draft"], max_concurrency=3)


@pytest.fixture
def tick(db):
    """The tick that was just collected."""
    at = int(timezone.now().timestamp()) // 30 * 30
    return Tick.objects.create(at=at, holder="test", late_s=0.2, collect_s=0.1, evaluated=True, evaluate_s=0.05)


def gauge(tick, metric, subject, measured):
    made = Gauge.objects.create(metric=metric, kind=METRICS[metric].kind, subject=subject)
    GaugeSample.objects.create(gauge=made, span=Span.TICK, at=tick.at, total=measured, least=measured, most=measured)


def alert(status, severity=Severity.WARNING):
    now = timezone.now()
    return Alert.objects.create(
        name="slow", metric="response_time", severity=severity, subject_kind="agent", status=status, since=now,
        began_at=now, seen_at=now, limit=5, resolved_at=now if status == AlertStatus.RESOLVED else None,
    )  # fmt: skip


@pytest.fixture
def everything(agent, tick):
    """Something of every family."""
    called(agent, 0.2, 4.0)
    with arranged():
        gauge(tick, "queue_waiting", "billing", 7)
        RunMeasure.objects.create(workflow="reply", span=Span.MINUTE, at=midnight(), started=2, succeeded=1, took_20=1)
        alert(AlertStatus.FIRING)
    pulses.beat("executor:oak:1")


def midnight():
    return int(timezone.now().timestamp()) // 86_400 * 86_400


def test_the_answer_parses_and_counters_histograms_and_gauges_are_told_apart(everything):
    samples, types = scraped()

    assert samples[("orchestra_agent_slots", ("agent", "writer"))] == 3
    assert types["orchestra_agent_response_seconds"] == types["orchestra_run_duration_seconds"] == "histogram"
    assert types["orchestra_agent_calls"] == types["orchestra_runs_ended"] == types["orchestra_events"] == "counter"


def test_names_and_units_are_as_prometheus_wants_them(everything):
    _, types = scraped()

    for name, kind in types.items():
        assert name.startswith("orchestra_") and name == name.lower()
        assert not name.endswith(("_total", "_percent", "_milliseconds", "_share")), name
        assert kind in {"counter", "gauge", "histogram"}


def test_every_gauge_of_the_catalogue_has_a_name_of_its_own():
    names = [work.name_of(metric) for metric in METRICS.values()]

    assert len(set(names)) == len(names)
    assert {"orchestra_pool_oldest_wait_seconds", "orchestra_disk_free_ratio", "orchestra_database_bytes"} <= set(names)


def test_an_agent_is_told_with_its_breaker_its_slots_and_its_calls(agent):
    with arranged():
        AgentHealth.objects.filter(pk=agent.pk).update(circuit="open", probe_at=timezone.now(), calls=41, failures=2)

    samples, _ = scraped()

    def of(name):
        return samples[(f"orchestra_agent_{name}", ("agent", "writer"))]

    assert [of(name) for name in ("breaker", "slots", "in_flight", "calls_total", "failures_total")] == [2, 3, 0, 41, 2]
    labels = {"agent": "writer", "kind": "python", "pool": "", "status": "online"}
    assert samples[("orchestra_agent_info", *sorted(labels.items()))] == 1


def test_response_times_are_a_histogram_whose_buckets_hold_all_that_is_faster(agent):
    called(agent, 0.005, 0.2, 0.3, 4.0, 7_000)

    below = {
        le: value("orchestra_agent_response_seconds_bucket", agent="writer", le=le) for le in ("0.1", "0.3", "5.0")
    }

    assert below == {"0.1": 1, "0.3": 3, "5.0": 4}
    assert value("orchestra_agent_response_seconds_bucket", agent="writer", le="+Inf") == 5
    assert value("orchestra_agent_response_seconds_count", agent="writer") == 5
    assert value("orchestra_agent_response_seconds_sum", agent="writer") == pytest.approx(7_004.505)


@pytest.mark.parametrize("bounds", [buckets.CALLS_S, buckets.RUNS_S])
def test_the_groups_of_buckets_hold_each_bucket_once(bounds):
    assert [index for group in buckets.groups(bounds) for index in group] == list(range(BUCKETS))
    assert set(bounds) <= set(BOUNDS_S)


def test_a_histogram_does_not_fall_when_minutes_are_added_up_and_removed(agent):
    noon = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)
    for hour in range(12):
        called(agent, 0.2, at=noon.replace(hour=hour))

    def count():
        from monitoring.prometheus.measures import calls

        return sum(calls(noon)[agent.pk].counts)

    before = count()
    measures.roll_up(noon)
    added_up = count()
    AgentMeasure.objects.filter(span=60, at__lt=noon - timedelta(hours=2, minutes=30)).delete()

    assert (before, added_up, count()) == (12, 12, 12)


def test_yesterday_s_calls_are_not_counted(agent):
    called(agent, 0.2, at=timezone.now() - timedelta(days=1))

    assert value("orchestra_agent_response_seconds_count", agent="writer") is None


def test_an_agent_that_is_a_process_is_told_with_what_it_uses(make_agent):  # noqa: F811
    python, process = make_agent("python"), make_agent("process")
    with arranged():
        type(process).objects.filter(pk=process.pk).update(kind="process")
    for agent in (python, process):
        AgentProcess.objects.create(agent=agent, memory_bytes=42_000_000, cpu_percent=150, measured_at=timezone.now())

    assert value("orchestra_agent_memory_bytes", agent="process") == 42_000_000
    assert value("orchestra_agent_cpu_ratio", agent="process") == 1.5
    assert value("orchestra_agent_memory_bytes", agent="python") is None


def test_names_with_quotes_backslashes_and_line_ends_survive(tick):
    name = 'a "b" \\c\\ \n d ü'
    with arranged():
        gauge(tick, "queue_waiting", name, 4)

    assert value("orchestra_queue_waiting", queue=name) == 4


def test_pools_are_told_by_name_with_what_the_collector_found(tick):
    pool = pools.create(
        "python", {"name": "billing", "template": {"config": {"function": "test.echo"}}, "min_size": 0, "max_size": 4},
        by=SYSTEM,
    )  # fmt: skip
    with arranged():
        gauge(tick, "pool_oldest_wait", str(pool.pk), 12.5)
        gauge(tick, "pool_utilization", str(pool.pk + 1), 0.5)  # a pool that is gone

    assert value("orchestra_pool_oldest_wait_seconds", pool="billing") == 12.5
    assert value("orchestra_pool_max_size", pool="billing") == 4
    assert not [key for key in scraped()[0] if key[0] == "orchestra_pool_utilization_ratio"]


def test_gauges_end_when_the_collector_stands_still_instead_of_repeating_the_last(tick):
    with arranged():
        gauge(tick, "queue_waiting", "default", 7)
    assert value("orchestra_queue_waiting", queue="default") == 7

    with arranged():
        GaugeSample.objects.update(at=tick.at - 300)
        Tick.objects.update(at=tick.at - 300)

    assert value("orchestra_queue_waiting", queue="default") is None
    assert value("orchestra_collector_last_tick_timestamp_seconds") == tick.at - 300


def test_runs_are_counted_by_status_with_their_durations(db):
    with arranged():
        RunMeasure.objects.create(
            workflow="reply", span=Span.MINUTE, at=midnight() + 60, started=5, succeeded=2, failed=1, seconds=9.5,
            took_18=2, took_30=1,
        )  # fmt: skip
        RunMeasure.objects.create(workflow="reply", span=Span.MINUTE, at=midnight() - 60, started=100)
        RunMeasure.objects.create(workflow="reply", span=Span.HOUR, at=midnight(), started=5)

    assert value("orchestra_runs_started_total", workflow="reply") == 5
    assert value("orchestra_runs_ended_total", workflow="reply", status="failed") == 1
    assert value("orchestra_run_duration_seconds_bucket", workflow="reply", le="1.0") == 2
    assert value("orchestra_run_duration_seconds_count", workflow="reply") == 3
    assert value("orchestra_run_duration_seconds_sum", workflow="reply") == 9.5


def test_alerts_that_fire_are_counted_by_severity_and_none_is_zero(db):
    with arranged():
        alert(AlertStatus.FIRING)
        alert(AlertStatus.FIRING)
        alert(AlertStatus.RESOLVED)
        alert(AlertStatus.NO_DATA, Severity.CRITICAL)

    firing = {severity: value("orchestra_alerts_firing", severity=severity) for severity in Severity.values}
    assert firing == {"info": 0, "warning": 2, "critical": 0}
    assert value("orchestra_alerts", severity="critical", status="no_data") == 1


def test_notifications_executors_and_events_are_told(db):
    with arranged():
        for ago, status in ((0, NotificationStatus.SENT), (0, NotificationStatus.FAILED), (2, NotificationStatus.SENT)):
            Notification.objects.create(
                channel_name="mail", kind="firing", status=status, subject="x",
                created_at=timezone.now() - timedelta(hours=ago),
            )  # fmt: skip
    pulses.beat("executor:oak:1")

    assert value("orchestra_notifications_last_hour", status="sent") == 1
    assert value("orchestra_notifications_last_hour", status="failed") == 1
    assert value("orchestra_notifications_last_hour", status="suppressed") == 0
    assert value("orchestra_executors") == 1
    assert value("orchestra_events_total") == chain.head()


def test_any_number_of_agents_costs_the_same_queries(make_agent, everything):  # noqa: F811
    def queries():
        with CaptureQueriesContext(connection) as captured:
            exposition.answer()
        return len(captured)

    few = queries()
    for number in range(30):
        called(make_agent(f"a{number}"), 0.3, fault=Fault.AGENT)

    assert queries() == few <= 20
