"""What happens to an alert at the same instant, on two real connections."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from monitoring.alerting import alerts
from monitoring.alerting.alert_listing import AlertList
from monitoring.models import Alert
from monitoring.notification import silencing
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, OrchestraError
from orchestra.kernel.lists import Selection
from orchestra.kernel.models import Role
from tests.audit import actions
from tests.monitoring.alerts_made import alert, silence

pytestmark = pytest.mark.django_db(transaction=True)
OLGA = Actor("person", "", "Olga", role=Role.OPERATOR)
BOB = Actor("person", "", "Bob", role=Role.OPERATOR)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What each returns or raises when all begin together, each on a connection of its own."""
    together = Barrier(len(acts))

    def perform(act: Callable[[], Any]) -> Any:
        connection.ensure_connection()
        together.wait()
        try:
            return act()
        except OrchestraError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(perform, acts))


def test_of_two_who_acknowledge_one_wins_and_the_other_sees_who():
    fires = alert()

    results = at_once(*(lambda by=by: alerts.acknowledge(fires.pk, by=by) for by in (OLGA, BOB)))

    (refused,) = [result for result in results if isinstance(result, Conflict)]
    winner = Alert.objects.get().acknowledged_by
    assert refused.data == {"acknowledged_by": winner} and winner in refused.detail
    assert actions().count("AlertAcknowledged") == 1


def test_of_acknowledging_and_resolving_neither_overwrites_the_other():
    fires = alert()

    at_once(
        lambda: alerts.acknowledge(fires.pk, by=OLGA, note="Known"),
        lambda: alerts.resolve(fires.pk, by=BOB, reason="A false alarm"),
    )

    kept = Alert.objects.get()
    assert kept.status == "resolved"
    assert (kept.acknowledged_by, kept.note) in {("Olga", "Known"), ("", "")}
    assert bool(kept.acknowledged_by) == ("AlertAcknowledged" in actions())


def test_many_and_one_resolve_an_alert_once():
    fires = [alert(f"agent-{number}", subject_id=str(number)) for number in range(4)]
    chosen = Selection(AlertList({}), tuple(row.pk for row in fires))

    at_once(
        lambda: alerts.resolve_many(chosen, by=OLGA, reason="Moved"),
        lambda: alerts.resolve_many(chosen, by=BOB, reason="Moved too"),
        lambda: alerts.resolve(fires[2].pk, by=BOB, reason="Alone"),
    )

    assert set(Alert.objects.values_list("status", flat=True)) == {"resolved"}
    assert actions().count("AlertResolved") == 4


def test_a_silence_ends_once():
    made = silence()

    results = at_once(*(lambda by=by: silencing.end(made.pk, by=by) for by in (OLGA, BOB)))

    assert [type(result).__name__ for result in results].count("Conflict") == 1
    assert actions().count("SilenceEnded") == 1
