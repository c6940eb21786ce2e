"""The verbs for silences, what silences hide, and which ends let an alert through."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.models import Alert, Silence
from monitoring.notification import matchers, silences, silencing
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from orchestra.kernel.models import Event, Role
from tests.audit import last_event
from tests.monitoring.alerts_made import alert, condition, silence

pytestmark = pytest.mark.django_db
OLGA = Actor("person", "7", "Olga", role=Role.OPERATOR)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
BILLING = condition("agent", "starts with", "billing")


def given(**changes):
    return {"matchers": [BILLING], "reason": "Maintenance", "ends_at": timezone.now() + HOUR, **changes}


def faults(excinfo):
    return {fault["path"]: fault["message"] for fault in excinfo.value.errors}


def test_a_silence_keeps_who_made_it_why_and_until_when(operator):
    by = Actor("person", str(operator.pk), "Olga", role=Role.OPERATOR)

    made = silencing.create(given(reason="  Maintenance "), by=by)

    assert (made.author, made.author_user, made.reason) == ("Olga", operator, "Maintenance")
    assert silences.state_of(made, timezone.now()) == silences.ACTIVE
    told = last_event("SilenceCreated")
    assert (told.target_kind, told.target_id, told.actor_label) == ("silence", str(made.pk), "Olga")
    assert told.target_label == "agent starts with billing"


def test_one_that_would_begin_in_the_past_begins_now():
    made = silencing.create(given(starts_at=timezone.now() - 5 * HOUR), by=Actor.system("test"))

    assert timezone.now() - made.starts_at < MINUTE


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"matchers": []}, "matchers", "every alert"),
        ({"matchers": [condition("colour", "=", "red")]}, "matchers[0].label", "Choose one of"),
        ({"reason": "  "}, "reason", "Say why"),
        ({"reason": "x" * 1001}, "reason", "1,000"),
        ({"ends_at": None}, "ends_at", "when it ends"),
        ({"ends_at": -MINUTE}, "ends_at", "in the past"),
        ({"starts_at": 3 * HOUR, "ends_at": 2 * HOUR}, "ends_at", "before it begins"),
        ({"starts_at": 3 * HOUR, "ends_at": 3 * HOUR}, "ends_at", "before it begins"),
        ({"ends_at": timedelta(days=91)}, "ends_at", "90 days"),
        ({"starts_at": timedelta(days=400), "ends_at": timedelta(days=401)}, "starts_at", "within a year"),
    ],
)
def test_bad_silences_are_refused_beside_the_field(changes, path, says):
    now = timezone.now()
    moved = {name: now + value if isinstance(value, timedelta) else value for name, value in changes.items()}

    with pytest.raises(Invalid) as refused:
        silencing.create(given(**moved), by=OLGA)

    assert says in faults(refused)[path]
    assert not Silence.objects.exists()


def test_viewers_may_not_silence():
    vera = Actor("person", "8", "Vera", role=Role.VIEWER)
    made = silence()

    for verb in (
        lambda: silencing.create(given(), by=vera),
        lambda: silencing.change(made.pk, {}, by=vera),
        lambda: silencing.end(made.pk, by=vera),
    ):
        with pytest.raises(Forbidden):
            verb()


def test_only_so_many_may_be_open_at_a_time(monkeypatch):
    monkeypatch.setattr(silencing, "MOST_OPEN", 1)
    silence(ends_at=timezone.now())
    silencing.create(given(), by=OLGA)

    with pytest.raises(Conflict, match="end some"):
        silencing.create(given(), by=OLGA)


def test_extending_one_lets_it_be_warned_of_again_and_says_what_changed():
    made = silence(warned_at=timezone.now())
    later = timezone.now() + 5 * HOUR

    changed = silencing.change(made.pk, {"ends_at": later}, by=OLGA)

    assert (changed.ends_at, changed.warned_at) == (later, None)
    told = last_event("SilenceChanged")
    assert set(json.loads(told.detail.after)) == {"ends_at"}


def test_a_change_of_nothing_is_not_recorded_and_keeps_the_warning():
    made = silence(warned_at=timezone.now())

    changed = silencing.change(made.pk, {"reason": made.reason, "ends_at": made.ends_at}, by=OLGA)

    assert changed.warned_at is not None
    assert not Event.objects.filter(action="SilenceChanged").exists()


def test_what_has_begun_keeps_its_beginning():
    made = silence()

    changed = silencing.change(made.pk, {"starts_at": timezone.now() + MINUTE, "reason": "Longer"}, by=OLGA)

    assert changed.starts_at == made.starts_at


def test_a_change_is_checked_as_a_whole():
    made = silence()

    with pytest.raises(Invalid) as refused:
        silencing.change(made.pk, {"ends_at": timezone.now() - MINUTE}, by=OLGA)

    assert "past" in faults(refused)["ends_at"]


def test_ending_one_keeps_it_with_who_ended_it():
    made = silence()

    ended = silencing.end(made.pk, by=OLGA, reason="Done early")

    assert silences.state_of(ended, timezone.now()) == silences.ENDED
    kept = Silence.objects.get()
    assert (kept.ended_by, kept.starts_at) == ("Olga", made.starts_at)
    assert last_event("SilenceEnded").detail.reason == "Done early"


def test_one_that_has_not_begun_never_does_after_its_end():
    now = timezone.now()
    made = silence(starts_at=now + HOUR, ends_at=now + 2 * HOUR)
    assert silences.state_of(made, now) == silences.SCHEDULED

    silencing.end(made.pk, by=OLGA)

    assert not Silence.objects.filter(silences.in_state(silences.SCHEDULED, timezone.now())).exists()
    assert Silence.objects.filter(silences.in_state(silences.ENDED, timezone.now())).exists()


def test_an_ended_one_can_neither_be_changed_nor_ended_again():
    made = silence(ends_at=timezone.now() - MINUTE, starts_at=timezone.now() - HOUR, ended_by="Ada")

    for verb in (lambda: silencing.change(made.pk, {}, by=OLGA), lambda: silencing.end(made.pk, by=OLGA)):
        with pytest.raises(Conflict, match="ended, by Ada; make a new one"):
            verb()


def test_one_that_is_not_there_is_not_found():
    with pytest.raises(NotFound):
        silencing.end(1, by=OLGA)


def test_what_a_silence_hides_is_open_and_fits_all_conditions():
    fits = alert("billing-1", subject_id="1")
    alert("support-1", subject_id="2")
    alert("billing-2", subject_id="3", status="resolved")
    critical = alert("billing-3", subject_id="4", severity="critical")
    both, severe = silence(BILLING), silence(BILLING, condition("severity", "=", "critical"))

    found = silences.hidden([both, severe])

    assert [found[each.pk] for each in (both, severe)] == [[critical, fits], [critical]]
    assert silences.would_hide([BILLING]) == [critical, fits]
    assert silences.would_hide([]) == []


def test_what_hides_now_are_the_active_ones():
    now = timezone.now()
    silence(starts_at=now + HOUR, ends_at=now + 2 * HOUR)
    silence(starts_at=now - HOUR, ends_at=now - MINUTE)
    made = silence()

    assert silences.active(now) == [made]
    assert silences.is_silenced(alert("billing-1"), silences.active(now))
    assert not silences.is_silenced(alert("billing-2", subject_id="2"), silences.active(now))


def test_a_silence_without_conditions_hides_nothing():
    assert silences.hiding({"agent": "x"}, [Silence(matchers=[])]) is None


def soon(**columns):
    return silence(BILLING, ends_at=timezone.now() + timedelta(minutes=10), **columns)


@pytest.mark.parametrize("status", ["firing", "recovering", "no_data"])
def test_an_end_within_15_minutes_that_lets_an_alert_through_is_told(status):
    made, fires = soon(), alert(status=status)

    (found,) = silences.ending_soon(timezone.now())

    assert (found.silence, found.alerts) == (made, [fires])


def test_no_end_is_told_that_is_far_or_lets_nothing_through():
    alert("billing-1", status="pending")
    alert("support-1", subject_id="2")
    soon()
    silence(BILLING)

    assert silences.ending_soon(timezone.now()) == []


def test_no_end_is_told_beyond_which_another_silence_or_an_acknowledgement_lasts():
    now = timezone.now()
    alert("billing-1", acknowledged_at=now, acknowledged_until=now + HOUR)
    alert("billing-2", subject_id="2")
    soon()
    silence(condition("agent", "=", "billing-2"), starts_at=now + 5 * MINUTE, ends_at=now + HOUR)

    assert silences.ending_soon(now) == []


def test_of_two_ends_the_later_one_lets_it_through():
    fires, first, second = alert(), soon(), soon()

    found = silences.ending_soon(timezone.now())

    assert first.ends_at < second.ends_at
    assert [(each.silence, each.alerts) for each in found] == [(second, [fires])]


def test_that_people_were_warned_is_kept():
    made, now = soon(), timezone.now()

    silences.mark_warned([made], now)

    made.refresh_from_db()
    assert made.warned_at == now


def test_the_database_finds_the_same_alerts_as_the_conditions_do():
    labels = [
        {"agent": "Bäcker [1]", "severity": "critical"},
        {"agent": "bÄCKER [1]-2", "severity": "info"},
        {"agent": "Bäcker11", "severity": "info"},
        {"queue": "default", "severity": "info"},
        {"severity": "warning"},
    ]
    rows = [alert(str(number), subject_id=str(number), labels=each) for number, each in enumerate(labels)]
    for conditions in (
        [condition("agent", "=", "Bäcker11")],
        [condition("agent", "!=", "Bäcker11")],
        [condition("agent", "in", ["Bäcker11", "x"])],
        [condition("agent", "contains", "äcker [1]")],
        [condition("agent", "starts with", "bäcker [1")],
        [condition("agent", "contains", "B"), condition("severity", "!=", "info")],
        [condition("queue", "!=", "x"), condition("severity", "in", ["info", "warning"])],
    ):
        lasts = silence(*conditions)
        fitting = {row.pk for row in rows if matchers.matches(conditions, row.labels)}

        found = set(Alert.objects.filter(silences.silenced(timezone.now())).values_list("pk", flat=True))

        assert found == fitting == {row.pk for row in silences.would_hide(conditions)}, conditions
        silencing.end(lasts.pk, by=OLGA)
