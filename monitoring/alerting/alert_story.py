"""What became of an alert, in order: its events and what people were told of it. Reads only."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from monitoring.audit.entries import Entry, entry
from monitoring.models import Alert, Notification, NotificationStatus
from monitoring.notification import told
from orchestra.kernel.models import Event

SHOWN = 60


@dataclass(frozen=True, slots=True)
class Chapter:
    """One moment: an event, or what was said and not said then."""

    at: datetime
    event: Entry | None = None
    told: str = ""
    tone: str = ""


def story(alert: Alert) -> list[Chapter]:
    """The last chapters, the newest first."""
    events = Event.objects.filter(target_kind="alert", target_id=str(alert.pk)).order_by("-number")
    chapters = [Chapter(event.happened, event=entry(event)) for event in events.prefetch_related("detail")[:SHOWN]]
    notifications = told.of(alert.pk)
    for (at, kind), group in groupby(notifications, key=lambda each: (each.created_at, each.get_kind_display())):
        chapters.append(_told(at, kind, list(group)))
    return sorted(chapters, key=lambda chapter: chapter.at, reverse=True)[:SHOWN]


def _told(at: datetime, kind: str, notifications: list[Notification]) -> Chapter:
    statuses = {each.status for each in notifications}
    tone = "failed" if NotificationStatus.FAILED in statuses else ""
    return Chapter(at, told=f"{kind}: {told.words(notifications)}", tone=tone)
