"""The verbs for silences. The only writer of Silence; none is ever deleted, they end.

Who is to be told of what a silence hid, or no longer of what it hides, is found out soon after: the groups of those
alerts are looked at again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from monitoring.models import Alert, Silence
from monitoring.notification import matchers, planner
from monitoring.notification.silences import ENDED, state_of, would_hide
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
MOST_OPEN = 200
"""Silences that have not ended: each is held against every alert."""


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
        planner.look_again(would_hide(silence.matchers), now)
        _record("SilenceCreated", silence, after=describe(silence), reason=silence.reason, permission="silences.create")
    return silence


def change(pk: int, values: Mapping[str, Any], *, by: Actor) -> Silence:
    """Change the :data:`FIELDS` that ``values`` names. Its beginning stays once it has begun.

    Raises :class:`Conflict` if it has ended, :class:`Invalid` naming each bad field. What changes nothing is not
    recorded. Another end will be warned of again.
    """
    access.check(by, "silences.change")
    with events.recording(by):
        silence = _locked(pk)
        now = timezone.now()  # after whoever held the lock: what they ended has ended by then
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
            planner.look_again(_either(before["matchers"], silence.matchers), now)
            old, new = ({name: state[name] for name in changed} for state in (before, describe(silence)))
            _record(
                "SilenceChanged", silence, before=old, after=new, reason=silence.reason, permission="silences.change"
            )
    return silence


def end(pk: int, *, by: Actor, reason: str = "") -> Silence:
    """End a silence now; one that has not begun never will. Raises :class:`Conflict` if it has ended already."""
    access.check(by, "silences.end")
    with events.recording(by):
        silence = _locked(pk)
        now = timezone.now()  # after whoever held the lock: what they ended has ended by then
        _refuse_ended(silence, now)
        before = describe(silence)
        silence.starts_at = min(silence.starts_at, now)
        silence.ends_at, silence.ended_by = now, by.label[:150]
        silence.save(update_fields=["starts_at", "ends_at", "ended_by"])
        planner.look_again(would_hide(silence.matchers), now)
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


def _either(before: matchers.Matchers, after: matchers.Matchers) -> list[Alert]:
    found = would_hide(before)
    return found if before == after else [*found, *would_hide(after)]


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
