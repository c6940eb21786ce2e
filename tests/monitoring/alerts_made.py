"""Alerts and silences as tests need them, made without a threshold that breaches."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from monitoring.models import Alert, Notification, Silence
from tests.silent_writes import arranged


def alert(label: str = "billing-1", **columns: Any) -> Alert:
    """An alert about the agent ``label``, which fires unless ``status`` says otherwise."""
    now = timezone.now()
    made: dict[str, Any] = {
        "name": "Response over 5 s",
        "metric": "response_time",
        "severity": "warning",
        "subject_kind": "agent",
        "subject_id": "1",
        "subject_label": label,
        "status": "firing",
        "since": now - timedelta(minutes=4),
        "began_at": now - timedelta(minutes=5),
        "fired_at": now - timedelta(minutes=4),
        "limit": 5.0,
        "value": 8.2,
        "value_at": now,
        "worst": 9.1,
        "seen_at": now,
        **columns,
    }
    if made["status"] == "resolved":
        made.setdefault("resolved_at", now)
    own = {made["subject_kind"]: label} if label else {}
    made.setdefault(
        "labels",
        {
            "threshold": made["name"],
            "metric": made["metric"],
            "severity": made["severity"],
            "kind": made["subject_kind"],
            **own,
        },
    )
    with arranged():
        return Alert.objects.create(**made)


def silence(*conditions: dict[str, Any], **columns: Any) -> Silence:
    """A silence that has begun and lasts another hour."""
    now = timezone.now()
    made = {
        "matchers": list(conditions) or [condition("agent", "=", "billing-1")],
        "author": "Olga",
        "reason": "Maintenance",
        "starts_at": now - timedelta(minutes=1),
        "ends_at": now + timedelta(hours=1),
        **columns,
    }
    with arranged():
        return Silence.objects.create(**made)


def condition(label: str, operator: str, value: Any) -> dict[str, Any]:
    return {"label": label, "operator": operator, "value": value}


def notification(about: Alert, channel: str, **columns: Any) -> Notification:
    """A notification that was made now about one alert."""
    made = {"kind": "firing", "status": "sent", "created_at": timezone.now().replace(microsecond=0), **columns}
    with arranged():
        one = Notification.objects.create(channel_name=channel, subject=str(about), **made)
        one.alerts.add(about)
    return one
