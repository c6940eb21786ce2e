"""The evaluator: each tick once and in order, alerts that begin, change and end, on real rows."""

import re
import threading

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from monitoring.alerting import evaluator
from monitoring.models import Alert, Notification, Threshold, Tick
from monitoring.notification import planner
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event
from tests.monitoring.alerting.measured import (
    START,
    evaluate,
    gauge,
    instant,
    live,
    restart,
    statuses,
    threshold,
    tick,
    told,
    took,
)
from tests.silent_writes import arranged
from workflows.models import TaskQueue

OLGA = Actor("person", "1", "Olga", role="operator")


@pytest.fixture(autouse=True)
def fresh(db):
    restart()


def test_a_breach_becomes_an_alert_that_fires_recovers_and_is_resolved():
    limit = threshold(for_s=60, keep_firing_s=60, severity="critical")

    last = live([9, 12, 9, 3, 3, 3])

    alert = Alert.objects.get()
    assert told() == ["AlertOpened", "AlertFired", "RecoveryStarted", "AlertResolved"]
    assert (alert.status, alert.threshold, alert.severity, alert.subject_id) == (
        "resolved", limit, "critical", "default",
    )  # fmt: skip
    assert (alert.began_at, alert.fired_at) == (instant(START), instant(START + 60))
    assert (alert.resolved_at, alert.since) == (instant(last), instant(last))
    assert (alert.value, alert.worst, alert.limit, alert.resolved_by) == (3, 12, 5, "")


def test_an_alert_has_the_labels_that_routes_and_silences_match(make_agent):
    agent = make_agent("biller")
    threshold("Slow", metric="response_time", severity="critical")
    took(agent, 9.0, START)
    tick(START)

    evaluate(START)

    assert Alert.objects.get().labels == {
        "threshold": "Slow",
        "metric": "response_time",
        "severity": "critical",
        "kind": "agent",
        "agent": "biller",
    }


def test_values_are_kept_up_to_date_without_an_event():
    threshold()
    live([9])
    events = Event.objects.count()

    live([7, 8], first=START + 30)

    alert = Alert.objects.get()
    assert (alert.value, alert.value_at, alert.worst, alert.seen_at) == (
        8, instant(START + 60), 9, instant(START + 60),
    )  # fmt: skip
    assert Event.objects.count() == events


def test_each_subject_has_an_alert_of_its_own():
    threshold()
    with arranged():
        TaskQueue.objects.create(name="mail")
    tick(START)
    gauge(9, START)
    gauge(8, START, "mail")

    assert evaluate(START) == 2
    assert sorted(statuses()) == [("default", "firing"), ("mail", "firing")]


def test_a_breach_that_comes_back_within_the_flapping_window_is_the_same_alert():
    threshold()
    last = live([9, 3])
    with arranged():
        Alert.objects.update(note="mine", acknowledged_by="Olga")

    live([9], first=last + 1800)

    alert = Alert.objects.get()
    assert (alert.status, alert.note, alert.acknowledged_by, alert.resolved_at) == ("firing", "mine", "Olga", None)


def test_a_breach_that_comes_back_later_is_another_alert():
    threshold()
    last = live([9, 3])

    live([9], first=last + 1830)

    assert statuses() == [("default", "resolved"), ("default", "firing")]


def test_too_many_changes_are_flapping_and_that_ends():
    threshold(flap_changes=2, flap_window_s=300)

    last = live([9, 3, 9])
    flapping = Alert.objects.get().flapping
    live([9] * 12, first=last + 30)

    assert flapping and not Alert.objects.get().flapping
    assert told()[-2:] == ["FlappingStarted", "FlappingStopped"]


def test_an_alert_that_flapped_and_was_resolved_calms_down():
    threshold(flap_changes=2, flap_window_s=300)
    last = live([9, 3, 9, 3])

    live([3] * 20, first=last + 30)

    assert not Alert.objects.get().flapping


# --- Each tick once, in order ---


def test_ticks_that_nobody_evaluated_are_evaluated_in_order():
    threshold(for_s=60)
    for number, value in enumerate([9, 9, 9, 3]):
        tick(START + 30 * number)
        gauge(value, START + 30 * number)

    assert evaluate(START + 90) == 3
    assert told() == ["AlertOpened", "AlertFired", "AlertResolved"]
    assert not Tick.objects.filter(evaluated=False).exists()


