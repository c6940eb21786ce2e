"""What the thresholds find at a tick: of each the subjects that it looks at, and their values. Reads only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from monitoring.alerting import membership
from monitoring.alerting.held import Held, Values
from monitoring.alerting.machine import COMPARE, Rule
from monitoring.alerting.replay import Moments
from monitoring.metrics import readings
from monitoring.metrics.catalogue import METRICS
from monitoring.metrics.readings import Subject
from monitoring.models import Threshold

Measured = tuple[float, int] | None
"""A value and when it was measured, or nothing."""


@dataclass(frozen=True, slots=True)
class Look:
    """A threshold at the tick ``at``. ``is_watched``: it is known what was measured for as long as a value counts."""

    at: int
    threshold: Threshold
    rule: Rule
    subjects: Mapping[str, Subject]
    values: Values
    is_watched: bool

    @property
    def kind(self) -> str:
        return METRICS[self.threshold.metric].kind

    def knows(self, subject: str) -> bool:
        """Whether it is known what the subject has, be it nothing."""
        return self.value_of(subject) is not None or self._misses(self.subjects[subject])

    def value_of(self, subject: str) -> Measured:
        """The value that counts now."""
        measured = self.values.get(subject)
        return measured if measured is not None and measured[1] >= self.at - self.rule.no_data_after_s else None

    def beginning(self) -> Collection[str]:
        """The subjects of which an alert would begin if they have none."""
        compare, limit, oldest = COMPARE[self.rule.operator], self.rule.value, self.at - self.rule.no_data_after_s
        breaching = [subject for subject, (value, at) in self.values.items() if compare(value, limit) and at >= oldest]
        if self.rule.begins(None) and self.is_watched:
            breaching += [
                name for name, subject in self.subjects.items() if not self.value_of(name) and self._misses(subject)
            ]
        return breaching

    def _misses(self, subject: Subject) -> bool:
        return self.is_watched and subject.since <= self.at - self.rule.no_data_after_s


@dataclass(frozen=True, slots=True)
class Survey:
    """Every threshold that is enabled at the tick, by number, and whoever there is at all, by kind and id."""

    at: int
    looks: Mapping[int, Look]
    everybody: Mapping[str, Mapping[str, Subject]]


def take(at: int, held: Held) -> Survey:
    """Look at the tick ``at`` with every threshold, in as many queries as there are metrics in use, and a few."""
    thresholds = list(Threshold.objects.filter(enabled=True))
    values = held.at(at, _within(thresholds))
    everybody, members = membership.subjects_of(thresholds), membership.of_scopes(thresholds)
    furthest = max((row.no_data_after_s for row in thresholds), default=0)
    moments = Moments(readings.ticks(at - 2 * furthest, at))
    looks = {
        row.pk: Look(
            at,
            row,
            rule_of(row),
            membership.within(row, everybody[METRICS[row.metric].kind], members),
            values[row.metric],
            moments.covers(at, row.no_data_after_s),
        )
        for row in thresholds
    }
    return Survey(at, looks, everybody)


def rule_of(threshold: Threshold) -> Rule:
    """What the machine is to know of a threshold."""
    return Rule.of(vars(threshold), absent_is_usual=METRICS[threshold.metric].can_be_absent)


def _within(thresholds: Sequence[Threshold]) -> dict[str, int]:
    """How long values count, by metric."""
    longest: dict[str, int] = {}
    for row in thresholds:
        longest[row.metric] = max(longest.get(row.metric, 0), row.no_data_after_s)
    return longest
