"""Measurements over the API: figures of agents, courses of metrics, and their bounds."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from agents import measures
from agents.observation import Tally
from agents.outcomes import Fault

pytestmark = pytest.mark.django_db
AGENTS, SERIES = "/api/v1/metrics/agents/", "/api/v1/metrics/series/"


def called(agent, *seconds, ago=timedelta(minutes=10), fault=None, memory=None):
    tally = Tally()
    for took in seconds:
        tally.count(took, fault)
    if memory:
        tally.sample(memory)
    measures.write({(agent.pk, int((timezone.now() - ago).timestamp() // 60)): tally})


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


def test_without_agents_the_first_fifty_by_name(make_agent, api, viewer):
    for number in range(55):
        make_agent(f"a{number:02}")

    results = api(viewer).get(AGENTS).json()["results"]

    assert [row["name"] for row in results] == [f"a{number:02}" for number in range(50)]


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


def test_any_number_of_agents_costs_the_same_queries(make_agent, api, viewer):
    client = api(viewer)

    def queries(count):
        numbers = ",".join(str(make_agent(f"a{count}-{number}").pk) for number in range(count))
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"{SERIES}?agent={numbers}&metric=calls").status_code == 200
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
