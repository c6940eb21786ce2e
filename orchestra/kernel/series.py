"""Series in time: aligned steps, durations in fixed buckets, shares. What every chart and every stored measure shares.

Durations are kept as counts in buckets whose bounds never change, so that what two processes, two minutes or two agents
have counted can be added up. A percentile read from them (nearest rank) lies in the bucket that holds the true value:
it is off by less than that bucket is wide, which is at most two thirds of the bucket's lower bound.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
STEPS_S = (
    *(MINUTE_S * count for count in (1, 2, 5, 10, 15, 30)),
    *(HOUR_S * count for count in (1, 2, 3, 6, 12)),
    *(DAY_S * count for count in (1, 2, 7, 14, 30)),
)
"""The lengths that steps of a chart have: people read no others at a glance."""

BOUNDS_S = (
    *(digit * 10**power / 1_000 for power in range(5) for digit in (1, 1.5, 2, 3, 5, 7)),
    *(100.0, 150.0, 200.0, 300.0, 500.0, 600.0),
)
"""The upper bounds of the buckets, included in them: 1 ms to 10 min, six a decade. A last bucket has what is longer."""

BUCKETS = len(BOUNDS_S) + 1


@dataclass(frozen=True, slots=True)
class Steps:
    """A stretch of time in ``count`` steps of ``step_s`` seconds that begin at multiples of ``step_s`` (UTC)."""

    start: datetime
    step_s: int
    count: int

    @property
    def end(self) -> datetime:
        return self.start + timedelta(seconds=self.step_s * self.count)

    @property
    def starts(self) -> list[datetime]:
        return [self.start + timedelta(seconds=self.step_s * index) for index in range(self.count)]

    def index(self, at: datetime) -> int | None:
        """The step that ``at`` falls in, or None if it lies outside."""
        index = math.floor((at - self.start).total_seconds() / self.step_s)
        return index if 0 <= index < self.count else None

    def elapsed_s(self, index: int, now: datetime) -> float:
        """How much of the step is over at ``now``: what a rate is to be divided by."""
        begun = self.start + timedelta(seconds=self.step_s * index)
        return min(float(self.step_s), max(0.0, (now - begun).total_seconds()))


def steps_between(
    since: datetime, until: datetime, *, step_s: int = 0, most: int = 200, least_s: int = MINUTE_S
) -> Steps:
    """The steps that cover ``since`` to ``until``: of ``step_s``, else the shortest that make at most ``most``.

    They are at least ``least_s`` long. Raises ValueError, with a sentence, if the stretch is empty or has more.
    """
    if until <= since:
        raise ValueError("The end of the time asked for must lie after its beginning.")
    for length in (step_s,) if step_s else (step for step in STEPS_S if step >= least_s):
        first = floor(since, length)
        count = math.ceil((until - first).total_seconds() / length)
        if count <= most:
            return Steps(first, length, count)
    raise ValueError(f"That would be more than {most:,} points; ask for a longer step, or for less time.")


def stretches(steps: Steps, edges: Sequence[tuple[int, datetime]]) -> list[tuple[int, datetime, datetime]]:
    """Which rows cover ``steps``, where rows are kept by several spans: of what span, from when until when.

    ``edges`` go from the finest span to the coarsest: up to when its rows are to be read. Spans that the steps are no
    multiple of are left out; so each stretch is read from one span and none twice.
    """
    usable = [(span, edge) for span, edge in edges if steps.step_s % span == 0]
    found = []
    for index, (span, edge) in enumerate(usable):
        earlier = usable[index + 1][1] if index + 1 < len(usable) else steps.start
        start, end = max(earlier, steps.start), min(edge, steps.end)
        if start < end:
            found.append((span, start, end))
    return found


WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Before:
    """The steps a week before others, longer where so long ago only longer ones are kept."""

    steps: Steps
    of: Steps

    def under(self, values: Sequence[float | None], *, is_count: bool = False) -> list[float | None]:
        """For each step of now what was measured a week before; of a longer step it holds all along it.

        ``is_count``: the value is how many in the step, of which a shorter step has its part.
        """
        part = self.of.step_s / self.steps.step_s if is_count else 1.0
        found: list[float | None] = []
        for start in self.of.starts:
            index = self.steps.index(start - WEEK)
            value = None if index is None else values[index]
            found.append(None if value is None else value * part)
        return found


def week_before(steps: Steps, least_s: int) -> Before:
    """``steps`` a week earlier, of at least ``least_s``."""
    step_s = max(steps.step_s, least_s)
    return Before(steps_between(steps.start - WEEK, steps.end - WEEK, step_s=step_s, most=steps.count + 2), steps)


def floor(at: datetime, step_s: int) -> datetime:
    """The beginning of the step that ``at`` falls in."""
    seconds = math.floor(at.timestamp())
    return datetime.fromtimestamp(seconds - seconds % step_s, UTC)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure read from buckets: the true one lies between ``low`` and ``high``; ``high`` None: nobody knows."""

    value: float
    low: float
    high: float | None

    @property
    def error(self) -> float | None:
        """The most that ``value`` can be off."""
        return None if self.high is None else max(self.value - self.low, self.high - self.value)


