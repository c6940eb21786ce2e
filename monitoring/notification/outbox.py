"""Messages become rows: one for each channel, to be delivered, or written down with what suppressed it.

Writes Notification when it begins; ``delivery.py`` writes what becomes of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from django.db.models import Prefetch

from monitoring.models import Alert, Channel, ChannelKind, Notification, NotificationStatus, Threshold
from monitoring.notification import letters
from monitoring.notification.groups import Message
from monitoring.notification.letters import Head
from monitoring.notification.routing import BROWSER
from orchestra.kernel import bulk, events, jobs
from orchestra.kernel.access import Actor
from orchestra.kernel.events import Ref

NOTIFIER = Actor.system("notifier")
JOB = "monitoring.jobs.deliver"
THROUGH = Notification.alerts.through
_INSTRUCTIONS = Prefetch("threshold", queryset=Threshold.objects.only("instruction"))
"""Thousands of alerts are of a few thresholds: each is read once."""

GroupKey = tuple[int | None, str]


def write(messages: Sequence[Message], groups: Mapping[GroupKey, int]) -> list[Notification]:
    """Write down ``messages`` within the open unit, and have those that are not suppressed delivered once it commits.

    ``groups`` are the numbers of their groups.
    """
    if not messages:
        return []
    wanted = {number for message in messages for number in message.alerts}
    told = {number for message in messages for number in message.alerts[: letters.SHOWN]}
    heads = {head.pk: head for head in map(Head._make, Alert.objects.filter(pk__in=wanted).values_list(*Head._fields))}
    shown_of = Alert.objects.filter(pk__in=told).only(*letters.COLUMNS)
    alerts = {alert.pk: alert for alert in shown_of.prefetch_related(_INSTRUCTIONS)}
    shown = set(Channel.objects.filter(kind=ChannelKind.BROWSER).values_list("pk", flat=True))
    rows = [_row(message, heads, alerts) for message in messages]
    for row, message in zip(rows, messages, strict=True):
        row.group_id = groups.get((message.route, message.group))
        if row.status == NotificationStatus.QUEUED and (message.channel == BROWSER or message.channel.id in shown):
            _show(row)
    bulk.execute(bulk.insertion_of(Notification, rows))
    _link(zip(rows, messages, strict=True), heads)
    for row, message in zip(rows, messages, strict=True):
        _record(row, message)
        if row.status == NotificationStatus.QUEUED:
            jobs.enqueue(JOB, row.pk)
    return rows


def _row(message: Message, heads: Mapping[int, Head], alerts: Mapping[int, Alert]) -> Notification:
    at = datetime.fromtimestamp(message.at, UTC)
    known = [number for number in message.alerts if number in heads]
    told = [alerts[number] for number in known[: letters.SHOWN] if number in alerts]
    others = len(known) - len(told)
    text = letters.text_of(message.kind, told, others=others, still=len(message.still), folded=message.folded)
    return Notification(
        channel_id=message.channel.id,
        channel_name=message.channel.name,
        route_id=message.route,
        kind=message.kind,
        status=NotificationStatus.SUPPRESSED if message.suppressed else NotificationStatus.QUEUED,
        subject=letters.subject_of(message.kind, [heads[number] for number in known]),
        body=text,
        why=list(message.why),
        due_at=None if message.suppressed else at,
        created_at=at,
    )


def _show(row: Notification) -> None:
    """Browsers fetch what is new by themselves, so it is there as soon as it is written."""
    row.status, row.sent_at, row.due_at = NotificationStatus.SENT, row.created_at, None


def _link(written: Iterable[tuple[Notification, Message]], heads: Mapping[int, Head]) -> None:
    links = [(row.pk, number) for row, message in written for number in message.alerts if number in heads]
    bulk.execute(bulk.insertion(THROUGH, ("notification_id", "alert_id"), links))


def _record(row: Notification, message: Message) -> None:
    """What is shown in the browser is sent with this; of the others the delivery tells."""
    action = {
        NotificationStatus.SUPPRESSED: "NotificationSuppressed",
        NotificationStatus.SENT: "NotificationSent",
        NotificationStatus.QUEUED: "NotificationQueued",
    }[NotificationStatus(row.status)]
    told = {"kind": row.kind, "channel": row.channel_name, "alerts": len(message.alerts)}
    only = message.alerts[0] if len(message.alerts) == 1 else None
    parent = events.NOTHING if only is None else Ref("alert", only)
    target = Ref("notification", row.pk, row.subject)
    events.record(action, target=target, parent=parent, after=told, reason=message.why[-1] if message.why else "")
