"""Measurements over the API: figures of agents, courses of metrics, and their bounds."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from agents import measures, pools
from agents.observation import Tally
from agents.outcomes import Fault
from monitoring.metrics.catalogue import METRICS
from monitoring.models import AgentSample, Gauge, GaugeSample, RunMeasure, Span, Tick
from orchestra.kernel.access import Actor
from tests.silent_writes import arranged
from workflows import definitions
from workflows.models import TaskQueue

pytestmark = pytest.mark.django_db
CATALOGUE = "/api/v1/metrics/"
AGENTS, SERIES = "/api/v1/metrics/agents/", "/api/v1/metrics/series/"


def called(agent, *seconds, ago=timedelta(minutes=10), fault=None, memory=None):
    tally = Tally()
    for took in seconds:
        tally.count(took, fault)
    if memory:
        tally.sample(memory)
    measures.write({(agent.pk, int((timezone.now() - ago).timestamp() // 60)): tally})


def at(*, minutes_ago):
    """The beginning of a minute, in seconds since 1970."""
    return int(timezone.now().timestamp()) // 60 * 60 - 60 * minutes_ago


def gauged(metric, subject, *values, minutes_ago=10):
    """A value a tick, from so long ago on."""
    with arranged():
        gauge, _ = Gauge.objects.get_or_create(metric=metric, kind=METRICS[metric].kind, subject=subject)
        for index, value in enumerate(values):
            moment = at(minutes_ago=minutes_ago) + 30 * index
            GaugeSample.objects.create(gauge=gauge, span=Span.TICK, at=moment, total=value, least=value, most=value)


def ticked(*moments):
    with arranged():
        Tick.objects.bulk_create([Tick(at=moment, holder="test") for moment in moments])


def sampled(agent, **values):
    with arranged():
        AgentSample.objects.create(agent=agent, span=Span.TICK, at=at(minutes_ago=10), **values)


@pytest.fixture
def pool(db):
    values = {"name": "billing", "template": {"config": {"function": "test.echo"}}, "min_size": 0, "max_size": 4}
    return pools.create("python", values, by=Actor.system("test"))


@pytest.fixture
def published(db):
    steps = [{"name": "a", "capabilities": ["work"]}]
    definitions.publish("reply", {"steps": steps}, by=Actor.system("test"), allow_unknown=True)
    return "reply"


@pytest.fixture
def agent(make_agent):
    return make_agent("writer", ["draft"])


def faults(response):
    assert response.status_code == 422
    return {fault["path"] for fault in response.json()["errors"]}


def test_an_agent_over_the_last_hour(agent, api, viewer):
    called(agent, 0.3, 0.3, 0.3, memory=70_000_000)
    called(agent, 0.3, fault=Fault.TIMEOUT)

    (shown,) = api(viewer).get(f"{AGENTS}?agent={agent.pk}").json()["results"]

    assert (shown["agent"], shown["name"], shown["measured_of"]) == (agent.pk, "writer", "worker")
    assert shown["failures"] == {"agent": 0, "caller": 0, "timeout": 1, "lost": 0}
    metrics = shown["metrics"]
    assert (metrics["calls"], metrics["error_rate"], metrics["memory_bytes"]) == (4, 0.25, 70_000_000)
    assert (metrics["response_p50"], metrics["cpu_percent"]) == (pytest.approx(0.3), None)


def test_a_course_has_a_point_for_each_step(agent, api, viewer):
    called(agent, 0.3, 0.3)

    shown = api(viewer).get(f"{SERIES}?agent={agent.pk}&metric=calls,response_p95&step=600").json()

    assert shown["step"] == 600
    calls, p95 = shown["series"]
    assert (calls["metric"], calls["unit"], p95["metric"], p95["unit"]) == ("calls", "count", "response_p95", "seconds")
    assert sum(value for _, value in calls["points"]) == 2
    assert [value for _, value in p95["points"] if value is not None] == [pytest.approx(0.3)]
    moments = [parse_datetime(at) for at, _ in calls["points"]]
    assert {(later - earlier).total_seconds() for earlier, later in pairwise(moments)} == {600}


def test_agents_are_paged_by_name(make_agent, api, viewer):
    for number in range(55):
        make_agent(f"a{number:02}")
    client = api(viewer)

    first = client.get(AGENTS).json()
    second = client.get(first["next"]).json()

    assert [row["name"] for row in first["results"]] == [f"a{number:02}" for number in range(50)]
    assert [row["name"] for row in second["results"]] == [f"a{number:02}" for number in range(50, 55)]
    assert (first["previous"], second["next"]) == (None, None)
    assert client.get(second["previous"]).json()["results"] == first["results"]


def test_agents_of_a_pool(make_agent, pool, api, viewer):
    make_agent("alone")
    with arranged():
        member = make_agent("member")
        type(member).objects.filter(pk=member.pk).update(pool=pool)
    called(member, 0.2)

    (shown,) = api(viewer).get(f"{AGENTS}?pool=billing&metric=calls").json()["results"]
    series = api(viewer).get(f"{SERIES}?pool={pool.pk}&metric=calls").json()["series"]

    assert (shown["name"], shown["metrics"]) == ("member", {"calls": 1})
    assert [each["name"] for each in series] == ["member"]


def test_what_is_collected_each_tick_is_answered_beside_what_calls_measured(agent, api, viewer):
    called(agent, 0.3)
    sampled(agent, calls=4, timed=4, seconds=2.0, in_flight=1, slots=4)

    shown = api(viewer).get(f"{AGENTS}?agent={agent.pk}&metric=calls,response_time,utilization").json()["results"][0]
    courses = api(viewer).get(f"{SERIES}?agent={agent.pk}&metric=response_p50,throughput_per_min,utilization").json()

    assert shown["metrics"] == {"calls": 1, "response_time": 0.5, "utilization": 0.25}
    values = {each["metric"]: [value for _, value in each["points"] if value is not None] for each in courses["series"]}
    assert values == {"response_p50": [pytest.approx(0.3)], "throughput_per_min": [8.0], "utilization": [0.25]}


def test_the_catalogue_says_what_each_figure_is_and_whether_thresholds_can_watch_it(api, viewer):
    figures = {figure["name"]: figure for figure in api(viewer).get(CATALOGUE).json()["results"]}

    assert METRICS.keys() < figures.keys()
    assert figures["response_time"] == {
        "name": "response_time", "kind": "agent", "label": "Response time", "unit": "seconds",
        "how": METRICS["response_time"].how, "thresholds": True,
    }  # fmt: skip
    assert (figures["response_p95"]["kind"], figures["response_p95"]["thresholds"]) == ("agent", False)


def test_a_pool_is_asked_for_by_its_name_or_its_number(pool, api, viewer):
    gauged("pool_size", str(pool.pk), 2, 4)

    for word in ("billing", pool.pk):
        (shown,) = api(viewer).get(f"{SERIES}?pool={word}&metric=pool_size").json()["series"]
        assert (shown["kind"], shown["subject"], shown["name"], shown["agent"]) == (
            "pool",
            str(pool.pk),
            "billing",
            None,
        )
        assert [value for _, value in shown["points"] if value is not None] == [3.0]


def test_queues_are_answered_all_at_once_or_by_name(api, viewer):
    with arranged():
        TaskQueue.objects.create(name="billing")
    gauged("queue_waiting", "default", 4)
    gauged("queue_waiting", "billing", 6)

    every = api(viewer).get(f"{SERIES}?metric=queue_waiting").json()["series"]
    one = api(viewer).get(f"{SERIES}?queue=billing").json()["series"]

    assert [each["name"] for each in every] == ["billing", "default"]
    assert {each["metric"] for each in one} == {"queue_waiting", "queue_oldest_wait", "queue_running", "queue_dead"}
    waiting = next(each for each in one if each["metric"] == "queue_waiting")
    assert [value for _, value in waiting["points"] if value is not None] == [6.0]


def test_a_workflow_is_answered_with_percentiles_from_buckets(api, viewer, published):
    with arranged():
        RunMeasure.objects.create(
            workflow=published, span=Span.MINUTE, at=at(minutes_ago=5), started=9, succeeded=8, failed=1, took_18=9,
            seconds=9, fastest_s=0.8, slowest_s=1.0,
        )  # fmt: skip

    asked = f"{SERIES}?workflow={published}&metric=workflow_started,workflow_failed,workflow_duration_p95"
    series = api(viewer).get(asked).json()["series"]

    last = {each["metric"]: [value for _, value in each["points"] if value] for each in series}
    assert last == {
        "workflow_started": [9],
        "workflow_failed": [1],
        "workflow_duration_p95": [pytest.approx(0.99, abs=0.02)],
    }


def test_the_system_is_one_subject(api, viewer):
    gauged("disk_free", "", 0.25)

    (shown,) = api(viewer).get(f"{SERIES}?metric=disk_free").json()["series"]

    assert (shown["kind"], shown["subject"], shown["unit"]) == ("system", "", "share")
    assert [value for _, value in shown["points"] if value is not None] == [0.25]


def test_ticks_that_nobody_collected_are_null_and_counted(api, viewer):
    start = at(minutes_ago=20)
    ticked(*range(start, start + 301, 30), *range(start + 600, at(minutes_ago=0) + 31, 30))
    gauged("disk_free", "", *[0.5] * 11, minutes_ago=20)
    gauged("disk_free", "", *[0.5] * 20, minutes_ago=10)

    answer = api(viewer).get(f"{SERIES}?metric=disk_free&step=60").json()

    (gap,) = answer["gaps"]
    assert (parse_datetime(gap["since"]).timestamp(), parse_datetime(gap["until"]).timestamp()) == (
        start + 330,
        start + 600,
    )
    assert answer["missing_ticks"] == gap["ticks"] == 9
    within = [value for moment, value in answer["series"][0]["points"] if gap["since"] < moment < gap["until"]]
    assert within == [None] * len(within) and within


def test_what_each_tick_collects_is_told_by_the_tick(api, viewer):
    gauged("disk_free", "", 0.25, 0.5, 0.75)
    since = datetime.fromtimestamp(at(minutes_ago=10), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    answer = api(viewer).get(f"{SERIES}?metric=disk_free&step=30&since={since}").json()

    assert answer["step"] == 30
    assert [value for _, value in answer["series"][0]["points"]][:4] == [0.25, 0.5, 0.75, None]


def test_of_an_agent_too_where_its_load_is_measured_being_known(agent, api, viewer):
    sampled(agent, calls=1, timed=1, judged=1, seconds=2.0)
    called(agent, 0.1, memory=1000)

    (shown,) = api(viewer).get(f"{SERIES}?agent={agent.pk}&metric=response_time&step=30").json()["series"]

    assert [value for _, value in shown["points"] if value is not None] == [2.0]
    minutes = api(viewer).get(f"{SERIES}?agent={agent.pk}&metric=response_time&step=60").json()["series"]
    assert shown["measured_of"] == minutes[0]["measured_of"] == "worker"


@pytest.mark.parametrize(
    "query",
    [
        "agent={pk}&metric=response_p95&step=30",
        "agent={pk}&metric=response_time,calls&step=30",
        "agent={pk}&step=30",
        "metric=workflow_failed&step=30",
        "metric=disk_free&step=90",
        "metric=disk_free&step=15",
    ],
)
def test_what_is_kept_by_the_minute_needs_whole_minutes(agent, api, viewer, query):
    answer = api(viewer).get(f"{SERIES}?{query.format(pk=agent.pk)}")

    assert faults(answer) == {"step"}
    assert "multiple of 60" in answer.json()["errors"][0]["message"]


def test_steps_of_a_tick_are_kept_as_long_as_ticks_are(api, viewer):
    since, until = ((timezone.now() - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ") for days in (8.1, 8.05))

    assert faults(api(viewer).get(f"{SERIES}?metric=disk_free&step=30&since={since}&until={until}")) == {"step"}


def test_a_collector_that_has_stopped_is_a_gap_up_to_now(api, viewer):
    ticked(at(minutes_ago=20), at(minutes_ago=20) + 30)

    answer = api(viewer).get(f"{SERIES}?metric=disk_free").json()

    assert 36 <= answer["missing_ticks"] <= 40


def test_before_the_first_tick_nothing_is_missing(api, viewer):
    assert api(viewer).get(f"{SERIES}?metric=disk_free").json()["missing_ticks"] == 0

    ticked(at(minutes_ago=0))

    assert api(viewer).get(f"{SERIES}?metric=disk_free").json()["missing_ticks"] == 0


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("metric=disk_free,pool_size", "metric"),
        ("metric=pool_size&queue=default", "queue"),
        ("metric=disk_free&agent=1", "agent"),
        ("pool=nothing", "pool"),
        ("queue=nothing", "queue"),
        ("workflow=nothing", "workflow"),
        ("metric=disk_free&until=soon", "until"),
        ("metric=disk_free&since=2026-01-02&until=2026-01-01", "since"),
    ],
)
def test_what_makes_no_sense_of_other_kinds_is_named(api, viewer, query, path):
    assert faults(api(viewer).get(f"{SERIES}?{query}")) == {path}


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("metric=disk_free", "metric"),
        ("limit=0", "limit"),
        ("agent=x", "agent"),
        ("agent=999999", "agent"),
        ("x=1", "x"),
    ],
)
def test_what_makes_no_sense_of_agents_is_named(api, viewer, query, path):
    assert faults(api(viewer).get(f"{AGENTS}?{query}")) == {path}


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("", "agent"),
        ("agent=x", "agent"),
        ("agent=999999", "agent"),
        ("agent=" + ",".join(map(str, range(1, 60))), "agent"),
        ("agent={pk}&metric=magic", "metric"),
        ("agent={pk}&since=yesterday", "since"),
        ("agent={pk}&since=2999-01-01", "since"),
        ("agent={pk}&step=61", "step"),
        ("agent={pk}&step=0", "step"),
        ("agent={pk}&step=99999999999999999999", "step"),
        ("agent={pk}&since=2026-01-01&step=60", "step"),
        ("agent={pk}&colour=red", "colour"),
    ],
)
def test_what_makes_no_sense_is_named(agent, api, viewer, query, path):
    assert faults(api(viewer).get(f"{SERIES}?{query.format(pk=agent.pk)}")) == {path}


def test_an_answer_has_at_most_a_thousand_points_a_series(agent, api, viewer):
    since = (timezone.now() - timedelta(hours=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = f"{SERIES}?agent={agent.pk}&metric=calls&since={since}"

    assert faults(api(viewer).get(f"{asked}&step=60")) == {"step"}
    assert len(api(viewer).get(f"{asked}&step=120").json()["series"][0]["points"]) == 601
    assert len(api(viewer).get(asked).json()["series"][0]["points"]) <= 200


@pytest.mark.parametrize("address", [SERIES, AGENTS])
def test_any_number_of_agents_costs_the_same_queries(make_agent, api, viewer, address):
    client = api(viewer)

    def queries(count):
        numbers = ",".join(str(make_agent(f"a{count}-{number}").pk) for number in range(count))
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"{address}?agent={numbers}&metric=calls,utilization").status_code == 200
        return len(captured)

    queries(1)  # the token's first use is noted

    assert queries(2) == queries(40)


def test_agents_are_listed_with_percentiles_and_what_they_use(agent, api, viewer):
    called(agent, *[0.3] * 8, ago=timedelta(minutes=1), memory=70_000_000)

    (shown,) = api(viewer).get("/api/v1/agents/").json()["results"]

    stats = shown["stats"]
    assert (stats["response_p50"], stats["response_p95"]) == (pytest.approx(0.3), pytest.approx(0.3))
    assert (stats["memory_bytes"], stats["cpu_percent"], stats["measured_of"]) == (70_000_000, None, "worker")


def test_strangers_see_nothing(client):
    assert client.get(AGENTS).status_code == 401
