"""What people do to alerts, and what others are told because of it: with the planner of notifications."""

from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.alerting import alerts
from monitoring.alerting.alert_listing import AlertList
from monitoring.models import Notification
from monitoring.notification import planner, silencing
from orchestra.kernel.access import Actor
from orchestra.kernel.lists import Selection
from orchestra.kernel.models import Role
from tests.monitoring import alerts_made
from tests.monitoring.alerts_made import condition
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
OLGA = Actor("person", "", "Olga", role=Role.OPERATOR)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def fires():
    """An alert of which people were told, by the built-in route."""
    made = alerts_made.alert()
    with arranged():
        planner.hear([made], timezone.now() - 10 * MINUTE)
    planner.run_due(timezone.now() - 9 * MINUTE)
    return made


def told():
    return [(row.kind, row.status) for row in Notification.objects.order_by("pk")]


def test_those_who_were_told_that_it_fires_are_told_that_somebody_resolved_it(fires):
    assert told() == [("firing", "sent")]

    alerts.resolve(fires.pk, by=OLGA, reason="A false alarm")
    planner.run_due(timezone.now() + 6 * MINUTE)

    assert told() == [("firing", "sent"), ("resolved", "sent")]


def test_likewise_when_many_are_resolved(fires):
    alerts.resolve_many(Selection(AlertList({}), (fires.pk,)), by=OLGA, reason="Moved")
    planner.run_due(timezone.now() + 6 * MINUTE)

    assert told()[-1] == ("resolved", "sent")


def test_an_acknowledgement_that_is_over_while_it_fires_is_told_again(fires):
    until = timezone.now() + 30 * MINUTE
    alerts.acknowledge(fires.pk, by=OLGA, until=until)
    planner.run_due(timezone.now() + MINUTE)
    assert told() == [("firing", "sent")]

    planner.run_due(until + MINUTE)

    assert told()[-1] == ("reminder", "sent")


def test_one_that_is_resolved_by_then_is_not_told_of_again(fires):
    until = timezone.now() + 30 * MINUTE
    alerts.acknowledge(fires.pk, by=OLGA, until=until)
    alerts.resolve(fires.pk, by=OLGA, reason="Mended")
    planner.run_due(timezone.now() + 6 * MINUTE)
    planner.run_due(until + MINUTE)

    assert [kind for kind, status in told() if status == "sent"] == ["firing", "resolved"]


def test_what_a_silence_hid_is_told_soon_after_somebody_ended_it():
    made = alerts_made.alert()
    ends = timezone.now() + timedelta(hours=9)
    hides = silencing.create(
        {"matchers": [condition("agent", "=", "billing-1")], "reason": "Maintenance", "ends_at": ends}, by=OLGA
    )
    with arranged():
        planner.hear([made], timezone.now())
    planner.run_due(timezone.now() + MINUTE)
    assert [status for _, status in told()] == ["suppressed"]

    silencing.end(hides.pk, by=OLGA)
    planner.run_due(timezone.now() + 2 * MINUTE)

    assert told()[-1] == ("firing", "sent")
