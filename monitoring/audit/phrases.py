"""The words for events of the kernel, which knows no pages, and of this app."""

import json
from collections.abc import Callable
from typing import Any

from monitoring.audit.entries import detail_of
from orchestra.kernel.models import Event

Phrase = Callable[[Event], str]


def _did(words: str) -> Phrase:
    return lambda event: f"{event.actor_label} {words}"


def _did_to(words: str, after: str = "") -> Phrase:
    return lambda event: f"{event.actor_label} {words} {event.target_label}{after}"


def _own_or_of(what: str) -> Phrase:
    """About what belongs to a person, changed by that person or by somebody else."""

    def phrase(event: Event) -> str:
        own = event.actor_kind == "person" and event.actor_id == event.target_id
        return f"{event.actor_label} changed {'their own' if own else 'the'} {what}" + (
            "" if own else f" of {event.target_label}"
        )

    return phrase


def _role_changed(event: Event) -> str:
    return f"{event.actor_label} made {event.target_label} {_after(event).get('role', 'something else')}"


def _login_failed(event: Event) -> str:
    return f"{event.actor_label} failed to sign in as {event.target_label or 'nobody'}{_times(event)}"


def _locked_out(event: Event) -> str:
    return (
        f"{event.actor_label} was locked out after trying to sign in as {event.target_label or 'nobody'}{_times(event)}"
    )


def _refused(event: Event) -> str:
    asked = _after(event).get("attempted", "")
    about = "" if event.target_kind == "page" else f" at {event.target_kind} #{event.target_id} {event.target_label}"
    return f"{event.actor_label} was refused{about}{f': {asked}' if asked else ''}{_times(event)}"


def _times(event: Event) -> str:
    count = _after(event).get("count", 1)
    return f", {count} times" if count > 1 else ""


def _after(event: Event) -> dict[str, Any]:
    detail = detail_of(event)
    after = json.loads(detail.after) if detail and detail.after else {}
    return after if isinstance(after, dict) else {}


def _exported(event: Event) -> str:
    return f"{event.actor_label} exported {_after(event).get('rows', 0):,} events"


def _export_aborted(event: Event) -> str:
    return f"The export by {event.actor_label} broke off after {_after(event).get('rows', 0):,} events"


def _verified(event: Event) -> str:
    return f"The audit trail was verified to #{_after(event).get('events', 0):,}"


def _broken(event: Event) -> str:
    return f"The audit trail is broken at #{_after(event).get('first_bad', 0):,}"


def _threshold_changed(event: Event) -> str:
    """With the limit that it had and has, where that is what changed."""
    detail = detail_of(event)
    before = json.loads(detail.before) if detail and detail.before else {}
    limits = [side.get("limit") for side in (before, _after(event))]
    by = f": {limits[0]} → {limits[1]}" if all(limits) else ""
    return f"{event.actor_label} changed the threshold {event.target_label}{by}"


def _of_the_alert(words: str) -> Phrase:
    return lambda event: f"{event.target_label} {words}"


def _alert_resolved(event: Event) -> str:
    if event.actor_kind == "person":
        return f"{event.actor_label} resolved {event.target_label}"
    return f"{event.target_label} is resolved"


PHRASES: dict[str, Phrase] = {
    "UserCreated": _did_to("added"),
    "UserChanged": _did_to("changed the account of"),
    "UserRoleChanged": _role_changed,
    "UserActivated": _did_to("activated the account of"),
    "UserDeactivated": _did_to("deactivated the account of"),
    "PasswordChanged": _own_or_of("password"),
    "PreferencesChanged": _own_or_of("preferences"),
    "FilterSaved": _did_to("saved the filter"),
    "FilterChanged": _did_to("changed the filter"),
    "FilterRemoved": _did_to("removed the filter"),
    "UserLoggedIn": _did("signed in"),
    "UserLoggedOut": _did("signed out"),
    "LoginFailed": _login_failed,
    "LoginLockedOut": _locked_out,
    "LoginUnlocked": _did_to("unlocked the account of"),
    "TokenCreated": _did_to("made the API token"),
    "TokenRevoked": _did_to("revoked the API token"),
    "EncryptionKeysRotated": _did("encrypted the stored secrets anew"),
    "RequestRefused": _refused,
    "ThresholdAdded": _did_to("added the threshold"),
    "ThresholdChanged": _threshold_changed,
    "ThresholdEnabled": _did_to("enabled the threshold"),
    "ThresholdDisabled": _did_to("disabled the threshold"),
    "ThresholdRestored": _did_to("restored an earlier version of the threshold"),
    "ThresholdRemoved": _did_to("removed the threshold"),
    "AlertOpened": _of_the_alert("breaches its limit"),
    "AlertDropped": _of_the_alert("went back before it fired"),
    "AlertFired": _of_the_alert("fires"),
    "RecoveryStarted": _of_the_alert("is recovering"),
    "AlertRefired": _of_the_alert("went back while it recovered"),
    "AlertResolved": _alert_resolved,
    "AlertLostData": _of_the_alert("has no data any more"),
    "DataReturned": _of_the_alert("has data again"),
    "FlappingStarted": _of_the_alert("flaps"),
    "FlappingStopped": _of_the_alert("flaps no more"),
    "AuditExportStarted": _did("began to export the audit trail"),
    "AuditExportFinished": _exported,
    "AuditExportAborted": _export_aborted,
    "AuditVerificationStarted": _did("had the audit trail verified"),
    "AuditVerified": _verified,
    "AuditFoundBroken": _broken,
}
