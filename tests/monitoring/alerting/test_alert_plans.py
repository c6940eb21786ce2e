"""The lists of alerts and silences stay fast: what the databases do to answer them."""

import pytest
from django.db import connection

from monitoring.alerting.alert_listing import AlertList, AllAlerts
from monitoring.notification import silences
from monitoring.notification.silence_listing import AllSilences, SilenceList
from tests.monitoring.alerts_made import alert, silence

pytestmark = pytest.mark.django_db
ALERTS = "monitoring_alert"


def plan(rows):
    return rows.explain().lower()


def page_of(listing):
    return listing.queryset().order_by(*listing.ordering)[:51]


def is_read_whole(text, table):
    return f"seq scan on {table}" in text or f"scan {table}\n" in f"{text}\n"


@pytest.mark.parametrize(
    ("listing", "query"),
    [
        (AlertList, {"status": "resolved"}),
        (AlertList, {"status": "firing", "severity": "critical"}),
        (AlertList, {"agent": "7"}),
        (AllAlerts, {"agent": "7"}),
        (AllAlerts, {"severity": "critical"}),
    ],
)
def test_alerts_are_found_by_an_index(plans_by_index, listing, query):
    alert()

    assert not is_read_whole(plan(page_of(listing(query))), ALERTS)


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite does not say that it goes through the keys backwards"
)
@pytest.mark.parametrize("query", [{}, {"severity": "critical"}, {"agent": "7"}, {"status": "resolved"}])
def test_the_newest_alerts_need_no_sorting(plans_by_index, query):
    alert()

    assert "sort" not in plan(page_of(AllAlerts(query)))


@pytest.mark.parametrize("listing", [SilenceList({}), AllSilences({"state": "ended"}), AllSilences({})])
def test_silences_are_found_by_their_end(plans_by_index, listing):
    silence()

    assert "silence_end" in plan(page_of(listing))


def test_what_is_looked_at_to_say_what_a_silence_hides_is_bounded(monkeypatch):
    for number in range(4):
        alert(f"agent-{number}", subject_id=str(number))
    monkeypatch.setattr(silences, "MOST_HIDDEN", 3)

    assert len(silences.would_hide([{"label": "kind", "operator": "=", "value": "agent"}])) == 3
