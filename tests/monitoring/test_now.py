"""The first page: every figure is that of the list it links to."""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import CIRCUIT_STATES, AgentHealth, Circuit
from agents.outcomes import Failed
from monitoring.models import Tick
from monitoring.now import Now
from orchestra.kernel import pulses
from orchestra.kernel.events import Ref
from tests.monitoring.alerts_made import alert, condition, silence
from tests.monitoring.happenings import ADA, ENGINE, INQUIRY, happened
from tests.silent_writes import arranged
from workflows.customer_service.models import Inquiry
from workflows.models import Run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _forget():
    cache.clear()


@pytest.fixture
def olga(operator, as_):
    return as_(operator)


@pytest.fixture
def now(operator):
    """The first page's parts, as of this moment."""
    return lambda: Now(operator.pk, timezone.now())


def tile(now, name):
    """The tile of that name; those that are always there come first, in their order."""
    names = ["reviews", "alerts", "overdue", "failed", "dead", "breakers"]
    return dict(zip([*names, *(tile.name for tile in now().tiles[len(names) :])], now().tiles, strict=True))[name]


def rows_behind(browser, address):
    """How many rows the list at ``address`` shows."""
    page = browser.get(address).content.decode()
    return len(re.findall(r'id="(?:row|run|agent|event|alert)-\d+"', page))


def open_breaker(name="billing-1"):
    with arranged():
        health = AgentHealth.objects.get(agent__name=name)
        CIRCUIT_STATES.move(health, Circuit.OPEN, opened_at=timezone.now(), probe_at=timezone.now())


def test_before_anything_came_in_it_says_what_to_do(olga):
    page = olga.get("/").content.decode()

    assert "Nothing has come in yet" in page
    assert "manage.py demo" in page
    assert 'href="/desk/new/"' in page


def test_a_viewer_is_not_offered_what_they_may_not_do(viewer, as_):
    assert 'href="/desk/new/"' not in as_(viewer).get("/").content.decode()


def test_with_the_first_inquiry_the_board_appears(olga, receive):
    fresh = olga.get("/", headers={"X-Regions": "now-board"}).content.decode()
    receive()
    full = olga.get("/", headers={"X-Regions": "now-board"}).content.decode()

    assert 'data-topics="agent inquiry run"' in fresh
    assert 'id="now-flow"' in full


def test_reviews_due_are_those_at_the_desk(now, olga, escalated):
    escalated(body="first")
    escalated(body="second")

    due = tile(now, "reviews")

    assert (due.count, due.tone) == (2, "waiting")
    assert due.since == Inquiry.objects.earliest("due_at", "id").escalated_at
    assert rows_behind(olga, due.url) == 2


def test_overdue_inquiries_are_counted(now, olga, escalated):
    escalated(body="in time")
    late = escalated(body="late")
    with arranged():
        Inquiry.objects.filter(pk=late.pk).update(due_at=timezone.now() - timedelta(hours=1))

    overdue = tile(now, "overdue")

    assert (overdue.count, overdue.tone) == (1, "failed")
    assert rows_behind(olga, overdue.url) == 1


def test_failed_runs_of_the_last_day_are_counted(now, olga, receive):
    runs = [Run.objects.get(serves_id=str(receive(body=body).pk)) for body in ("today", "last week", "fine")]
    with arranged():
        for run in runs[:2]:
            Run.objects.filter(pk=run.pk).update(status="failed", finished_at=timezone.now())
        Run.objects.filter(pk=runs[1].pk).update(created_at=timezone.now() - timedelta(days=7))

    failed = tile(now, "failed")

    assert failed.count == 1
    assert rows_behind(olga, failed.url) == 1


def test_dead_steps_are_counted_from_the_trail(now, olga):
    happened("StepDied", by=ENGINE, target=Ref("step", 7, "triage"), outcome="failed")

    dead = tile(now, "dead")

    assert dead.count == 1
    assert rows_behind(olga, dead.url) == 1


def test_open_breakers_are_counted_and_named(now, olga, service):
    open_breaker()

    breaker = tile(now, "breakers")

    assert (breaker.count, breaker.note) == (1, "billing-1, since")
    assert rows_behind(olga, breaker.url) == 1


