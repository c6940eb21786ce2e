"""What a rule would have made of a series of samples, by the very machine that evaluates what is live. Pure.

Instants are seconds since 1970. A series is the samples of one subject in the order of their instants.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Final

from monitoring.alerting import machine
from monitoring.alerting.machine import RESOLVED, Change, Rule, State

Sample = tuple[float, float | None]
"""An instant, and what was measured; None ends the value before it."""
AT: Final = 0
VALUE: Final = 1


@dataclass(frozen=True, slots=True)
class Event:
    """What a step did to an alert: it is the ``number``-th of its subject."""

    at: float
    number: int
    state: State
    changes: tuple[Change, ...]
    value: float | None


@dataclass(frozen=True, slots=True)
class Interval:
    """From when until when an alert had a status; ``end`` is None while it has."""

    start: float
    end: float | None
    status: str


class Moments:
    """The instants at which thresholds are evaluated, in their order.

    Those before ``start`` are not evaluated any more: they only tell that somebody looked then.
    """

    def __init__(self, instants: Sequence[float], start: float = 0) -> None:
        self.instants = instants
        self.evaluated = instants[bisect_left(instants, start) :]

    def covers(self, at: float, within_s: float) -> bool:
        """Whether somebody looked from ``within_s`` before ``at`` on, one of them, never longer apart than that.

        Only then a subject without a sample has none; else nobody knows.
        """
        after = bisect_right(self.instants, at - within_s + machine.ROUNDING_S)
        return 0 < after < len(self.instants) and self._apart(after) <= within_s + machine.ROUNDING_S

    def _apart(self, number: int) -> float:
        return self.instants[number] - self.instants[number - 1]


def moments_of(series: Sequence[Sample], until: float, every_s: float) -> Moments:
    """When samples of one's own are evaluated: at each of them, and ``every_s`` from the first one ``until`` then."""
    first = series[0][AT]
    steps = int((until - first) / every_s + machine.ROUNDING_S) + 1
    grid = (first + number * every_s for number in range(steps))
    given = (at for at, _ in series if at <= until)
    return Moments(sorted({*chain(grid, given)}))


def in_order(samples: Sequence[Sample]) -> list[Sample]:
    """Samples in the order of their instants; of those at the same one the first counts, as it would live."""
    if all(one[AT] < next_one[AT] for one, next_one in pairwise(samples)):
        return list(samples)
    first: dict[float, float | None] = {}
    for at, value in samples:
        first.setdefault(at, value)
    return sorted(first.items())


def events(rule: Rule, series: Sequence[Sample], moments: Moments, *, known_since: float = 0) -> Iterator[Event]:
    """What happens to the alerts of one subject, which exists since ``known_since``, at ``moments``."""
    state: State | None = None
    number = seen = 0
    count, compare, limit = len(series), machine.COMPARE[rule.operator], rule.value
    counts_s, quiet_when_lost = rule.no_data_after_s + machine.ROUNDING_S, not rule.begins(None)
    value: float | None = None
    for at in moments.evaluated:
        while seen < count and series[seen][AT] <= at:
            seen += 1
        if seen and (sample := series[seen - 1])[AT] >= at - counts_s:
            value = sample[VALUE]
            if state is None and value is not None and not compare(value, limit):
                continue
        else:
            value = None
            if state is None and quiet_when_lost:
                continue
            is_ended = seen > 0 and series[seen - 1][VALUE] is None
            if not is_ended and not _is_missing(rule, moments, at, known_since):
                continue
        if state is None or machine.is_forgotten(rule, state, at):
            state = None
            if not rule.begins(value):
                continue
            number += 1
        state, changes = machine.step(rule, state, at, value)
        if changes and state is not None:
            yield Event(at, number, state, changes, value)


def intervals(happened: Sequence[Event]) -> list[Interval]:
    """The stretches in which an alert of the subject was pending, firing, recovering or without data."""
    found: list[Interval] = []
    status, start = RESOLVED, 0.0
    for event in happened:
        if event.state.status == status:
            continue
        if status != RESOLVED:
            found.append(Interval(start, event.at, status))
        status, start = event.state.status, event.at
    if status != RESOLVED:
        found.append(Interval(start, None, status))
    return found


def _is_missing(rule: Rule, moments: Moments, at: float, known_since: float) -> bool:
    return known_since <= at - rule.no_data_after_s and moments.covers(at, rule.no_data_after_s)
