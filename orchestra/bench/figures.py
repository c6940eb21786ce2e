"""Figures of a list of measurements."""

from collections.abc import Sequence
from datetime import datetime


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` percent do not exceed (nearest rank), to 0.1; 0 of nothing."""
    if not values:
        return 0.0
    ranked = sorted(values)
    rank = max(1, -(-len(ranked) * share // 100))
    return round(ranked[int(rank) - 1], 1)


def milliseconds(began: datetime | None, ended: datetime | None) -> float:
    """From one instant of a finished row to another, both of which it has."""
    assert began is not None and ended is not None
    return (ended - began).total_seconds() * 1000
