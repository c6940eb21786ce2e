"""The words of a notification: its subject, its text, and what programs read of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.urls import reverse

from monitoring.metrics.catalogue import METRICS
from monitoring.models import Alert, AlertStatus, NotificationKind
from orchestra.kernel import charts
from orchestra.kernel.wording import bounded

SHOWN = 20
"""Alerts that a text tells one by one; of the others it says how many."""
MOST_ALERTS = 100
"""Alerts that programs are told of one by one."""
LONGEST_SUBJECT = 300
_VERBS: Mapping[str, tuple[str, str]] = {
    NotificationKind.FIRING: ("Firing", "alerts fire"),
    NotificationKind.RESOLVED: ("Resolved", "alerts are resolved"),
    NotificationKind.NO_DATA: ("No data", "alerts have no data"),
    NotificationKind.REPEAT: ("Still firing", "alerts still fire"),
    NotificationKind.REMINDER: ("Acknowledgement over, still firing", "acknowledgements are over, and it still fires"),
    NotificationKind.ESCALATION: ("Nobody acknowledged", "alerts that nobody acknowledged"),
    NotificationKind.DIGEST: ("Flapping", "alerts flap"),
    NotificationKind.SILENCE_ENDING: ("A silence ends soon", "alerts will be told of when a silence ends"),
}
_STATES: Mapping[str, str] = {
    AlertStatus.FIRING: "fires",
    AlertStatus.RECOVERING: "is recovering",
    AlertStatus.NO_DATA: "has no data",
    AlertStatus.RESOLVED: "is resolved",
    AlertStatus.PENDING: "breaches its limit",
}
COLUMNS = (
    "name", "metric", "severity", "subject_label", "status", "since", "limit", "value", "resolve_reason", "changes",
    "threshold",
)  # fmt: skip
"""What :func:`text_of` reads of an alert."""
_GRAVITY = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Letter:
    """What goes through a channel. ``key`` is the same however often it is tried; ``alerts`` are for programs."""

    key: str
    kind: str
    subject: str
    text: str
    alerts: Sequence[Mapping[str, Any]] = ()
    number: int | None = None
    at: datetime | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Head(NamedTuple):
    """What a subject says of an alert, by the names of its columns."""

    pk: int
    name: str
    severity: str
    subject_label: str


def subject_of(kind: str, alerts: Sequence[Head]) -> str:
    """``[critical] Firing: Slow answers, billing-1`` or ``[warning] Firing: 12 alerts of Slow answers``."""
    one, many = _VERBS[kind]
    gravest = min((alert.severity for alert in alerts), key=_GRAVITY.index, default="info")
    if len(alerts) == 1:
        said = f"{one}: {_title(alerts[0])}"
    else:
        names = list(dict.fromkeys(alert.name for alert in alerts))
        others = f" and {len(names) - 3} more" if len(names) > 3 else ""
        said = f"{len(alerts):,} {many}: {', '.join(names[:3])}{others}"
    return f"[{gravest}] {said}"[:LONGEST_SUBJECT]


def text_of(
    kind: str,
    alerts: Sequence[Alert],
    *,
    others: int = 0,
    still: int = 0,
    folded: Mapping[int, int] | None = None,
) -> str:
    """A paragraph for each of ``alerts``, how many ``others`` there are, and how many of the group ``still`` fire."""
    counts = folded or {}
    flaps = kind == NotificationKind.DIGEST
    told = [_paragraph(alert, _changes(alert, counts) if flaps else 0) for alert in alerts]
    if others:
        told.append(f"And {others:,} more.")
    if still:
        told.append(f"{bounded(still)} told of before still fire{'s' if still == 1 else ''}.")
    return "\n\n".join(told)


def data_of(alert: Alert) -> dict[str, Any]:
    """What programs read of an alert."""
    return {
        "id": alert.pk,
        "name": alert.name,
        "metric": alert.metric,
        "severity": alert.severity,
        "status": alert.status,
        "labels": alert.labels,
        "value": alert.value,
        "limit": alert.limit,
        "since": alert.since.isoformat(),
        "fired_at": alert.fired_at and alert.fired_at.isoformat(),
        "resolved_at": alert.resolved_at and alert.resolved_at.isoformat(),
        "acknowledged": alert.acknowledged,
        "flapping": alert.flapping,
        "url": address(alert),
    }


def address(alert: Alert) -> str:
    """Where the alert can be seen; a path where nobody has set PUBLIC_URL."""
    return f"{settings.PUBLIC_URL}{reverse('alert', args=[alert.pk])}"


def notification_address(number: int) -> str:
    return f"{settings.PUBLIC_URL}{reverse('notification', args=[number])}"


def _title(alert: Alert | Head) -> str:
    return f"{alert.name}, {alert.subject_label}" if alert.subject_label else alert.name


def _changes(alert: Alert, counts: Mapping[int, int]) -> int:
    """How often a flapping alert changed: since its last digest, or within the time in which changes count."""
    return max(counts.get(alert.pk, 0), len(alert.changes))


def _paragraph(alert: Alert, changes: int) -> str:
    unit = METRICS[alert.metric].unit if alert.metric in METRICS else "count"
    figures = f" {charts.words(alert.value, unit)}, limit {charts.words(alert.limit, unit)}"
    lines = [f"[{alert.severity}] {_title(alert)} {_STATES[alert.status]}:{figures}. Since {_instant(alert.since)}."]
    if changes:
        lines.append(f"It changed {changes} time{'' if changes == 1 else 's'} lately, too often to tell of each.")
    if alert.resolve_reason and alert.status == AlertStatus.RESOLVED:
        lines.append(alert.resolve_reason)
    if alert.threshold is not None and alert.threshold.instruction and alert.status != AlertStatus.RESOLVED:
        lines.append(f"What to do: {alert.threshold.instruction}")
    if settings.PUBLIC_URL:
        lines.append(address(alert))
    return "\n".join(lines)


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
