"""Whether somebody watches at all: workers that live, metrics that are collected. Reads only, a query for each."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from django.conf import settings

from monitoring.metrics.catalogue import TICK_S
from monitoring.models import Tick
from orchestra.kernel import pulses
from workflows import waiting

STILL_AFTER_S = 3 * TICK_S
"""So long after the last tick its figures are none of the present."""
AHEAD_S = TICK_S
"""The clock of this machine may be that much behind the database's, which ticks go by."""


@dataclass(frozen=True, slots=True)
class Still:
    """Figures stand as they were at ``at``, the last tick; or the clock was set back, and has yet to come to it."""

    at: datetime
    is_ahead: bool


class Watch:
    """As of one moment; what is asked for is read once."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    @property
    def is_on(self) -> bool:
        """Whether metrics are to be collected and thresholds watched."""
        return bool(settings.MONITORING)

    @cached_property
    def has_workers(self) -> bool:
        return pulses.alive(pulses.EXECUTOR, within_s=waiting.EXECUTOR_SILENT_S).exists()

    @cached_property
    def still(self) -> Still | None:
        """That figures stand still although somebody should collect them; before the first tick nobody has begun."""
        if not (self.is_on and self.has_workers):
            return None
        last = Tick.objects.order_by("-at").values_list("at", flat=True).first()
        if last is None or -AHEAD_S <= self.at.timestamp() - last <= STILL_AFTER_S:
            return None
        return Still(datetime.fromtimestamp(last, UTC), last > self.at.timestamp())
