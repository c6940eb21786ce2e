"""Events of channels, routes, inhibitions and notifications as sentences, for the audit trail."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from monitoring.audit.entries import detail_of
from orchestra.kernel.models import Event

Phrase = Callable[[Event], str]


def _by_somebody(words: str) -> Phrase:
    return lambda event: f"{event.actor_label} {words} {event.target_label}"


def _after(event: Event) -> Mapping[str, Any]:
    detail = detail_of(event)
    after = json.loads(detail.after) if detail and detail.after else {}
    return after if isinstance(after, dict) else {}


def _by_channel(before: str, between: str) -> Phrase:
    """With the channel, where the event says which."""

    def phrase(event: Event) -> str:
        channel = _after(event).get("channel")
        return f"{before} “{event.target_label}” {between}{f' ({channel})' if channel else ''}"

    return phrase


def _tested(event: Event) -> str:
    how = "it works" if event.outcome == "succeeded" else "it failed"
    return f"{event.actor_label} tested the channel {event.target_label}: {how}"


def _moved(event: Event) -> str:
    place = next((f" {side} {name}" for side, name in _after(event).items()), "")
    return f"{event.actor_label} moved the route {event.target_label}{place}"


PHRASES: dict[str, Phrase] = {
    "ChannelCreated": _by_somebody("added the channel"),
    "ChannelChanged": _by_somebody("changed the channel"),
    "ChannelEnabled": _by_somebody("switched on the channel"),
    "ChannelDisabled": _by_somebody("switched off the channel"),
    "ChannelRemoved": _by_somebody("removed the channel"),
    "ChannelTested": _tested,
    "RouteCreated": _by_somebody("added the route"),
    "RouteChanged": _by_somebody("changed the route"),
    "RouteEnabled": _by_somebody("switched on the route"),
    "RouteDisabled": _by_somebody("switched off the route"),
    "RouteMoved": _moved,
    "RouteRemoved": _by_somebody("removed the route"),
    "InhibitionCreated": _by_somebody("added the inhibition"),
    "InhibitionChanged": _by_somebody("changed the inhibition"),
    "InhibitionEnabled": _by_somebody("switched on the inhibition"),
    "InhibitionDisabled": _by_somebody("switched off the inhibition"),
    "InhibitionRemoved": _by_somebody("removed the inhibition"),
    "NotificationQueued": _by_channel("The notification", "is to be sent"),
    "NotificationSent": _by_channel("The notification", "was sent"),
    "NotificationFailed": _by_channel("The notification", "could not be sent"),
    "NotificationSuppressed": _by_channel("The notification", "was not sent"),
    "NotificationRetried": _by_somebody("has the notification sent again:"),
    "NotificationsRemoved": lambda event: f"Old notifications were removed: {event.target_label}",
}
