"""What was last said of alerts, to whom, and why not: read for pages and API, and put into words."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Max

from monitoring.models import Notification, NotificationStatus

SHOWN = 50
_SAID = {
    NotificationStatus.SENT: "told",
    NotificationStatus.QUEUED: "to be told",
    NotificationStatus.SENDING: "being told",
    NotificationStatus.FAILED: "could not be told",
}
_OF_ALERTS: Any = Notification.alerts.through


def last_of(alerts: Collection[int]) -> dict[int, list[Notification]]:
    """The notifications that were made last of each alert, all of the same moment; by the alert's number.

    Three queries, however many alerts there are.
    """
    newest = (
        _OF_ALERTS.objects.filter(alert_id__in=alerts)
        .order_by()
        .values("alert_id")
        .annotate(last=Max("notification_id"))
    )
    last = {row["alert_id"]: row["last"] for row in newest}
    moments = dict(Notification.objects.filter(pk__in=set(last.values())).values_list("pk", "created_at"))
    wanted = {alert: moments[number] for alert, number in last.items()}
    found: dict[int, list[Notification]] = {}
    beside = _OF_ALERTS.objects.filter(alert_id__in=wanted, notification__created_at__in=set(wanted.values()))
    for link in beside.select_related("notification").order_by("notification_id"):
        if link.notification.created_at == wanted[link.alert_id]:
            found.setdefault(link.alert_id, []).append(link.notification)
    return found


def of(alert: int) -> list[Notification]:
    """The last notifications about one alert, the newest first, with channel and route."""
    rows = Notification.objects.filter(alerts=alert).select_related("channel", "route")
    return list(rows.order_by("-pk")[:SHOWN])


def words(notifications: Sequence[Notification]) -> str:
    """What became of notifications of one moment: ``told ops mail, Slack; kept from pager: silence #3 …``."""
    parts = [
        f"{said} {', '.join(_channels(notifications, status))}"
        for status, said in _SAID.items()
        if any(each.status == status for each in notifications)
    ]
    held = [each for each in notifications if each.status == NotificationStatus.SUPPRESSED]
    if held:
        why = next((each.why[-1] for each in held if each.why), "")
        names = ", ".join(_channels(held, NotificationStatus.SUPPRESSED))
        parts.append(f"kept from {names}{f': {why}' if why else ''}")
    return "; ".join(parts)


def moment_of(notifications: Sequence[Notification]) -> datetime | None:
    return notifications[0].created_at if notifications else None


def _channels(notifications: Iterable[Notification], status: str) -> list[str]:
    return list(dict.fromkeys(each.channel_name for each in notifications if each.status == status))
