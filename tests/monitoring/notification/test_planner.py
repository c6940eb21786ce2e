"""What the planner keeps between two looks, and the notifications that it writes."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis.exceptions import RedisError

from monitoring.models import Alert, AlertGroup, Channel, Inhibition, Notification, Route
from monitoring.notification import delivery, planner, routes, silences
from orchestra.kernel import events
from tests.audit import events_of, last_event
from tests.monitoring import alerts_made
from tests.monitoring.notification.conftest import ADMIN
from tests.silent_writes import arranged

NOW = timezone.now().replace(microsecond=0)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def hear(*alerts: Alert, at: float = 0) -> None:
    with arranged():
        planner.hear(alerts, after(at))


def change(alert: Alert, **columns: Any) -> Alert:
    with arranged():
        Alert.objects.filter(pk=alert.pk).update(**columns)
    alert.refresh_from_db()
    return alert


def resolve(alert: Alert, at: float) -> None:
    hear(change(alert, status="resolved", resolved_at=after(at)), at=at)


def told() -> list[tuple[str, str, str]]:
    return [(row.kind, row.channel_name, row.status) for row in Notification.objects.order_by("pk")]


@pytest.fixture
def route(make_channel: Callable[..., Channel], make_route: Callable[..., Route]) -> Route:
    return make_route("All", make_channel("Screen"))


def test_a_firing_alert_is_told_once_its_group_has_waited(route: Route) -> None:
    alert = alerts_made.alert()
    hear(alert)

    assert planner.run_due(after(29)) == 0
    assert planner.run_due(after(30)) == 1

    row = Notification.objects.get()
    assert (row.kind, row.channel_name, row.status, row.route) == ("firing", "Screen", "sent", route)
    assert row.subject == "[warning] Firing: Response over 5 s, billing-1"
    assert "8.2 s, limit 5.0 s" in row.body
    assert list(row.alerts.all()) == [alert]
    assert row.why[0] == "Route “All” takes it: it is for every alert."
    assert row.group is not None and row.group.sent_at == after(30)
    assert planner.run_due(after(31)) == 0


def test_what_was_told_is_an_event_of_the_alert(route: Route) -> None:
    alert = alerts_made.alert()
    hear(alert)
    planner.run_due(after(30))

    event = last_event("NotificationSent")
    assert (event.parent_kind, event.parent_id, event.actor_label) == ("alert", str(alert.pk), "notifier")
    assert "It is news" in event.detail.reason


def test_who_was_told_hears_that_it_resolved(route: Route) -> None:
    alert = alerts_made.alert()
    hear(alert)
    planner.run_due(after(30))
    resolve(alert, at=60)
    assert planner.run_due(after(61)) == 0
    planner.run_due(after(330))

    assert told() == [("firing", "Screen", "sent"), ("resolved", "Screen", "sent")]
    group = AlertGroup.objects.get()
    assert (group.told, group.due_at) == ({}, None)


def test_an_empty_group_is_taken_up_again(route: Route) -> None:
    alert = alerts_made.alert()
    hear(alert)
    planner.run_due(after(30))
    resolve(alert, at=400)
    planner.run_due(after(400))
    hear(change(alert, status="firing"), at=500)

    group = AlertGroup.objects.get()
    assert (group.opened_at, group.sent_at, group.due_at) == (after(500), None, after(530))


def test_a_thousand_alerts_in_one_tick_make_one_message_in_a_bounded_number_of_queries(route: Route) -> None:
    with arranged():
        first = alerts_made.alert()
        first.pk = None
        Alert.objects.bulk_create(
            [_copy(first, subject_id=str(number), subject_label=f"agent {number}") for number in range(1_000)]
        )
    many = list(Alert.objects.all())
    with CaptureQueriesContext(
        connection,
    ) as hearing:
        hear(*many)
    with CaptureQueriesContext(connection) as telling:
        assert planner.run_due(after(30)) == 1

    row = Notification.objects.get()
    assert row.alerts.count() == 1_001
    assert row.subject == "[warning] 1,001 alerts fire: Response over 5 s"
    assert row.body.endswith("And 981 more.")
    assert len(hearing) < 20 and len(telling) < 40


def _copy(alert: Alert, **columns: Any) -> Alert:
    values = {
        field.attname: getattr(alert, field.attname) for field in Alert._meta.concrete_fields if field.name != "id"
    }
    return Alert(
        **{**values, **columns, "labels": {**alert.labels, "agent": columns["subject_label"]}, "threshold": None}
    )


def test_without_routes_the_alert_is_shown_in_the_browser(db: None) -> None:
    hear(alerts_made.alert())
    planner.run_due(after(30))
    row = Notification.objects.get()
    assert (row.channel, row.channel_name, row.route, row.status) == (None, "In the browser", None, "sent")
    hear(alerts_made.alert("billing-2"), at=100)
    assert AlertGroup.objects.get().route is None


def test_what_a_silence_hides_is_written_down_with_the_reason_once(route: Route) -> None:
    one = alerts_made.silence(starts_at=after(-60), ends_at=after(3_600), warned_at=after(0))
    hear(alerts_made.alert())
    planner.run_due(after(30))
    planner.run_due(after(330))
    planner.run_due(after(630))

    row = Notification.objects.get()
    assert row.status == "suppressed"
    assert row.why[-1].startswith(f"Silence #{one.pk} by Olga hides it until")
    assert last_event("NotificationSuppressed").target_id == str(row.pk)

    planner.run_due(after(3_600))
    assert told()[-1] == ("firing", "Screen", "sent")


def test_a_graver_alert_of_the_same_agent_hides_the_lesser(route: Route) -> None:
    with arranged():
        Inhibition.objects.create(
            name="Worse first",
            source=[alerts_made.condition("severity", "=", "critical")],
            target=[alerts_made.condition("severity", "=", "warning")],
            equal=["metric", "agent"],
        )
    grave, lesser = alerts_made.alert(severity="critical", name="Worse"), alerts_made.alert()
    hear(lesser)
    hear(grave)
    planner.run_due(after(30))

    suppressed = Notification.objects.get(status="suppressed")
    assert suppressed.why[-1] == f"Inhibition “Worse first” hides it while alert #{grave.pk} fires."
    assert list(suppressed.alerts.all()) == [lesser]


def test_an_acknowledgement_that_ends_reminds(route: Route) -> None:
    alert = alerts_made.alert()
    hear(alert)
    planner.run_due(after(30))
    change(alert, acknowledged_at=after(60), acknowledged_by="ada", acknowledged_until=after(600))
    planner.look_again([alert], after(60))
    planner.run_due(after(61))
    assert AlertGroup.objects.get().due_at == after(600)

    planner.run_due(after(600))
    assert told() == [("firing", "Screen", "sent"), ("reminder", "Screen", "sent")]


def test_looking_again_touches_only_the_groups_of_the_alert(route: Route) -> None:
    one, other = alerts_made.alert(), alerts_made.alert("billing-2", name="Other")
    hear(one, other)
    planner.look_again([other], after(1))
    assert set(AlertGroup.objects.values_list("key", "due_at")) == {
        ('{"threshold":"Response over 5 s"}', after(30)),
        ('{"threshold":"Other"}', after(1)),
    }


def test_people_are_warned_once_before_a_silence_ends_that_hides_a_firing_alert(route: Route) -> None:
    silence = alerts_made.silence(starts_at=after(-60), ends_at=after(600))
    alert = alerts_made.alert()

    assert planner.run_due(after(0)) == 1
    assert planner.run_due(after(10)) == 0

    row = Notification.objects.get()
    assert (row.kind, list(row.alerts.all())) == ("silence_ending", [alert])
    assert row.why[-1].startswith(f"Silence #{silence.pk} by Olga ends at ")
    assert silences.ending_soon(after(10))[0].silence.warned_at == after(0)


def test_a_new_route_tells_of_what_fires_already(
    route: Route, make_route: Callable[..., Route], make_channel: Callable[..., Channel]
) -> None:
    hear(alerts_made.alert())
    planner.run_due(after(30))
    second = make_route("Second", make_channel("Wall"))
    assert Notification.objects.count() == 1
    routes.move(second.pk, up=True, by=ADMIN)
    planner.run_due(timezone.now() + timedelta(seconds=60))

    assert told()[-1] == ("firing", "Wall", "sent")


def test_the_notification_of_a_removed_route_stays(route: Route) -> None:
    alert = alerts_made.alert()
    hear(alert)
    planner.run_due(after(30))
    routes.remove(route.pk, by=ADMIN)

    row = Notification.objects.get()
    assert row.route is None and row.group is None
    assert AlertGroup.objects.get().route is None  # the alert goes the built-in way now


def test_while_messages_cannot_be_given_to_workers_browsers_are_told(
    route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: datetime) -> int:
        raise RedisError

    monkeypatch.setattr(planner.delivery, "rescue", fail)
    hear(alerts_made.alert())
    with pytest.raises(RedisError):
        planner.run_due(after(30))
    assert told() == [("firing", "Screen", "sent")]


def test_what_is_due_is_judged_by_the_clock_of_the_database(route: Route, monkeypatch: pytest.MonkeyPatch) -> None:
    rescued: list[datetime] = []
    monkeypatch.setattr(planner, "database_now", lambda: after(30))
    monkeypatch.setattr(planner.delivery, "rescue", rescued.append)
    hear(alerts_made.alert())
    assert planner.run_due() == 1
    assert (Notification.objects.get().created_at, rescued) == (after(30), [after(30)])


def test_after_a_clock_was_ahead_news_are_told_all_the_same(route: Route) -> None:
    first = alerts_made.alert()
    hear(first)
    planner.run_due(after(86_400))  # a day ahead; then it is set right
    second = alerts_made.alert("billing-2", subject_id="2")
    hear(second, at=60)
    assert planner.run_due(after(120)) == 0  # told at the interval from now on
    assert AlertGroup.objects.get().sent_at == after(120)
    assert planner.run_due(after(420)) == 1
    assert list(Notification.objects.latest("pk").alerts.all()) == [second]


def test_nobody_is_warned_of_the_end_of_a_silence_in_quiet_hours(
    make_channel: Callable[..., Channel], make_route: Callable[..., Route]
) -> None:
    night = {"timezone": "UTC", "blocks": [{"days": [], "from": "00:00", "to": "23:59"}]}
    make_route("Quiet", make_channel("Screen"), quiet=night)
    at = NOW.replace(hour=12, minute=0, second=0)
    alerts_made.alert()
    alerts_made.silence(starts_at=at - timedelta(hours=1), ends_at=at + timedelta(minutes=10))
    planner.run_due(at)
    row = Notification.objects.get()
    assert (row.kind, row.status) == ("silence_ending", "suppressed")
    assert "Quiet hours of route “Quiet”" in row.why[-1]


def test_old_notifications_are_forgotten_with_an_event(route: Route) -> None:
    hear(alerts_made.alert())
    planner.run_due(after(30))
    with arranged():
        Notification.objects.update(created_at=NOW - timedelta(days=91))
    planner.forget_old()
    assert not Notification.objects.exists()
    assert last_event("NotificationsRemoved").actor_label == "retention"


@pytest.mark.django_db(transaction=True)
def test_two_processes_at_once_tell_once(
    make_channel: Callable[..., Channel], make_route: Callable[..., Route]
) -> None:
    make_route("All", make_channel("Screen"))
    hear(alerts_made.alert())
    start = Barrier(2)
    made: list[int] = []

    def run() -> None:
        start.wait()
        try:
            made.append(planner.run_due(after(30)))
        finally:
            connection.close()

    both = [Thread(target=run) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(made) == [0, 1]
    assert Notification.objects.count() == 1
    assert len(events_of("notification", Notification.objects.get().pk)) == 1


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_make_the_same_new_group_share_it(
    make_channel: Callable[..., Channel], make_route: Callable[..., Route], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_route("All", make_channel("Screen"))
    two = [alerts_made.alert(), alerts_made.alert("billing-2", subject_id="2")]
    make_room, failed = planner._make_room, []

    def after_a_while(*given: Any) -> None:
        time.sleep(0.3)  # so the other has looked as well, and found nothing; where there is one writer, it waits
        make_room(*given)

    def run(alert: Alert) -> None:
        try:
            hear(alert)
        except Exception as error:  # noqa: BLE001  looked at below
            failed.append(error)
        finally:
            connection.close()

    monkeypatch.setattr(planner, "_make_room", after_a_while)
    both = [Thread(target=run, args=[alert]) for alert in two]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert failed == []
    group = AlertGroup.objects.get()
    assert (set(group.told), group.due_at) == ({str(alert.pk) for alert in two}, after(30))


@pytest.mark.django_db(transaction=True)
def test_a_plan_that_breaks_off_leaves_nothing_behind(
    make_channel: Callable[..., Channel], make_route: Callable[..., Route], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_route("All", make_channel("Screen"))
    hear(alerts_made.alert())
    with monkeypatch.context() as patch:
        patch.setattr(planner.outbox, "_record", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            planner.run_due(after(30))
    assert not Notification.objects.exists()
    assert events.current() is None
    assert planner.run_due(after(30)) == 1


def test_groups_that_are_due_are_found_by_index(route: Route, plans_by_index: None) -> None:
    due = AlertGroup.objects.filter(due_at__lte=NOW).order_by("due_at").values_list("pk", flat=True)[:500]
    assert "alert_group_due" in due.explain()
    assert "notification_due" in delivery._to_rescue(NOW)[:200].explain()
