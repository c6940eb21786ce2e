"""What people do to alerts: acknowledge, extend, give back, hand over, note, resolve. One at a time, or many at once.

The evaluator writes the rest of an alert. It never touches what is written here: owner, note, acknowledgement.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from monitoring.alerting import states
from monitoring.models import Alert, AlertStatus
from monitoring.notification import planner
from orchestra.kernel import access, accounts, bulk, events, retention
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, Invalid, NotFound, field_error
from orchestra.kernel.events import Ref
from orchestra.kernel.lists import Selection
from orchestra.kernel.models import Role, User
from orchestra.kernel.tally import Tally
from orchestra.kernel.wording import one_unit

access.grant(
    {
        "alerts.acknowledge": Role.OPERATOR,
        "alerts.assign": Role.OPERATOR,
        "alerts.note": Role.OPERATOR,
        "alerts.resolve": Role.OPERATOR,
    }
)

USUALLY = timedelta(hours=4)
LONGEST = timedelta(days=30)
LONGEST_NOTE = 5_000
KEPT_DAYS, KEPT_UNFIRED_DAYS = 180, 7
"""Days after they were resolved; of those that went back before they fired, and nobody heard of, fewer."""
REMOVED_AT_ONCE = 1_000
ACKNOWLEDGEMENT = ("acknowledged_by", "acknowledged_at", "acknowledged_until", "owner_id", "note")
Change = Callable[[Alert], Any]
Tell = Callable[[Sequence[Alert], datetime], Any]
"""How the planner of notifications learns of what was done."""


def acknowledge(pk: int, *, by: Actor, until: datetime | None = None, note: str = "") -> Alert:
    """Say that one knows of it and looks after it ``until`` then (four hours if not given, 30 days at most).

    Nobody is reminded of it meanwhile. One's own acknowledgement is renewed by another; while that of somebody else
    lasts, :class:`Conflict` says whose. A ``note`` takes the place of the one before.
    """
    access.check(by, "alerts.acknowledge")
    now = timezone.now()
    until = checked_end(until, now)
    _check_note(note)
    said = _Acknowledgement(by, until, note.strip(), accounts.person_of(by))
    return _changed(pk, by, said.of, ACKNOWLEDGEMENT, planner.look_again)


def extend(pk: int, until: datetime, *, by: Actor, reason: str = "") -> Alert:
    """Let an acknowledgement, anybody's, last ``until`` then."""
    access.check(by, "alerts.acknowledge")
    until = checked_end(until, timezone.now())

    def do(alert: Alert) -> None:
        _refuse_resolved(alert)
        if alert.acknowledged_at is None:
            raise Conflict("Nobody has acknowledged this alert; acknowledge it instead.", target=states.ref(alert))
        before, alert.acknowledged_until = alert.acknowledged_until, until
        if before != until:
            told = {"before": _until(before), "after": _until(until), "reason": reason}
            _record("AlertAcknowledgementExtended", alert, permission="alerts.acknowledge", **told)

    return _changed(pk, by, do, ("acknowledged_until",), planner.look_again)


def unacknowledge(pk: int, *, by: Actor, reason: str = "") -> Alert:
    """Take an acknowledgement back, so that people are reminded of the alert again. Its owner and note stay."""
    access.check(by, "alerts.acknowledge")

    def do(alert: Alert) -> None:
        if alert.acknowledged_at is None:
            raise Conflict("Nobody has acknowledged this alert, so nothing was changed.", target=states.ref(alert))
        before = {"acknowledged_by": alert.acknowledged_by, **_until(alert.acknowledged_until)}
        alert.acknowledged_by, alert.acknowledged_at, alert.acknowledged_until = "", None, None
        _record("AlertUnacknowledged", alert, before=before, reason=reason, permission="alerts.acknowledge")

    return _changed(pk, by, do, ACKNOWLEDGEMENT, planner.look_again)


