"""Questions to the audit trail."""

import re
from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Agent
from monitoring.audit import trail
from monitoring.audit.trail import AuditList
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Invalid
from orchestra.kernel.events import Outcome, Ref
from tests.monitoring.happenings import ENGINE, TRIAGE, happened, happened_at
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
RUN = Ref("run", 7, "customer_inquiry")


def asked(**params):
    """The numbers of what is found."""
    return [event.number for event in AuditList(params).page().rows]


def test_the_newest_comes_first():
    first, second = happened(), happened()

    assert asked() == [second.number, first.number]


def test_by_kind_of_actor():
    happened()
    by_agent = happened(by=TRIAGE)

    assert asked(actor="agent") == [by_agent.number]


def test_by_one_actor():
    wanted = happened(by=Actor("person", "2", "Omar"))
    happened(by=Actor("person", "22", "Vera"))

    assert asked(actor="person:2") == [wanted.number]


def test_by_the_name_a_person_signs_in_with(operator):
    wanted = happened(by=Actor("person", str(operator.pk), "Olga"))
    happened(by=ENGINE)

    assert asked(actor="olga") == [wanted.number]


def test_by_the_name_of_an_agent():
    with arranged():
        agent = Agent.objects.create(name="billing-1", kind="python")
    wanted = happened(by=Actor("agent", str(agent.pk), "billing-1"))
    happened(by=Actor("agent", "999", "billing-1"))

    assert asked(actor="billing-1") == [wanted.number]


def test_by_the_name_of_a_part_of_the_system():
    wanted = happened(by=ENGINE)
    happened(by=Actor.system("breaker"))

    assert asked(actor="engine") == [wanted.number]


def test_by_an_action_or_several():
    one, other, _ = happened("RunStarted"), happened("RunFailed"), happened("RunSucceeded")

    assert asked(action="RunFailed") == [other.number]
    assert asked(action="RunFailed,RunStarted") == [other.number, one.number]


def test_about_a_kind_of_object():
    happened()
    about_run = happened(target=RUN)

    assert asked(target="run") == [about_run.number]


def test_about_an_object_and_what_belongs_to_it():
    about_run = happened(target=RUN)
    about_its_step = happened(target=Ref("step", 70, "triage"), parent=RUN)
    happened(target=Ref("run", 70))

    assert asked(target="run:7") == [about_its_step.number, about_run.number]


@pytest.mark.parametrize("outcome", Outcome.values)
def test_by_outcome(outcome):
    events = {value: happened(outcome=value).number for value in Outcome.values}

    assert asked(outcome=outcome) == [events[outcome]]


def test_by_correlation():
    story = [happened(correlation="one").number for _ in range(2)]
    happened(correlation="other")

    assert asked(correlation="one") == story[::-1]


def test_between_two_moments():
    now = timezone.now()
    happened_at(*(now - timedelta(days=day) for day in (9, 7, 5, 3, 1)))

    assert asked(since=(now - timedelta(days=8)).isoformat(), until=(now - timedelta(days=2)).isoformat()) == [4, 3, 2]


def test_since_how_long_ago():
    now = timezone.now()
    happened_at(now - timedelta(days=3), now - timedelta(hours=30), now - timedelta(minutes=30))

    assert (asked(since="1h"), asked(since="2d"), asked(since="90d")) == ([3], [3, 2], [3, 2, 1])


def test_events_that_were_numbered_later_than_they_happened_are_found_by_their_time():
    """A long unit of work: its event is numbered after others that happened after it."""
    now = timezone.now()
    happened_at(now - timedelta(hours=2), now - timedelta(hours=2, minutes=4), now - timedelta(hours=1))

    assert asked(until=(now - timedelta(hours=2, minutes=2)).isoformat()) == [2]
    assert asked(since=(now - timedelta(hours=2, minutes=1)).isoformat()) == [3, 1]


def test_words_are_looked_for_in_the_names():
    wanted = happened(by=Actor("person", "2", "Omar Haddad"), target=Ref("inquiry", 3, "Refund for a seat"))
    happened(target=Ref("inquiry", 4, "Refund"))

    assert asked(search="refund omar") == [wanted.number]
    assert asked(search=f"#{wanted.number}") == [wanted.number]


def test_words_are_looked_for_in_the_last_events_and_then_further_back(monkeypatch):
    monkeypatch.setattr(trail, "SEARCHED", 3)
    now = timezone.now()
    happened_at(*(now - timedelta(hours=hours) for hours in range(8, 0, -1)), target_label="refund")

    near = AuditList({"search": "refund"})
    further = AuditList(dict(parse_qsl(near.further_back[1:])))

    assert [event.number for event in near.page().rows] == [8, 7, 6]
    assert near.searched_back_to.number == 6
    assert {event.number for event in further.page().rows} >= {5, 6}
    assert AuditList({"search": "refund"}, everywhere=True).count() == 8


def test_a_search_among_few_events_says_nothing_of_its_limit():
    happened()

    assert AuditList({"search": "twice"}).searched_back_to is None


def test_filters_are_combined():
    wanted = happened("RunFailed", by=ENGINE, target=RUN, outcome=Outcome.FAILED)
    happened("RunFailed", by=ENGINE, target=RUN)
    happened("RunFailed", target=RUN, outcome=Outcome.FAILED)

    assert asked(actor="system", target="run:7", outcome="failed") == [wanted.number]


def test_pages_follow_one_another():
    numbers = [happened().number for _ in range(5)][::-1]
    first = AuditList({"limit": "2"}).page()
    second = AuditList({"limit": "2", "cursor": first.next}).page()
    back = AuditList({"limit": "2", "cursor": second.previous}).page()

    assert [[event.number for event in page.rows] for page in (first, second, back)] == [
        numbers[:2],
        numbers[2:4],
        numbers[:2],
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("action", "DROP TABLE"),
        ("target", "run 7"),
        ("outcome", "good"),
        ("since", "yesterday"),
        ("since", "5x"),
        ("until", "2026-13-01"),
    ],
)
def test_what_it_does_not_understand_is_named(name, value):
    with pytest.raises(Invalid) as refused:
        AuditList({name: value})

    assert [fault["path"] for fault in refused.value.errors] == [name]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"actor": "person"},
        {"actor": "person:1"},
        {"action": "InquiryClaimed"},
        {"target": "inquiry"},
        {"target": "inquiry:42"},
        {"outcome": "denied"},
        {"correlation": "one"},
        {"since": "24h"},
        {"search": "refund"},
    ],
)
def test_every_filter_has_an_index(params):
    """With sequential scans made dear, the planner must know a way without one."""
    for _ in range(3):
        happened(correlation="one")
    listing = AuditList(params)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
    plan = listing.queryset().order_by("-number")[:51].explain()

    assert "Seq Scan" not in plan
    assert not re.search(r"SCAN kernel_event(?! USING)", plan)


def test_a_page_takes_the_same_few_queries_however_long_it_is():
    happened()
    with CaptureQueriesContext(
        connection,
    ) as few:
        AuditList({}).page()
    for _ in range(20):
        happened(after={"n": 1})
    with CaptureQueriesContext(connection) as many:
        assert len(AuditList({}).page().rows) == 21

    assert len(few) == len(many) == 3