def test_a_tick_is_evaluated_once():
    threshold()
    live([9])

    assert evaluate(START) == 0
    assert Tick.objects.get().transitions == 1


def test_a_tick_that_another_process_has_taken_changes_nothing(monkeypatch):
    threshold()
    tick(START)
    gauge(9, START)
    take = evaluator.survey.take

    def overtaken(at, held):
        found = take(at, held)
        Tick.objects.filter(pk=at).update(evaluated=True)
        return found

    monkeypatch.setattr(evaluator.survey, "take", overtaken)

    assert evaluate(START) == 0
    assert not Alert.objects.exists()


def test_a_tick_that_comes_late_is_marked_and_changes_nothing():
    threshold()
    live([3, 3, 3])
    tick(START - 30)
    gauge(9, START - 30)

    assert evaluate(START + 60) == 0
    assert not Alert.objects.exists()
    assert not Tick.objects.filter(evaluated=False).exists()


def test_a_tick_of_a_clock_that_is_ahead_waits_for_its_time():
    threshold()
    tick(START + 3600)
    gauge(9, START + 3600)

    assert evaluate(START) == 0
    live([9])
    assert Alert.objects.get().began_at == instant(START)
    assert not Tick.objects.get(pk=START + 3600).evaluated


def test_an_alert_that_a_clock_ahead_has_seen_goes_on_by_the_clock_that_is_right():
    threshold()
    live([9, 9])
    Alert.objects.update(seen_at=instant(START + 86_400))

    live([3], first=START + 60)

    assert Alert.objects.get().status == "resolved"


@pytest.mark.parametrize(("values", "status"), [([9], "pending"), ([9, 9, 9], "firing"), ([9, 9, 9, 3], "recovering")])
def test_after_a_clock_was_days_ahead_nothing_stands_still_or_ends_by_itself(values, status):
    """What was open goes on with a clock of its own that begins anew, whatever came of it in the time to come."""
    threshold(for_s=60, keep_firing_s=60)
    last = live(values)
    ahead = last + 2 * 86_400
    live([values[-1], values[-1]], first=ahead)
    Tick.objects.filter(at__gt=last).delete()
    restart()
    assert Alert.objects.get().status == status

    live([values[-1]], first=last + 30)
    alert = Alert.objects.get()
    assert (alert.status, alert.seen_at, alert.since <= alert.seen_at) == (status, instant(last + 30), True)
    live([9, 9, 9, 9], first=last + 60)
    assert Alert.objects.get().status == "firing"
    live([3, 3, 3, 3], first=last + 180)
    assert Alert.objects.get().status == "resolved"


def test_what_began_in_a_time_to_come_is_taken_back_to_the_present():
    threshold(for_s=60, keep_firing_s=60)
    live([9], first=START + 86_400)
    Tick.objects.all().delete()
    restart()

    live([9, 9], first=START)
    alert = Alert.objects.get()
    assert (alert.status, alert.began_at, alert.since) == ("pending", instant(START), instant(START))
    live([9], first=START + 60)
    assert Alert.objects.get().status == "firing"


def test_a_tick_that_cannot_be_evaluated_does_not_keep_those_after_it(monkeypatch):
    threshold()
    live([9])
    tick(START + 30)

    def broken(*_):
        raise RuntimeError("no such thing")

    with monkeypatch.context() as patched:
        patched.setattr(evaluator.survey, "take", broken)
        with pytest.raises(RuntimeError):
            evaluate(START + 30)
    live([3], first=START + 60)

    assert Alert.objects.get().status == "resolved"


def test_a_tick_at_which_the_database_was_away_is_tried_again_for_a_while(monkeypatch):
    threshold()
    tick(START)
    gauge(9, START)

    def away(*_):
        raise OperationalError("database is locked")

    for later_s, is_passed_over in ((60, False), (600, True)):
        with monkeypatch.context() as patched:
            patched.setattr(evaluator.survey, "take", away)
            with pytest.raises(OperationalError):
                evaluate(START + later_s)
        assert Tick.objects.get(at=START).evaluated is is_passed_over


