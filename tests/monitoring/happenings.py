"""Events as the tests need them."""

from datetime import datetime
from typing import Any

from orchestra.kernel import canonical, chain, events
from orchestra.kernel.access import Actor
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Event

ADA = Actor("person", "1", "Ada Moreau", role="admin")
ENGINE = Actor.system("engine")
TRIAGE = Actor("agent", "5", "triage-1", model="python", version="2")
INQUIRY = Ref("inquiry", 42, "Charged twice")


def happened(
    action: str = "InquiryClaimed", *, by: Actor = ADA, target: Ref = INQUIRY, correlation: str = "", **rest: Any
) -> Event:
    """Record one event and return it."""
    with events.recording(by, correlation=correlation) as unit:
        events.record(action, target=target, **rest)
    return Event.objects.select_related("detail").get(number=unit.last_number)


def happened_at(*moments: datetime, action: str = "InquiryClaimed", **columns: str) -> None:
    """Record an event for each moment, in this order, as if it had happened then."""
    named = {"actor_kind": "system", "target_kind": "inquiry", "action": action, "outcome": "succeeded", **columns}
    values = tuple(named.get(name, "") for name in canonical.COLUMNS[4:22])
    with events.recording(ENGINE) as unit:
        unit.drafts += [chain.Draft(values, at) for at in moments]
