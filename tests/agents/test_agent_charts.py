"""Figures on the agents' pages: charts over a range, courses in the list, and what the pages ask the database."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import agent_charts, measures
from agents.models import Agent, AgentProcess
from agents.observation import Tally
from agents.outcomes import Fault
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
CHARTS = {"X-Regions": "agent-figures"}


def called(agent, *seconds, ago=timedelta(minutes=10), fault=None):
    tally = Tally()
    for took in seconds:
        tally.count(took, fault)
        tally.spend(0.01)
    tally.sample(60_000_000)
    measures.write({(agent.pk, int((timezone.now() - ago).timestamp() // 60)): tally})


def become(agent, kind):
    with arranged():
        Agent.objects.filter(pk=agent.pk).update(kind=kind)


@pytest.fixture
def agent(make_agent):
    return make_agent("writer", ["draft"])


def titles(response):
    return [f"{chart.title} {chart.note}".strip() for chart in response.context["charts"]()]


def test_a_function_is_drawn_with_its_worker_s_memory_and_its_threads_processor_time(agent, as_, viewer):
    called(agent, 0.2, 0.3, 4.0)

    response = as_(viewer).get(f"/agents/{agent.pk}/")

    assert titles(response) == [
        "Response", "Throughput", "Errors", "Memory of its worker", "Processor of its calls’ threads"
    ]  # fmt: skip
    shown = response.content.decode()
    assert shown.count("data-chart=") == 5
    assert "60 MB" in shown


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("process", ["Response", "Throughput", "Errors", "Memory", "Processor"]),
        ("http", ["Response", "Throughput", "Errors"]),
    ],
)
def test_only_what_can_be_measured_of_a_kind_is_drawn(agent, as_, viewer, kind, expected):
    become(agent, kind)

    assert titles(as_(viewer).get(f"/agents/{agent.pk}/")) == expected


def test_a_person_is_not_measured(make_agent, as_, viewer):
    person = make_agent("desk", kind="human")

    assert "agent-figures" not in as_(viewer).get(f"/agents/{person.pk}/").content.decode()


@pytest.mark.parametrize(("asked", "ago", "step_s"), [
    ("1h", timedelta(minutes=50), 60),
    ("24h", timedelta(hours=20), 900),
    ("7d", timedelta(days=1, hours=20), 7_200),
    ("60d", timedelta(days=1, hours=20), 43_200),
    ("nonsense", timedelta(minutes=50), 60),
])  # fmt: skip
def test_the_address_says_the_range(agent, as_, viewer, asked, ago, step_s):
    called(agent, 0.2, ago=ago)
    measures.roll_up()

    (response, *_) = as_(viewer).get(f"/agents/{agent.pk}/?range={asked}").context["charts"]()

    assert response.has_values
    assert (response.times[1] - response.times[0]).total_seconds() == step_s
    assert len(response.times) <= agent_charts.MOST_POINTS


def test_without_any_call_a_chart_says_so_instead_of_showing_nothing(agent, as_, viewer):
    shown = as_(viewer).get(f"/agents/{agent.pk}/").content.decode()

    assert "Nothing was measured in this time." in shown


def test_the_charts_cost_one_query_whatever_the_range(agent, as_, viewer):
    browser = as_(viewer)

    def tables(asked):
        with CaptureQueriesContext(connection) as captured:
            browser.get(f"/agents/{agent.pk}/?range={asked}", headers=CHARTS)
        return [query["sql"] for query in captured if "agentmeasure" in query["sql"]]

    assert [len(tables(asked)) for asked in agent_charts.RANGES] == [2] * 4  # with the last hour, for what it uses now


def test_a_process_is_shown_with_its_holder_and_how_it_ended(agent, as_, viewer):
    become(agent, "process")
    browser, now = as_(viewer), timezone.now()
    assert "No executor has started it yet" in browser.get(f"/agents/{agent.pk}/").content.decode()

    AgentProcess.objects.create(
        agent=agent, holder="executor:oak:7", host="oak", pid=4711, lease_expires_at=now + timedelta(seconds=15),
        started_at=now, restarts=2, last_exit="It was killed by signal 9.", memory_bytes=42_000_000, cpu_percent=3.0,
        measured_at=now,
    )  # fmt: skip

    shown = browser.get(f"/agents/{agent.pk}/").content.decode()
    for said in ("executor:oak:7", "process 4711", "42 MB", "3 %", "It was killed by signal 9."):
        assert said in shown


def test_the_list_has_courses_of_the_last_hour_from_one_query(make_agent, as_, viewer):
    for number in range(30):
        called(make_agent(f"a{number:02}"), 0.2, 0.4)
    called(make_agent("broken"), 0.2, fault=Fault.AGENT)
    browser = as_(viewer)

    with CaptureQueriesContext(connection) as captured:
        response = browser.get("/agents/")

    assert len([query for query in captured if "agentmeasure" in query["sql"]]) == 1
    recent = {agent.name: agent.recent for agent in response.context["agents"]}
    assert (recent["a00"].calls, recent["a00"].success_rate, recent["broken"].success_rate) == (2, 1.0, 0.0)
    assert response.content.decode().count("Average response in the last hour") == 2 * 31  # as label and as title