@dataclass(slots=True)
class Histogram:
    """Durations in seconds: how many in each bucket, their sum, the shortest and the longest of them."""

    counts: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    sum_s: float = 0.0
    fastest_s: float | None = None
    slowest_s: float | None = None

    @classmethod
    def of(cls, durations: Iterable[float]) -> "Histogram":
        made = cls()
        for seconds in durations:
            made.add(seconds)
        return made

    def add(self, seconds: float) -> None:
        self.counts[bucket_of(seconds)] += 1
        self.sum_s += seconds
        self.fastest_s = seconds if self.fastest_s is None else min(self.fastest_s, seconds)
        self.slowest_s = seconds if self.slowest_s is None else max(self.slowest_s, seconds)

    def merge(self, other: "Histogram") -> None:
        """Add what ``other`` has counted."""
        self.counts = [ours + theirs for ours, theirs in zip(self.counts, other.counts, strict=True)]
        self.sum_s += other.sum_s
        self.fastest_s = _known(min, self.fastest_s, other.fastest_s)
        self.slowest_s = _known(max, self.slowest_s, other.slowest_s)

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def average(self) -> float | None:
        """Exact, for the sum is kept beside the buckets."""
        return share(self.sum_s, self.count)

    def percentile(self, part: float) -> Estimate | None:
        """The value that ``part`` (between 0 and 1) of all are not above, by nearest rank; None if there are none.

        Within its bucket it is interpolated, as if the values there lay at equal distances; never below the shortest
        or above the longest that was seen.
        """
        total = self.count
        if not total:
            return None
        rank, before = max(1, math.ceil(part * total)), 0
        index = 0
        while before + self.counts[index] < rank:
            before += self.counts[index]
            index += 1
        low, high = self._edges(index)
        if high is None:
            return Estimate(low, low, None)
        position = (rank - before - 0.5) / self.counts[index]
        return Estimate(low + position * (high - low), low, high)

    def _edges(self, index: int) -> tuple[float, float | None]:
        """Between which values those of a bucket lie."""
        low = BOUNDS_S[index - 1] if index else 0.0
        high = BOUNDS_S[index] if index < len(BOUNDS_S) else self.slowest_s
        if self.slowest_s is not None and high is not None:
            high = min(high, self.slowest_s)
        if self.fastest_s is not None:
            low = max(low, self.fastest_s)
        return low, high


def bucket_of(seconds: float) -> int:
    """The number of the bucket that a duration falls in."""
    return bisect_left(BOUNDS_S, seconds)


def share(part: float, whole: float) -> float | None:
    """``part`` of ``whole``, or None where there is no whole to speak of."""
    return part / whole if whole else None


def per_minute(count: float, seconds: float) -> float | None:
    """How many a minute, or None where no time has passed."""
    return count * MINUTE_S / seconds if seconds > 0 else None


def _known(choose: Callable[[float, float], float], one: float | None, other: float | None) -> float | None:
    """What is known of two, chosen where both are."""
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)
