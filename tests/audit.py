"""Reads the audit trail for assertions."""

from orchestra.kernel.models import Event


def last_event() -> Event:
    """The newest event, with its detail at hand."""
    return Event.objects.select_related("detail").latest("number")


def actions() -> list[str]:
    """Every action, oldest first."""
    return list(Event.objects.order_by("number").values_list("action", flat=True))
