"""A step's place in the queue, as an instant: the earliest goes first. Pure."""

from datetime import datetime, timedelta

POINT = timedelta(seconds=60)
"""What one point of priority is worth: as much as having waited a minute longer."""
LEAD = timedelta(minutes=10)
"""So long before its deadline, a run goes before everything that arrives without one."""
TIER_POINTS = {"standard": 0, "premium": 20, "enterprise": 40}


def rank_of(created_at: datetime, priority: int, tier: str, deadline: datetime | None) -> datetime:
    """``min(created_at - (priority + points of the tier) * 60 s, deadline - 10 min)``.

    Age counts for all at the same rate, so the order of two runs never changes by waiting, and nothing starves.
    """
    rank = created_at - (priority + TIER_POINTS.get(tier, 0)) * POINT
    return rank if deadline is None else min(rank, deadline - LEAD)
