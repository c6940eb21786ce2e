"""What people do to alerts and silences, as the audit trail tells it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.alerting import alerts
from monitoring.audit.sentences import marked_up, sentence
from monitoring.models import Threshold
from monitoring.notification import silencing
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event, Role
from tests.audit import last_event
from tests.monitoring.alerts_made import alert, condition
from tests.silent_writes import arranged

pytestmark = pytest.mark.django_db
OLGA = Actor("person", "", "Olga", role=Role.OPERATOR)
WHAT = "Response over 5 s: billing-1"


def told() -> str:
    return sentence(Event.objects.select_related("detail").latest("number"))


def test_what_is_done_to_an_alert_reads_as_a_sentence(operator):
    number, later = alert().pk, timezone.now() + timedelta(days=1)
    alerts.acknowledge(number, by=OLGA)
    assert told() == f"Olga acknowledged {WHAT}"
    alerts.extend(number, later, by=OLGA)
    assert told() == f"Olga extended the acknowledgement of {WHAT}"
    alerts.unacknowledge(number, by=OLGA)
    assert told() == f"Olga took the acknowledgement of {WHAT} back"
    alerts.assign(number, operator, by=OLGA)
    assert told() == f"Olga handed {WHAT} to {operator.label}"
    alerts.assign(number, None, by=OLGA)
    assert told() == f"Olga handed {WHAT} to nobody"
    alerts.note(number, "Known", by=OLGA)
    assert told() == f"Olga wrote a note on {WHAT}"
    alerts.resolve(number, by=OLGA, reason="A false alarm")
    assert told() == f"Olga resolved {WHAT}"
    assert f'<a href="/alerts/{number}/">{WHAT}</a>' in marked_up(last_event())


def test_the_whole_alert_is_the_link_not_the_threshold_that_it_is_named_after():
    with arranged():
        limit = Threshold.objects.create(name="Response over 5 s", metric="response_time", value=5, recovery_value=4)
    number = alert(threshold=limit).pk

    alerts.note(number, "Known", by=OLGA)

    assert f'<a href="/alerts/{number}/">{WHAT}</a>' in marked_up(last_event())


def test_a_silence_is_named_by_its_conditions():
    ends = timezone.now() + timedelta(hours=1)
    made = silencing.create(
        {"matchers": [condition("agent", "=", "x")], "reason": "New server", "ends_at": ends}, by=OLGA
    )
    assert told() == "Olga silenced alerts: agent is x"
    silencing.change(made.pk, {"reason": "Newer server"}, by=OLGA)
    assert told() == "Olga changed the silence of alerts: agent is x"
    silencing.end(made.pk, by=OLGA)
    assert told() == "Olga ended the silence of alerts: agent is x"
