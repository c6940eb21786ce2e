"""Geometry of the small drawings in pages, as SVG attributes: the content security policy forbids inline styles."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a time line. ``start`` and ``width`` are percent of the line's length."""

    start: float
    width: float
    tone: str
    label: str


MARGIN = 2.0
NARROWEST_PERCENT = 0.8


def polyline(values: Sequence[float], width: float, height: float, *, floor: float | None = None) -> str:
    """The ``points`` of a line through ``values``, first at the left, within ``width`` x ``height``, larger is higher.

    ``floor`` is the value of the lower edge: 0 for counts, None for the smallest value.
    """
    if not values:
        return ""
    low = min(values) if floor is None else min(floor, *values)
    span = max(values) - low
    step = width / max(1, len(values) - 1)
    usable = height - 2 * MARGIN
    points = ((index * step, _height(value - low, span)) for index, value in enumerate(values))
    return " ".join(f"{x:.1f},{height - MARGIN - share * usable:.1f}" for x, share in points)


def _height(rise: float, span: float) -> float:
    return rise / span if span else 0.0


@dataclass(frozen=True, slots=True)
class TimeLine:
    """The stretch of time that a Gantt chart shows."""

    start: datetime
    end: datetime

    def bar(self, start: datetime, end: datetime, *, tone: str, label: str) -> Bar:
        """The bar from ``start`` to ``end``, wide enough to be seen and kept inside the line."""
        total = max((self.end - self.start).total_seconds(), 0.001)
        left = _clamped(100 * (start - self.start).total_seconds() / total)
        right = _clamped(100 * (end - self.start).total_seconds() / total)
        width = max(right - left, NARROWEST_PERCENT)
        return Bar(round(min(left, 100 - width), 2), round(width, 2), tone, label)


def _clamped(percent: float) -> float:
    return min(100.0, max(0.0, percent))
