"""What people do to alerts: one at a time, many at once, and what they are refused."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.alerting import alerts
from monitoring.alerting.alert_listing import AlertList
from monitoring.models import Alert
from orchestra.kernel.access import Actor, actor_of
from orchestra.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from orchestra.kernel.lists import Selection
from orchestra.kernel.models import Event, Role
from tests.audit import actions, events_of, last_event
from tests.monitoring.alerts_made import alert, notification

pytestmark = pytest.mark.django_db
OLGA = Actor("person", "", "Olga", role=Role.OPERATOR)
BOB = Actor("person", "", "Bob", role=Role.OPERATOR)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def again(row):
    return Alert.objects.get(pk=row.pk)


def faults(excinfo):
    return {fault["path"]: fault["message"] for fault in excinfo.value.errors}


def test_an_acknowledgement_has_owner_note_and_an_end_in_four_hours(operator):
    fires = alert()

    alerts.acknowledge(fires.pk, by=actor_of(operator), note=" The shop is slow ")

    kept = again(fires)
    assert (kept.owner, kept.note, kept.acknowledged_by) == (operator, "The shop is slow", operator.label)
    assert timezone.now() + 4 * HOUR - kept.acknowledged_until < MINUTE
    assert alerts.is_acknowledged(kept, timezone.now())
    told = last_event("AlertAcknowledged")
    assert (told.target_kind, told.target_id, told.permission) == ("alert", str(fires.pk), "alerts.acknowledge")
    assert json.loads(told.detail.after)["note"] == "The shop is slow"


def test_while_one_lasts_the_second_person_is_told_whose_it_is():
    fires = alert()
    alerts.acknowledge(fires.pk, by=OLGA)

    with pytest.raises(Conflict, match="Olga acknowledged this 0 s ago, for another 3 h; become its owner") as refused:
        alerts.acknowledge(fires.pk, by=BOB)

    assert refused.value.data == {"acknowledged_by": "Olga"}
    assert again(fires).acknowledged_by == "Olga"


def test_one_s_own_is_renewed_and_keeps_the_note_if_none_is_given():
    fires = alert()
    alerts.acknowledge(fires.pk, by=OLGA, note="Known")
    until = timezone.now() + timedelta(days=2)

    alerts.acknowledge(fires.pk, by=OLGA, until=until)

    assert (again(fires).acknowledged_until, again(fires).note) == (until, "Known")


def test_after_its_end_somebody_else_may_acknowledge():
    before = timezone.now() - MINUTE
    fires = alert(acknowledged_by="Olga", acknowledged_at=before - HOUR, acknowledged_until=before)

    assert alerts.acknowledge(fires.pk, by=BOB).acknowledged_by == "Bob"


@pytest.mark.parametrize(("until", "says"), [(-MINUTE, "in the past"), (timedelta(days=31), "within 30 days")])
def test_an_end_in_the_past_or_too_far_is_refused(until, says):
    fires = alert(acknowledged_at=timezone.now(), acknowledged_by="Olga")

    for verb in (alerts.acknowledge, alerts.extend):
        with pytest.raises(Invalid) as refused:
            verb(fires.pk, until=timezone.now() + until, by=OLGA)
        assert says in faults(refused)["until"]


def test_anybody_may_extend_an_acknowledgement():
    fires = alert()
    alerts.acknowledge(fires.pk, by=OLGA)
    until = timezone.now() + 9 * HOUR

    alerts.extend(fires.pk, until, by=BOB, reason="The part comes tomorrow")
    alerts.extend(fires.pk, until, by=BOB)

    assert (again(fires).acknowledged_until, again(fires).acknowledged_by) == (until, "Olga")
    assert actions().count("AlertAcknowledgementExtended") == 1


def test_what_nobody_acknowledged_can_neither_be_extended_nor_given_back():
    fires = alert()

    with pytest.raises(Conflict, match="acknowledge it instead"):
        alerts.extend(fires.pk, timezone.now() + HOUR, by=OLGA)
    with pytest.raises(Conflict, match="nothing was changed"):
        alerts.unacknowledge(fires.pk, by=OLGA)


def test_an_acknowledgement_can_be_taken_back_and_owner_and_note_stay(operator):
    fires = alert()
    alerts.acknowledge(fires.pk, by=actor_of(operator), note="Known")

    alerts.unacknowledge(fires.pk, by=BOB, reason="I go home")

    kept = again(fires)
    assert (kept.acknowledged_by, kept.acknowledged_at, kept.acknowledged_until) == ("", None, None)
    assert (kept.owner, kept.note) == (operator, "Known")


def test_an_owner_is_somebody_who_could_work_on_it(operator, viewer):
    fires = alert()

    with pytest.raises(Invalid):
        alerts.assign(fires.pk, viewer, by=OLGA)
    alerts.assign(fires.pk, operator, by=OLGA)
    alerts.assign(fires.pk, operator, by=OLGA)
    assert again(fires).owner == operator
    alerts.assign(fires.pk, None, by=OLGA, reason="Nobody is in")

    assert again(fires).owner is None
    assert [event.action for event in events_of("alert", fires.pk)] == ["AlertAssigned", "AlertAssigned"]
    assert json.loads(last_event("AlertAssigned").detail.before) == {"owner": operator.label}


def test_a_note_takes_the_place_of_the_one_before_also_when_it_is_resolved():
    fires = alert(note="Old", status="resolved")

    alerts.note(fires.pk, " New ", by=OLGA)
    alerts.note(fires.pk, "New", by=OLGA)

    assert again(fires).note == "New"
    assert json.loads(last_event("AlertNoted").detail.before) == {"note": "Old"}
    assert actions().count("AlertNoted") == 1


def test_long_notes_are_refused():
    fires = alert()

    for verb in (
        lambda: alerts.note(fires.pk, "x" * 5001, by=OLGA),
        lambda: alerts.acknowledge(fires.pk, by=OLGA, note="x" * 5001),
    ):
        with pytest.raises(Invalid) as refused:
            verb()
        assert "5,000" in faults(refused)["note"]


@pytest.mark.parametrize("status", ["pending", "firing", "recovering", "no_data"])
def test_an_open_alert_can_be_resolved_by_hand_with_a_reason(status):
    fires = alert(status=status, note="Known")

    alerts.resolve(fires.pk, by=OLGA, reason="A false alarm")

    kept = again(fires)
    assert (kept.status, kept.resolved_by, kept.resolve_reason, kept.note) == (
        "resolved",
        "Olga",
        "A false alarm",
        "Known",
    )
    assert kept.resolved_at is not None
    told = last_event("AlertResolved")
    assert (told.actor_label, told.permission, told.detail.reason) == ("Olga", "alerts.resolve", "A false alarm")


def test_resolving_needs_a_reason():
    fires = alert()

    for reason in ("  ", "x" * 1001):
        with pytest.raises(Invalid) as refused:
            alerts.resolve(fires.pk, by=OLGA, reason=reason)
        assert "reason" in faults(refused)
    assert again(fires).status == "firing"


def test_on_a_resolved_alert_nothing_can_be_done_but_noted_and_handed_over():
    over = alert(status="resolved", resolved_by="Ada", acknowledged_at=timezone.now(), acknowledged_by="Olga")

    for verb in (
        lambda: alerts.acknowledge(over.pk, by=OLGA),
        lambda: alerts.extend(over.pk, timezone.now() + HOUR, by=OLGA),
        lambda: alerts.resolve(over.pk, by=OLGA, reason="Again"),
    ):
        with pytest.raises(Conflict, match="resolved by Ada already"):
            verb()


def test_viewers_may_do_nothing_to_alerts(operator):
    fires, vera = alert(), Actor("person", "", "Vera", role=Role.VIEWER)
    everything = Selection(AlertList({}), None)

    for verb in (
        lambda: alerts.acknowledge(fires.pk, by=vera),
        lambda: alerts.extend(fires.pk, timezone.now() + HOUR, by=vera),
        lambda: alerts.unacknowledge(fires.pk, by=vera),
        lambda: alerts.assign(fires.pk, operator, by=vera),
        lambda: alerts.note(fires.pk, "x", by=vera),
        lambda: alerts.resolve(fires.pk, by=vera, reason="x"),
        lambda: alerts.acknowledge_many(everything, by=vera),
        lambda: alerts.resolve_many(everything, by=vera, reason="x"),
    ):
        with pytest.raises(Forbidden):
            verb()


def test_an_alert_that_is_not_there_is_not_found():
    with pytest.raises(NotFound):
        alerts.note(1, "x", by=OLGA)


def many(count, **columns):
    return [alert(f"agent-{number}", subject_id=str(number), **columns) for number in range(count)]


def test_all_that_match_are_acknowledged_with_an_event_each_under_one_correlation(monkeypatch):
    fires, late = many(5), alert("late", subject_id="x", severity="critical")
    monkeypatch.setattr("orchestra.kernel.lists.SLICE", 2)

    tally = alerts.acknowledge_many(Selection(AlertList({"severity": "warning"}), None), by=OLGA, reason="All known")

    assert tally.sentence == "5 acknowledged."
    assert {again(row).note for row in fires} == {"All known"}
    assert not alerts.is_acknowledged(again(late), timezone.now())
    told = Event.objects.filter(action="AlertAcknowledged")
    assert told.count() == 5
    assert told.values("correlation").distinct().count() == 1


def test_many_are_skipped_if_resolved_and_refused_if_somebody_else_s():
    now = timezone.now()
    known = alert("a", subject_id="1", acknowledged_by="Ada", acknowledged_at=now, acknowledged_until=now + HOUR)
    over = alert("b", subject_id="2", status="resolved")
    fires = alert("c", subject_id="3")

    tally = alerts.acknowledge_many(Selection(AlertList({}), (known.pk, over.pk, fires.pk)), by=OLGA)

    assert (tally.done, tally.skipped, tally.refused) == (1, 1, 1)
    assert "Ada acknowledged this" in tally.told[0]["reason"]
    assert [again(row).acknowledged_by for row in (known, over, fires)] == ["Ada", "", "Olga"]


def test_many_are_resolved_for_one_reason():
    fires, over = many(3), alert("b", subject_id="b", status="resolved")

    chosen = Selection(AlertList({}), tuple(row.pk for row in [*fires, over]))
    tally = alerts.resolve_many(chosen, by=OLGA, reason="Moved")

    assert tally.sentence == "3 resolved, 1 skipped."
    assert {again(row).resolve_reason for row in fires} == {"Moved"}
    with pytest.raises(Invalid):
        alerts.resolve_many(Selection(AlertList({}), None), by=OLGA, reason="")


def test_old_alerts_are_forgotten_with_an_event_sooner_those_that_nobody_heard_of():
    long_ago, week_ago = timezone.now() - timedelta(days=181), timezone.now() - timedelta(days=8)
    alert("old", status="resolved", resolved_at=long_ago)
    alert("unfired", status="resolved", fired_at=None, resolved_at=week_ago)
    kept = {
        alert("fired", status="resolved", resolved_at=week_ago),
        alert("lately", status="resolved", fired_at=None),
        alert("open", began_at=long_ago, subject_id="2"),
        told := alert("without data", status="resolved", fired_at=None, resolved_at=week_ago),
    }
    notification(told, "Mail", kind="no_data")

    assert alerts.forget_old() >= 2
    assert set(Alert.objects.all()) == kept
    removed = Event.objects.filter(action="AlertsRemoved").order_by("number")
    assert [(event.actor_label, event.target_label) for event in removed] == [("retention", "1 alerts")] * 2
    assert alerts.forget_old() == 0
