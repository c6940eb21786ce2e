"""The only place that moves alerts: the evaluator's many at a tick, and the one that a person resolves.

A row of Alert holds a state of ``machine.py``; this module reads the one from the other, writes it back and records
what happened. Who is told is for ``notification`` to say: callers hand on what these functions return.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from monitoring.alerting import machine
from monitoring.alerting.machine import Change, State
from monitoring.metrics.readings import Subject
from monitoring.models import ALERT_STATES, Alert, AlertStatus, Threshold
from orchestra.kernel import bulk, events, states
from orchestra.kernel.access import Actor
from orchestra.kernel.events import Ref

EVALUATOR = Actor.system("alerts")

ACTIONS: Mapping[Change, str] = {
    Change.BEGAN: "AlertOpened",
    Change.DROPPED: "AlertDropped",
    Change.RECOVERING: "RecoveryStarted",
    Change.FIRED: "AlertFired",
    Change.REFIRED: "AlertRefired",
    Change.RESOLVED: "AlertResolved",
    Change.LOST_DATA: "AlertLostData",
    Change.DATA_BACK: "DataReturned",
    Change.STARTED_FLAPPING: "FlappingStarted",
    Change.STOPPED_FLAPPING: "FlappingStopped",
}

SEEN = ("value", "value_at", "worst", "limit", "seen_at", "unseen_s")
"""Written at every tick while an alert is open: telemetry."""
FOLLOWED = ("name", "metric", "severity", "threshold_version", "subject_label", "labels")
"""What an alert shows of its threshold and its subject, when these have changed: telemetry as well."""
STATE = (
    "status",
    "was",
    "since",
    "began_at",
    "fired_at",
    "resolved_at",
    "resolved_by",
    "resolve_reason",
    "changes",
    "flapping",
)
TELEMETRY = {f"monitoring_alert.{column}" for column in (*SEEN, *FOLLOWED)}


@dataclass(frozen=True, slots=True)
class Moved:
    """An alert that something happened to, and the status that it had before."""

    alert: Alert
    changes: tuple[Change, ...]
    before: str
    reason: str = ""


def state_of(alert: Alert) -> State:
    """The state that the row holds."""
    return State(
        alert.status,
        alert.since.timestamp(),
        alert.began_at.timestamp(),
        alert.seen_at.timestamp(),
        alert.was,
        alert.unseen_s,
        tuple(alert.changes),
        alert.flapping,
    )


def begun(threshold: Threshold, subject: Subject, state: State) -> Alert:
    """A new row, not saved yet, that :func:`take_on` is to be given."""
    shown = _shown(threshold, subject)
    own = {"threshold_id": threshold.pk, "subject_kind": subject.kind, "subject_id": subject.id}
    return bulk.fresh(Alert, {**own, **shown, "status": state.status, "value": None, "worst": None})


def follow(alert: Alert, threshold: Threshold, subject: Subject) -> bool:
    """Have an alert show its threshold and subject as they are now; returns whether that changed anything."""
    shown = _shown(threshold, subject)
    changed = {name: value for name, value in shown.items() if getattr(alert, name) != value}
    for name, value in changed.items():
        setattr(alert, name, value)
    return bool(changed)


def _shown(threshold: Threshold, subject: Subject) -> dict[str, Any]:
    """The columns of ``FOLLOWED``."""
    return {
        "name": threshold.name,
        "metric": threshold.metric,
        "severity": threshold.severity,
        "threshold_version": threshold.version,
        "subject_label": subject.label[:150],
        "labels": labels_of(threshold, subject),
    }


def labels_of(threshold: Threshold, subject: Subject) -> dict[str, str]:
    """What routes, silences and inhibitions match."""
    own = {"threshold": threshold.name, "metric": threshold.metric, "severity": threshold.severity}
    return {**own, "kind": subject.kind, **subject.labels}


def take_on(alert: Alert, state: State, changes: tuple[Change, ...], *, reason: str = "") -> Moved:
    """Give a row in memory the state that a step led to, with what follows for its other columns.

    A new row has no key yet; of any other the caller holds the lock. :func:`save` writes them.
    """
    before = "" if alert.pk is None else alert.status
    if alert.pk is not None and state.status != before:
        ALERT_STATES.stage(alert, state.status)
    alert.was, alert.unseen_s, alert.flapping = state.was, state.unseen_s, state.flapping
    alert.since, alert.began_at = moment(state.since), moment(state.began_at)
    alert.changes = list(state.changes)
    if Change.FIRED in changes:
        alert.fired_at = moment(state.since)
    is_resolved = state.status == AlertStatus.RESOLVED
    if is_resolved != (before == AlertStatus.RESOLVED):
        alert.resolved_at = moment(state.since) if is_resolved else None
        alert.resolved_by, alert.resolve_reason = "", reason
    return Moved(alert, changes, before, reason)


def save(moved: Sequence[Moved], seen: Sequence[Alert], followed: Sequence[Alert]) -> None:
    """Write alerts that :func:`take_on` has changed or made, and the telemetry of others; in a unit of work.

    Those of ``followed`` are among the first two; what they show of threshold and subject has changed.
    """
    rows = [each.alert for each in moved]
    states.save_all(Alert, rows, [*STATE, *SEEN])
    bulk.execute(bulk.change(Alert, seen, SEEN), bulk.change(Alert, followed, FOLLOWED))


def record(moved: Iterable[Moved], *, permission: str = "") -> None:
    """Record what happened to alerts that are saved, an event for each change."""
    for each in moved:
        alert = each.alert
        told: dict[str, Any] = {
            "target": ref(alert),
            "parent": Ref("threshold", alert.threshold_id or "", alert.name),
            "before": {"status": each.before} if each.before else None,
            "after": {"status": alert.status, "value": alert.value, "limit": alert.limit},
            "reason": each.reason,
            "permission": permission,
        }
        for change in each.changes:
            events.record(ACTIONS[change], **told)


def resolve(alert: Alert, *, by: Actor, reason: str = "", permission: str = "") -> Moved:
    """Resolve an alert for a person, in the unit of work of the verb, which has checked that they may and locked it.

    If it still breaches, the next tick has it begin anew, and it fires once that has lasted for its pending time: the
    same alert within the flapping window. Raises :class:`IllegalTransition` if it is resolved already.
    """
    ALERT_STATES.check(alert.status, AlertStatus.RESOLVED)
    state = machine.resolved(state_of(alert), timezone.now().timestamp())
    moved = take_on(alert, state, (Change.RESOLVED,), reason=reason)
    alert.seen_at, alert.resolved_by = moment(state.seen_at), by.label[:150]
    states.save_all(Alert, [alert], [*STATE, "seen_at", "unseen_s"])
    record([moved], permission=permission)
    return moved


def ref(alert: Alert) -> Ref:
    """What events say of an alert."""
    return Ref("alert", alert.pk, str(alert))


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