def assign(pk: int, owner: User | None, *, by: Actor, reason: str = "") -> Alert:
    """Make ``owner`` the one who looks after it, or nobody. The acknowledgement stays."""
    access.check(by, "alerts.assign")
    if owner is not None and not access.can(owner, "alerts.acknowledge"):
        raise field_error("owner", "They could not work on it; choose somebody who is an operator.")

    def do(alert: Alert) -> None:
        before = alert.owner.label if alert.owner else ""
        if alert.owner_id != (owner.pk if owner else None):
            alert.owner = owner
            told = {"before": {"owner": before}, "after": {"owner": owner.label if owner else ""}, "reason": reason}
            _record("AlertAssigned", alert, permission="alerts.assign", **told)

    return _changed(pk, by, do, ("owner_id",))


def note(pk: int, text: str, *, by: Actor) -> Alert:
    """Keep ``text`` with the alert, in place of what was there."""
    access.check(by, "alerts.note")
    _check_note(text)

    def do(alert: Alert) -> None:
        before, alert.note = alert.note, text.strip()
        if before != alert.note:
            told = {"before": {"note": before}, "after": {"note": alert.note}}
            _record("AlertNoted", alert, permission="alerts.note", **told)

    return _changed(pk, by, do, ("note",))


def resolve(pk: int, *, by: Actor, reason: str) -> Alert:
    """End an alert by hand, for a reason. If the threshold is still breached, it fires again after its time."""
    access.check(by, "alerts.resolve")
    _check_reason(reason)
    return _changed(pk, by, lambda alert: _resolve(alert, by, reason), (), planner.hear)


def acknowledge_many(selection: Selection[Alert], *, by: Actor, reason: str = "") -> Tally:
    """Acknowledge all of ``selection`` for four hours; ``reason`` becomes their note. What is resolved is skipped."""
    access.check(by, "alerts.acknowledge")
    _check_note(reason)
    said = _Acknowledgement(by, timezone.now() + USUALLY, reason.strip(), accounts.person_of(by))
    tally = Tally("acknowledged")

    def deal_with(rows: list[Alert]) -> None:
        changed = [row for row in rows if _tried(row, said.of, tally)]
        bulk.update(Alert, changed, ACKNOWLEDGEMENT)
        planner.look_again(changed, timezone.now())

    _each(selection, by, deal_with)
    return tally


def resolve_many(selection: Selection[Alert], *, by: Actor, reason: str) -> Tally:
    """Resolve all of ``selection``; what is resolved already is skipped."""
    access.check(by, "alerts.resolve")
    _check_reason(reason)
    tally = Tally("resolved")

    def deal_with(rows: list[Alert]) -> None:
        changed = [row for row in rows if _tried(row, lambda alert: _resolve(alert, by, reason), tally)]
        planner.hear(changed, timezone.now())

    _each(selection, by, deal_with)
    return tally


def forget_old() -> int:
    """Remove alerts resolved long ago, sooner those that never fired and nobody heard of; returns how many."""
    resolved = Alert.objects.filter(status=AlertStatus.RESOLVED, flapping=False)
    old = retention.ended_before(resolved, "resolved_at", days=KEPT_DAYS)
    dropped = resolved.filter(fired_at=None, notifications=None)
    unfired = retention.ended_before(dropped, "resolved_at", days=KEPT_UNFIRED_DAYS)
    by, action = retention.RETENTION, "AlertsRemoved"
    return sum(
        retention.remove_recorded(rows, at_once=REMOVED_AT_ONCE, by=by, action=action) for rows in (old, unfired)
    )


def is_acknowledged(alert: Alert, now: datetime) -> bool:
    """Whether somebody's acknowledgement of it still lasts."""
    return alert.acknowledged_until is not None and alert.acknowledged_until > now


def checked_end(until: datetime | None, now: datetime) -> datetime:
    """When an acknowledgement ends that is to last ``until`` then."""
    if until is None:
        return now + USUALLY
    if until <= now:
        raise field_error("until", "This is in the past; give an end that is still to come.")
    if until > now + LONGEST:
        raise field_error("until", f"Give an end within {LONGEST.days} days; extend it later if need be.")
    return until


