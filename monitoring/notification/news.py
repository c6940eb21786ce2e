"""What a browser is to show that has happened since it looked last: alerts that tell people, and new reviews."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Max, Q
from django.urls import reverse

from monitoring.models import ChannelKind, Notification, NotificationKind
from orchestra.kernel import registry
from orchestra.kernel.models import Event

SENT, ESCALATED = "NotificationSent", "InquiryEscalated"
MOST = 10
"""Of more than that only the newest are shown."""
LOOKED_THROUGH = 200
"""Messages among which those for browsers are looked for; most may have gone elsewhere."""
LOUD = (
    NotificationKind.FIRING,
    NotificationKind.REPEAT,
    NotificationKind.REMINDER,
    NotificationKind.ESCALATION,
    NotificationKind.NO_DATA,
    NotificationKind.SILENCE_ENDING,
)
"""Kinds that are worth an interruption; that something resolved, pages show by themselves."""


def since(number: int | None) -> dict[str, Any]:
    """What happened after event ``number``, the newest last, and the number to ask with next time.

    Without a number there is nothing to show, only the number to begin with.
    """
    newest = Event.objects.aggregate(newest=Max("number"))["newest"] or 0
    if number is None or number > newest:
        return {"number": newest, "items": []}
    wanted = Event.objects.filter(number__gt=number, number__lte=newest)
    asked = ((SENT, LOOKED_THROUGH), (ESCALATED, MOST))
    found = [event for action, most in asked for event in wanted.filter(action=action).order_by("-number")[:most]]
    found.sort(key=lambda event: event.number)
    return {"number": newest, "items": list(_items(found))[-MOST:]}


def _items(found: list[Event]) -> Iterator[dict[str, Any]]:
    numbers = [int(event.target_id) for event in found if event.action == SENT]
    shown = Q(channel__kind=ChannelKind.BROWSER) | Q(channel__isnull=True)
    told = Notification.objects.filter(shown, pk__in=numbers, kind__in=LOUD).in_bulk()
    for event in found:
        if event.action == ESCALATED:
            url = registry.link("inquiry", event.target_id) or reverse("desk")
            yield _item(event, f"Review: {event.target_label}", "An inquiry came to the desk.", url)
        elif row := told.get(int(event.target_id)):
            yield _item(event, row.subject, row.body.partition("\n\n")[0], _page_of(event))


def _item(event: Event, title: str, text: str, url: str) -> dict[str, Any]:
    return {"number": event.number, "title": title, "text": text, "url": url}


def _page_of(event: Event) -> str:
    """The alert, if it is about one; else the notification, which lists them."""
    if event.parent_kind == "alert":
        return reverse("alert", args=[event.parent_id])
    return reverse("notification", args=[event.target_id])