def test_what_waits_for_nobody_is_calm(now):
    assert {(tile.count, tile.tone, tile.since) for tile in now().tiles} == {(0, "", None)}


def test_runs_begun_are_counted_for_the_hour(now, receive):
    for body in ("one", "two"):
        receive(body=body)

    assert (now().started.of, now().started.course[-1]) == (2, 2)


def test_the_automated_share_leaves_people_out(now, receive, play, escalated):
    receive(body="answered by agents")
    play()
    escalated(body="put before a person")
    receive(body="not decided yet")

    assert (now().automated.value, now().automated.of) == (0.5, 2)


def test_without_inquiries_there_is_no_share(now):
    assert now().automated.value is None


def test_waiting_runs_are_those_for_people(now, escalated, receive):
    escalated(body="waits")
    receive(body="does not")

    assert (now().waiting.value, now().under_way) == (1, 2)


def test_the_agents_that_are_worst_off_come_first(now, service):
    with arranged():
        for name, last in (("calm", 1), ("worse", 2)):
            agent = AgentHealth.objects.get(agent__name="billing-1").agent
            agent.pk, agent.name = None, name
            agent._state.adding = True
            agent.save()
            AgentHealth.objects.create(agent=agent, last_called_at=timezone.now() - timedelta(minutes=last))
    open_breaker("worse")

    assert [agent.name for agent in now().strained] == ["worse", "calm", "billing-1"]


def test_runs_at_work_come_before_those_that_wait(now, escalated, receive):
    waits = escalated(body="waits")
    works = receive(body="works")
    with arranged():
        Run.objects.filter(serves_id=str(works.pk)).update(status="running")

    assert [row.run.serves_id for row in now().running] == [str(works.pk), str(waits.pk)]


def test_what_changed_is_what_people_decided_and_the_system_reports(now):
    happened("RunStarted", by=ENGINE, target=Ref("run", 7))
    decided = happened("AgentChanged", target=Ref("agent", 3, "billing-1"))
    happened("InquiryReceived")
    reported = happened("CircuitOpened", by=ENGINE, target=Ref("agent", 3, "billing-1"))
    happened("AgentChanged", target=Ref("agent", 3), outcome="denied")

    assert [deed.event.number for deed in now().changes[:2]] == [reported.number, decided.number]


def test_a_bulk_action_is_one_deed(now):
    for _ in range(5):
        happened("ReplyApproved", correlation="bulk")
    happened("ReplyApproved", correlation="another")

    assert [deed.more for deed in now().changes[:2]] == [0, 4]


def test_it_says_when_no_worker_is_running(olga, receive):
    receive()
    without = olga.get("/").content.decode()
    pulses.beat(pulses.of_process(pulses.EXECUTOR))
    pulses_alive = olga.get("/").content.decode()

    assert "No worker is running" in without
    assert "No worker is running" not in pulses_alive


@pytest.mark.parametrize("region", ["now-needs", "now-flow", "now-strain", "now-changes", "now-running", "now-alerts"])
def test_each_part_can_be_fetched_alone(olga, escalated, region):
    escalated()

    page = olga.get("/", headers={"X-Regions": region}).content.decode()

    assert page.count("data-region") == 1
    assert f'id="{region}"' in page


def test_it_takes_the_same_queries_however_much_there_is(olga, escalated, play, receive):
    escalated(body="first")
    olga.get("/")
    with CaptureQueriesContext(connection) as few:
        olga.get("/")
    for number in range(8):
        escalated(body=f"more {number}")
        happened("AgentChanged", by=ADA, target=INQUIRY, reason="because")
    with CaptureQueriesContext(connection) as many:
        olga.get("/")

    assert len(many) <= len(few) + 1  # the detail of what changed
    assert len(many) <= 47  # three of them ask PostgreSQL for its clock


def test_runs_that_failed_in_the_hour_are_counted(now, receive, play):
    receive(body="fails")
    play(reply=Failed("The mail server is away.", retryable=False))
    receive(body="goes on")

    assert (now().failed.value, now().failed_share) == (1, 0.5)