@dataclass(frozen=True, slots=True)
class _Acknowledgement:
    """What somebody says of alerts; ``person`` is their account."""

    by: Actor
    until: datetime
    note: str
    person: User | None

    def of(self, alert: Alert) -> None:
        """Acknowledge ``alert``, which is locked; raises :class:`Conflict` if that is somebody else's."""
        now = timezone.now()
        _refuse_resolved(alert)
        if is_acknowledged(alert, now) and alert.acknowledged_by != self.by.label:
            raise Conflict(_taken(alert, now), target=states.ref(alert), acknowledged_by=alert.acknowledged_by)
        alert.acknowledged_by, alert.acknowledged_at, alert.acknowledged_until = self.by.label[:150], now, self.until
        alert.owner = self.person or alert.owner
        alert.note = self.note or alert.note
        after = {**_until(self.until), **({"note": self.note} if self.note else {})}
        _record("AlertAcknowledged", alert, after=after, permission="alerts.acknowledge")


def _resolve(alert: Alert, by: Actor, reason: str) -> None:
    _refuse_resolved(alert)
    states.resolve(alert, by=by, reason=reason.strip(), permission="alerts.resolve")


def _record(action: str, alert: Alert, **what: Any) -> None:
    events.record(
        action, target=states.ref(alert), parent=Ref("threshold", alert.threshold_id or "", alert.name), **what
    )


def _changed(pk: int, by: Actor, change: Change, columns: Sequence[str], tell: Tell | None = None) -> Alert:
    """The alert after ``change``, which may raise, its row locked; ``columns`` are what is left to be saved of it."""
    with events.recording(by):
        alert = _rows().filter(pk=pk).first()
        if alert is None:
            raise NotFound("There is no such alert; go back to the list.")
        change(alert)
        if columns:
            alert.save(update_fields=columns)
        if tell is not None:
            tell([alert], timezone.now())
    return alert


def _each(selection: Selection[Alert], by: Actor, deal_with: Callable[[list[Alert]], None]) -> None:
    """The alerts of ``selection``, some hundred at a time, locked in a unit of work each, under one correlation."""
    with events.correlating():
        for numbers in selection.slices():
            with events.recording(by):
                deal_with(list(_rows().filter(pk__in=numbers).order_by("pk")))


def _tried(alert: Alert, change: Change, tally: Tally) -> bool:
    if not alert.is_open:
        tally.skipped += 1
        return False
    before = tally.done
    with tally.trying(str(alert), reverse("alert", args=[alert.pk])):
        change(alert)
    return tally.done > before


def _rows() -> QuerySet[Alert]:
    return Alert.objects.select_for_update(no_key=True, of=("self",)).select_related("owner")


def _refuse_resolved(alert: Alert) -> None:
    if not alert.is_open:
        by = f" by {alert.resolved_by}" if alert.resolved_by else ""
        sentence = f"This alert is resolved{by} already, so there is nothing left to do; if it fires again, it says so."
        raise Conflict(sentence, target=states.ref(alert))


def _taken(alert: Alert, now: datetime) -> str:
    assert alert.acknowledged_at and alert.acknowledged_until
    since = one_unit((now - alert.acknowledged_at).total_seconds())
    left = one_unit((alert.acknowledged_until - now).total_seconds())
    return (
        f"{alert.acknowledged_by} acknowledged this {since} ago, for another {left}; "
        "become its owner instead, or ask them."
    )


def _until(at: datetime | None) -> dict[str, Any]:
    return {"acknowledged_until": at.isoformat() if at else None}


def _check_note(text: str) -> None:
    if len(text) > LONGEST_NOTE:
        raise field_error("note", f"Give at most {LONGEST_NOTE:,} characters.")


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise field_error("reason", "Say why, so that others can understand it later.")
    if len(reason) > 1000:
        raise Invalid(errors=[{"path": "reason", "message": "Give at most 1,000 characters."}])