@pytest.mark.django_db(transaction=True)
def test_a_threshold_that_is_removed_during_a_tick_does_not_cost_the_others_theirs(monkeypatch):
    threshold("Gone")
    threshold("Stays")
    tick(START)
    gauge(9, START)
    take = evaluator.survey.take

    def raced(at, held):
        found = take(at, held)
        with arranged():
            Threshold.objects.filter(name="Gone").delete()
        return found

    monkeypatch.setattr(evaluator.survey, "take", raced)

    assert evaluate(START) == 1
    assert list(Alert.objects.values_list("name", "status")) == [("Stays", "firing")]
    assert Tick.objects.get(at=START).evaluated


def test_at_most_so_many_alerts_change_in_a_tick_and_the_rest_at_the_next(monkeypatch):
    monkeypatch.setattr(evaluator, "MOST", 2)
    threshold()
    with arranged():
        TaskQueue.objects.bulk_create([TaskQueue(name=f"q{number}") for number in range(3)])
    for at in (START, START + 30):
        tick(at)
        for number in range(3):
            gauge(9, at, f"q{number}")

    first = evaluate(START)

    assert (first, evaluate(START + 30), Alert.objects.filter(status="firing").count()) == (2, 1, 3)


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_two_processes_evaluate_a_tick_once_between_them():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    threshold()
    tick(START)
    gauge(9, START)
    changed: list[int] = []

    def run() -> None:
        changed.append(evaluate(START))
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(changed) == [0, 1]
    assert told() == ["AlertFired"]


# --- Missing data ---


def test_an_idle_agent_is_no_alert(make_agent):
    agent = make_agent("biller")
    threshold(metric="response_time", no_data="no_data")
    took(agent, 1.0, START)

    live([None] * 30)

    assert not Alert.objects.exists()


def test_a_gauge_that_is_measured_no_more_is_said_to_have_no_data():
    threshold(no_data="no_data")
    live([3, *[None] * 20])

    alert = Alert.objects.get()
    assert (alert.status, alert.since, told()) == ("no_data", instant(START + 330), ["AlertLostData"])


def test_what_fires_without_data_stays_as_it_is_and_is_never_resolved():
    threshold()
    live([9, *[None] * 40])

    alert = Alert.objects.get()
    assert (alert.status, alert.value, alert.value_at) == ("firing", 9, instant(START))
    assert alert.seen_at == instant(START + 1200)


def test_while_the_collector_was_away_nothing_changes():
    threshold(no_data="no_data", for_s=60)
    live([9, 9])

    live([9, None, 9, 9], first=START + 7200)

    assert told() == ["AlertOpened", "AlertFired"]
    assert Alert.objects.get().fired_at == instant(START + 7260)


def test_a_process_that_begins_reads_how_far_values_reach():
    threshold(no_data="no_data")
    last = live([9, None, None])
    restart()

    live([None] * 3, first=last + 30)

    assert Alert.objects.get().status == "firing"


# --- What it costs, and who hears of it ---


def test_the_planner_of_notifications_hears_of_it_in_the_same_transaction():
    threshold()
    last = live([9])

    planner.run_due(instant(last + 60))

    assert Notification.objects.get().kind == "firing"


@pytest.mark.usefixtures("plans_by_index")
def test_alerts_of_long_ago_are_not_read_at_a_tick():
    threshold()
    live([9])
    for rows in (
        Alert.objects.filter(status="resolved", resolved_at__gte=instant(START)).order_by("pk"),
        Alert.objects.filter(status="resolved", flapping=True).order_by("pk"),
        Alert.objects.filter(status__in=evaluator.OPEN).order_by("pk"),
    ):
        plan = rows.explain()

        assert "alert_" in plan, plan
        assert not re.search(r"SCAN monitoring_alert(?! USING)|Seq Scan", plan), plan


def queries_of(at: int) -> int:
    with CaptureQueriesContext(connection) as captured:
        evaluate(at)
    return len(captured)


def test_the_number_of_queries_depends_neither_on_subjects_nor_on_thresholds():
    threshold()
    live([3])
    with arranged():
        TaskQueue.objects.bulk_create([TaskQueue(name=f"q{number}") for number in range(30)])
    tick(START + 30)
    gauge(9, START + 30)
    few = queries_of(START + 30)
    for number in range(9):
        scope = {"scope_kind": "queue", "scope_value": "q1"} if number % 2 else {}
        threshold(f"limit {number}", **scope)
    tick(START + 60)
    for number in range(30):
        gauge(9, START + 60, f"q{number}")

    many = queries_of(START + 60)

    assert Alert.objects.count() > 150
    assert many <= few + 2
