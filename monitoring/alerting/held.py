"""The value that each subject has at a tick: that of the tick, or the last one while it counts.

What the last tick left is kept in memory, so that a tick reads itself only; a process that begins, or that missed a
tick, reads as far back as values count.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitoring.metrics import readings
from monitoring.metrics.readings import Scope
from monitoring.models import Tick

Values = Mapping[str, tuple[float, int]]
"""Of each subject its last value, and when that was measured."""


@dataclass(slots=True)
class Held:
    """What one process remembers of the ticks that it has seen. One thread at a time."""

    _at: int | None = None
    _within_s: dict[str, int] = field(default_factory=dict)
    _values: dict[str, dict[str, tuple[float, int]]] = field(default_factory=dict)

    def at(self, at: int, within_s: Mapping[str, int]) -> Mapping[str, Values]:
        """By metric, the last values at the tick ``at``; of each metric at least those as old as ``within_s`` says."""
        before = Tick.objects.filter(at__lt=at).order_by("-at").values_list("at", flat=True).first()
        goes_on = before is not None and before == self._at
        self._at = None  # until all is read
        for metric in [metric for metric in self._values if metric not in within_s]:
            del self._values[metric]
        for metric, needed_s in within_s.items():
            if goes_on and metric in self._values and needed_s <= self._within_s[metric]:
                self._go_on(metric, at)
            else:
                self._values[metric] = readings.recent(metric, Scope.all(), at, needed_s)
                self._within_s[metric] = needed_s
        self._at = at
        return self._values

    def _go_on(self, metric: str, at: int) -> None:
        """Add the tick, and drop what has become too old."""
        values, oldest = self._values[metric], at - self._within_s[metric]
        values.update({subject: (value, at) for subject, value in readings.values_at(metric, Scope.all(), at).items()})
        for subject in [subject for subject, (_, measured) in values.items() if measured < oldest]:
            del values[subject]
