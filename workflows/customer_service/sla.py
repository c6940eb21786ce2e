"""What customers of each tier are owed: an answer within so many hours, and a place in the queue. Pure."""

from datetime import datetime, timedelta

HOURS = {"standard": 24, "silver": 8, "gold": 4}
PRIORITY = {"standard": 0, "silver": 10, "gold": 20}
"""The priority of their runs; higher goes first."""


def due_at(since: datetime, tier: str) -> datetime:
    """When an answer to what arrived at ``since`` is due."""
    return since + timedelta(hours=HOURS[tier])