def test_alerts_that_fire_and_that_nobody_has_acknowledged_are_counted(now, olga):
    alert("billing-1", severity="critical")
    alert("billing-2", acknowledged_at=timezone.now(), acknowledged_until=timezone.now() + timedelta(hours=1))
    alert("billing-3", status="pending")

    firing = tile(now, "alerts")

    assert (firing.count, firing.tone) == (1, "failed")
    assert "billing-1" in firing.note
    assert rows_behind(olga, firing.url) == 1


def test_what_fires_stands_on_the_first_page_with_its_value_and_its_limit(olga, receive):
    receive()
    alert("billing-1")

    page = olga.get("/", headers={"X-Regions": "now-alerts"}).content.decode()

    assert "billing-1" in page
    assert "8.2 s" in page
    assert "firing" in page


def test_what_is_resolved_does_not(olga, receive):
    receive()
    alert("billing-1", status="resolved")

    assert "billing-1" not in olga.get("/", headers={"X-Regions": "now-alerts"}).content.decode()


def test_a_silence_that_ends_soon_is_warned_of(olga, receive):
    receive()
    alert("billing-1")
    silence(condition("agent", "=", "billing-1"), ends_at=timezone.now() + timedelta(minutes=10))

    assert "billing-1" in olga.get("/", headers={"X-Regions": "silences-ending"}).content.decode()


def test_the_wall_board_shows_the_same_without_the_frame(olga, viewer, as_, receive):
    receive()
    alert("billing-1")

    page = as_(viewer).get("/wall/").content.decode()

    parts = ("now-needs", "now-flow", "now-strain", "now-alerts", "now-changes")
    assert [part for part in parts if f'id="{part}"' not in page] == []
    assert "billing-1" in page
    assert 'class="bar' not in page
    assert olga.get("/wall/", headers={"X-Regions": "now-flow"}).content.decode().count("data-region") == 1


@pytest.mark.parametrize("is_on", [True, False])
def test_it_says_so_where_monitoring_is_switched_off(olga, receive, settings, is_on):
    receive()
    settings.MONITORING = is_on

    assert ("Monitoring is switched off" in olga.get("/").content.decode()) is not is_on


def collected(ago_s):
    Tick.objects.create(at=int(timezone.now().timestamp() - ago_s), holder="test")


@pytest.mark.parametrize("page", ["/", "/wall/", "/alerts/"])
@pytest.mark.parametrize(
    ("ago_s", "says"),
    [
        (45, None),
        (-20, None),
        (120, "no metrics are collected, so no threshold is watched"),
        (3 * 86_400, "no metrics are collected, so no threshold is watched"),
        (-600, "which is yet to come"),
    ],
)
def test_figures_that_stand_still_are_told_of(olga, receive, settings, page, ago_s, says):
    receive()
    settings.MONITORING = True
    pulses.beat(pulses.of_process(pulses.EXECUTOR))
    collected(ago_s)

    content = olga.get(page).content.decode()

    assert ("Figures stand still" in content) is (says is not None)
    assert says is None or says in content


@pytest.mark.parametrize(
    ("is_on", "has_workers", "has_begun"), [(False, True, True), (True, False, True), (True, True, False)]
)
def test_they_stand_still_only_where_somebody_should_collect(olga, receive, settings, is_on, has_workers, has_begun):
    receive()
    settings.MONITORING = is_on
    if has_workers:
        pulses.beat(pulses.of_process(pulses.EXECUTOR))
    if has_begun:
        collected(600)

    assert "Figures stand still" not in olga.get("/").content.decode() + olga.get("/alerts/").content.decode()


def test_whether_they_stand_still_takes_a_query_more(settings, django_assert_num_queries):
    settings.MONITORING = True
    pulses.beat(pulses.of_process(pulses.EXECUTOR))
    collected(600)
    watch = Now(1, timezone.now()).watch

    assert watch.has_workers
    with django_assert_num_queries(1):
        assert watch.still and not watch.still.is_ahead
