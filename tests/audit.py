"""Reads the audit trail for assertions."""

from orchestra.kernel.models import Event


def last_event(action: str = "") -> Event:
    """The newest event, or the newest of that action, with its detail at hand."""
    events = Event.objects.select_related("detail")
    return (events.filter(action=action) if action else events).latest("number")


def events_of(kind: str, pk: int) -> list[Event]:
    """What happened to an object, oldest first."""
    found = Event.objects.filter(target_kind=kind, target_id=str(pk))
    return list(found.select_related("detail").order_by("number"))


def actions() -> list[str]:
    """Every action, oldest first."""
    return list(Event.objects.order_by("number").values_list("action", flat=True))
