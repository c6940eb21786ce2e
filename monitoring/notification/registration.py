"""What the notifications add to the frame, the palette, the audit trail and the housekeeping."""

from functools import partial

from django.urls import reverse

from monitoring.notification import listing, planner, sentences
from orchestra.kernel import events, housekeeping, registry
from orchestra.kernel.registry import Command


def register() -> None:
    """Fill the ports; called once, when the app is ready."""
    events.TELEMETRY.update(planner.TELEMETRY)
    housekeeping.chores.register("old notifications", planner.forget_old)
    for name in ("channel", "route", "inhibition", "notification"):
        registry.links.register(name, partial(_address, name))
    registry.lists.register("channels", listing.ChannelList)
    registry.lists.register("notifications", listing.NotificationList)
    registry.commands.register("channel", Command("Add a channel", "send", "channel-add", "channels.create"))
    registry.commands.register("route", Command("Add a route", "route", "route-add", "routes.create"))
    for action, phrase in sentences.PHRASES.items():
        registry.phrases.register(action, phrase)


def _address(name: str, pk: str) -> str | None:
    """The page of an object, by the name of its address."""
    return reverse(name, args=[pk]) if pk.isdigit() else None
