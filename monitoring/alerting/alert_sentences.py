"""What people do to alerts and silences, as sentences for the audit trail."""

import json
from collections.abc import Callable
from typing import Any

from orchestra.kernel.models import Event

Phrase = Callable[[Event], str]


def _did_to(words: str, after: str = "") -> Phrase:
    return lambda event: f"{event.actor_label} {words} {event.target_label}{after}"


def _of_silence(words: str) -> Phrase:
    """A silence is named by its conditions."""
    return lambda event: f"{event.actor_label} {words}: {event.target_label}"


def _assigned(event: Event) -> str:
    owner = _told(event).get("owner", "")
    to = f" to {owner}" if owner else " to nobody"
    return f"{event.actor_label} handed {event.target_label}{to}"


def _told(event: Event) -> dict[str, Any]:
    """What is so since the event; nothing where the detail was erased."""
    detail = getattr(event, "detail", None)
    after = json.loads(detail.after) if detail and detail.after else {}
    return after if isinstance(after, dict) else {}


PHRASES: dict[str, Phrase] = {
    "AlertAcknowledged": _did_to("acknowledged"),
    "AlertAcknowledgementExtended": _did_to("extended the acknowledgement of"),
    "AlertUnacknowledged": _did_to("took the acknowledgement of", " back"),
    "AlertAssigned": _assigned,
    "AlertNoted": _did_to("wrote a note on"),
    "AlertsRemoved": lambda event: f"Old alerts were removed: {event.target_label}",
    "SilenceCreated": _of_silence("silenced alerts"),
    "SilenceChanged": _of_silence("changed the silence of alerts"),
    "SilenceEnded": _of_silence("ended the silence of alerts"),
}
