"""The verbs for silences, and what silences hide. The only writer of Silence; none is ever deleted, they end.

A silence hides what fits all of its matchers between two instants: alerts go on as ever, nobody is told of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from monitoring.models import Alert, AlertStatus, Silence
from monitoring.notification import matchers
from orchestra.kernel import access, accounts, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, FieldError, Invalid, NotFound
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role

access.grant(
    {"silences.create": Role.OPERATOR, "silences.change": Role.OPERATOR, "silences.end": Role.OPERATOR},
)

FIELDS = ("matchers", "reason", "starts_at", "ends_at")
LONGEST = timedelta(days=90)
FARTHEST = timedelta(days=365)
LONGEST_REASON = 1000
MOST_OPEN = 500
"""Silences that have not ended: each is held against every alert."""
MOST_HIDDEN = 5_000
"""Open alerts that are looked at to say what a silence hides."""
WARNS_BEFORE = timedelta(minutes=15)

SCHEDULED, ACTIVE, ENDED = "scheduled", "active", "ended"
LOUD = (AlertStatus.FIRING, AlertStatus.RECOVERING, AlertStatus.NO_DATA)
"""What people are told of unless something keeps it from them."""


@dataclass(frozen=True, slots=True)
class EndingSoon:
    """A silence near its end, and the alerts that will be told of then."""

    silence: Silence
    alerts: list[Alert]


def create(values: Mapping[str, Any], *, by: Actor) -> Silence:
    """Add a silence; of :data:`FIELDS` only ``starts_at`` may be left out (now). Raises :class:`Invalid`.

    It cannot begin in the past: what was told has been told.
    """
    access.check(by, "silences.create")
    now = timezone.now()
    given = {"matchers": [], "reason": "", "starts_at": None, "ends_at": None, **values}
    given["starts_at"] = max(given["starts_at"] or now, now)
    check(given, now)
    with events.recording(by):
        if Silence.objects.filter(ends_at__gt=now).count() >= MOST_OPEN:
            raise Conflict(f"There are {MOST_OPEN} silences that have not ended; end some of them first.")
        author = accounts.person_of(by)
        silence = Silence.objects.create(author=by.label[:150], author_user=author, **_kept(given))
        _record("SilenceCreated", silence, after=describe(silence), reason=silence.reason, permission="silences.create")
    return silence


def change(pk: int, values: Mapping[str, Any], *, by: Actor) -> Silence:
    """Change the :data:`FIELDS` that ``values`` names. Its beginning stays once it has begun.

    Raises :class:`Conflict` if it has ended, :class:`Invalid` naming each bad field. What changes nothing is not
    recorded. Another end will be warned of again.
    """
    access.check(by, "silences.change")
    with events.recording(by):
        now = timezone.now()
        silence = _locked(pk)
        _refuse_ended(silence, now)
        before = describe(silence)
        given = {name: values.get(name, getattr(silence, name)) for name in FIELDS}
        if silence.starts_at <= now:
            given["starts_at"] = silence.starts_at
        check(given, now)
        for name, value in _kept(given).items():
            setattr(silence, name, value)
        changed = _differing(before, describe(silence))
        if changed:
            if "ends_at" in changed:
                silence.warned_at = None
            silence.save(update_fields=[*FIELDS, "warned_at"])
            old, new = ({name: state[name] for name in changed} for state in (before, describe(silence)))
            _record(
                "SilenceChanged", silence, before=old, after=new, reason=silence.reason, permission="silences.change"
            )
    return silence


def end(pk: int, *, by: Actor, reason: str = "") -> Silence:
    """End a silence now; one that has not begun never will. Raises :class:`Conflict` if it has ended already."""
    access.check(by, "silences.end")
    with events.recording(by):
        now = timezone.now()
        silence = _locked(pk)
        _refuse_ended(silence, now)
        before = describe(silence)
        silence.starts_at = min(silence.starts_at, now)
        silence.ends_at, silence.ended_by = now, by.label[:150]
        silence.save(update_fields=["starts_at", "ends_at", "ended_by"])
        changed = _differing(before, describe(silence))
        old, new = ({name: state[name] for name in changed} for state in (before, describe(silence)))
        _record("SilenceEnded", silence, before=old, after=new, reason=reason, permission="silences.end")
    return silence


def check(given: Mapping[str, Any], now: datetime) -> None:
    """Raise :class:`Invalid` naming everything that is wrong with the :data:`FIELDS` of a silence."""
    faults = matchers.faults_of(given["matchers"])
    if not faults and not given["matchers"]:
        faults = [{"path": "matchers", "message": "Give at least one condition: none at all would hide every alert."}]
    reason = str(given["reason"] or "").strip()
    if not reason:
        faults.append({"path": "reason", "message": "Say why, so that others can understand it later."})
    elif len(reason) > LONGEST_REASON:
        faults.append({"path": "reason", "message": f"Give at most {LONGEST_REASON:,} characters."})
    faults += _faults_of_times(given["starts_at"], given["ends_at"], now)
    if faults:
        raise Invalid(errors=faults)


def describe(silence: Silence) -> dict[str, Any]:
    """A silence as events hold it."""
    times = {name: getattr(silence, name).isoformat() for name in ("starts_at", "ends_at")}
    return {"matchers": silence.matchers, "reason": silence.reason, **times, "ended_by": silence.ended_by}


def state_of(silence: Silence, now: datetime) -> str:
    if silence.ends_at <= now:
        return ENDED
    return SCHEDULED if silence.starts_at > now else ACTIVE


def in_state(state: str, now: datetime) -> Q:
    """The condition of silences that are in ``state`` now."""
    if state == ENDED:
        return Q(ends_at__lte=now)
    return Q(ends_at__gt=now) & (Q(starts_at__gt=now) if state == SCHEDULED else Q(starts_at__lte=now))


def active(now: datetime) -> list[Silence]:
    """The silences that hide something now, those that last longest first."""
    return list(Silence.objects.filter(in_state(ACTIVE, now)).order_by("-ends_at", "-pk"))


def hiding(labels: Mapping[str, str], silences: Iterable[Silence]) -> Silence | None:
    """The first of ``silences`` that hides an alert with these labels."""
    return next((each for each in silences if _hides(each.matchers, labels)), None)


def is_silenced(alert: Alert, silences: Iterable[Silence]) -> bool:
    """Whether one of ``silences``, which are :func:`active`, hides ``alert``."""
    return hiding(alert.labels, silences) is not None


def hidden(silences: Sequence[Silence]) -> dict[int, list[Alert]]:
    """For each silence, by its number, the open alerts that fit it, in one query."""
    alerts = list(_open_alerts()) if silences else []
    return {each.pk: [alert for alert in alerts if _hides(each.matchers, alert.labels)] for each in silences}


def would_hide(conditions: matchers.Matchers) -> list[Alert]:
    """The open alerts that fit ``conditions``, which have no faults."""
    return [alert for alert in _open_alerts() if _hides(conditions, alert.labels)]


def ending_soon(now: datetime) -> list[EndingSoon]:
    """The silences whose end within 15 minutes would let alerts through: no other silence hides them beyond it.

    Who has acknowledged an alert beyond that end will not be told either.
    """
    near = list(
        Silence.objects.filter(in_state(ACTIVE, now), ends_at__lte=now + WARNS_BEFORE).order_by("ends_at", "pk")
    )
    if not near:
        return []
    others = list(Silence.objects.filter(ends_at__gt=near[0].ends_at, starts_at__lte=near[-1].ends_at))
    found = hidden(near)
    ends = [EndingSoon(each, [a for a in found[each.pk] if _gets_through(a, each, others)]) for each in near]
    return [each for each in ends if each.alerts]


def mark_warned(silences: Iterable[Silence], now: datetime) -> None:
    """Note that people were told of the near end of these silences. Telemetry."""
    Silence.objects.filter(pk__in=[each.pk for each in silences]).update(warned_at=now)


def _gets_through(alert: Alert, silence: Silence, others: Iterable[Silence]) -> bool:
    end = silence.ends_at
    if alert.status not in LOUD or (alert.acknowledged_until is not None and alert.acknowledged_until > end):
        return False
    lasting = (other for other in others if other.starts_at <= end < other.ends_at)
    return hiding(alert.labels, lasting) is None


def _hides(conditions: matchers.Matchers, labels: Mapping[str, str]) -> bool:
    return bool(conditions) and matchers.matches(conditions, labels)


def _open_alerts() -> QuerySet[Alert]:
    """The newest open alerts, with what tells them apart."""
    shown = (
        "name",
        "subject_kind",
        "subject_id",
        "subject_label",
        "severity",
        "status",
        "labels",
        "acknowledged_until",
    )
    alerts = Alert.objects.exclude(status=AlertStatus.RESOLVED).only(*shown)
    return alerts.order_by("-pk")[:MOST_HIDDEN]


def _faults_of_times(starts_at: datetime, ends_at: datetime | None, now: datetime) -> list[FieldError]:
    if ends_at is None:
        return [{"path": "ends_at", "message": "Say when it ends: no silence is for ever."}]
    if starts_at > now + FARTHEST:
        return [{"path": "starts_at", "message": "Let it begin within a year."}]
    if ends_at <= now:
        return [{"path": "ends_at", "message": "This is in the past; give an end that is still to come."}]
    if ends_at <= starts_at:
        return [{"path": "ends_at", "message": "It would end before it begins; give a later end."}]
    if ends_at - starts_at > LONGEST:
        message = f"A silence lasts {LONGEST.days} days at most; give an earlier end, and extend it if need be."
        return [{"path": "ends_at", "message": message}]
    return []


def _kept(given: Mapping[str, Any]) -> dict[str, Any]:
    conditions, reason = matchers.cleaned(given["matchers"]), str(given["reason"]).strip()
    return {"matchers": conditions, "reason": reason, "starts_at": given["starts_at"], "ends_at": given["ends_at"]}


def _refuse_ended(silence: Silence, now: datetime) -> None:
    if state_of(silence, now) == ENDED:
        by = f", by {silence.ended_by}" if silence.ended_by else ""
        sentence = f"This silence has ended{by}; make a new one with the same conditions."
        raise Conflict(sentence, target=_ref(silence))


def _locked(pk: int) -> Silence:
    silence = Silence.objects.select_for_update(no_key=True).filter(pk=pk).first()
    if silence is None:
        raise NotFound("There is no such silence; go back to the list.")
    return silence


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [name for name in before if before[name] != after[name]]


def _ref(silence: Silence) -> Ref:
    return Ref("silence", silence.pk, matchers.words(silence.matchers)[:200])


def _record(action: str, silence: Silence, **what: Any) -> None:
    events.record(action, target=_ref(silence), **what)
