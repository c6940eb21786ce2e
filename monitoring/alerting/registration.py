"""What alerts and thresholds add to the house: rooms, links, lists, searches, commands, words, panels."""

from collections.abc import Callable

from django.urls import reverse

from monitoring.alerting import alert_listing, alert_panels, alert_sentences, alerts, listing, states, threshold_panels
from monitoring.notification.silence_listing import SilenceList
from orchestra.kernel import events, housekeeping, registry
from orchestra.kernel.registry import Command, Room


def register() -> None:
    """Called once, by the app's ``ready``."""
    events.TELEMETRY.update({*states.TELEMETRY, "monitoring_silence.warned_at"})
    housekeeping.chores.register("old alerts", alerts.forget_old)
    badge, topics = alert_listing.badge, ("alert",)
    registry.rooms.register("alerts", Room("Watch", 680, "Alerts", "bell", "alerts", badge=badge, topics=topics))
    for kind in ("alert", "silence", "threshold"):
        registry.links.register(kind, _page_of(kind))
    registry.lists.register("alerts", alert_listing.AlertList)
    registry.lists.register("silences", SilenceList)
    registry.lists.register("thresholds", listing.ThresholdList)
    registry.searches.register("alerts", alert_listing.FOUND)
    registry.searches.register("thresholds", listing.FOUND)
    registry.commands.register("silence", Command("Silence alerts", "bell-off", "silence-add", "silences.create"))
    add = Command("Add a threshold", "ruler-measure", "threshold-add", "thresholds.create")
    registry.commands.register("threshold", add)
    for action, phrase in alert_sentences.PHRASES.items():
        registry.phrases.register(action, phrase)
    for page, panel in alert_panels.panels():
        registry.panels.register(f"alerts on {page}", (page, panel))
    for page, panel in threshold_panels.panels():
        registry.panels.register(f"thresholds on {page}", (page, panel))


def _page_of(kind: str) -> Callable[[str], str | None]:
    return lambda pk: reverse(kind, args=[pk]) if pk.isdigit() else None
