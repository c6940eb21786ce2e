"""What a policy would have done: the production decisions, replayed over recorded samples of a pool. Pure.

A sample says how many calls were in flight and how many waited, which also tells how many came in between two samples,
since each call in flight takes ``call_s`` seconds on average. Those arrivals meet the pool that the policy would have
had: first come, first served. What no sample tells is left out: how long members take to start, and that calls vary.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from agents import scaling
from agents.scaling import Decision, State
from agents.scaling_policy import Policy

LONGEST_GAP = timedelta(minutes=1)
"""Nothing was recorded for longer than this: the workers were down, and the replay begins anew after it."""
HOUR_S = 3600.0
QUANTILE = 0.95


@dataclass(frozen=True, slots=True)
class Sample:
    """A pool at a moment, as it was recorded."""

    at: datetime
    size: int
    in_use: int
    waiting: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What the proposed pool may have, and what its members are: ``slots_each`` calls at a time of ``call_s`` each."""

    min_size: int
    max_size: int
    slots_each: int
    call_s: float


@dataclass(frozen=True, slots=True)
class Course:
    """How it went: what it cost in agent-hours, and how long the oldest waited at 95 of 100 moments at most."""

    agent_hours: float
    p95_wait_s: float
    largest: int


@dataclass(frozen=True, slots=True)
class Made:
    """A decision that the policy would have made."""

    at: datetime
    size_before: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class TryOut:
    """What was recorded, ``then``, beside what it would have been, ``with_this``; ``hours`` says over how long."""

    since: datetime
    until: datetime
    hours: float
    then: Course
    with_this: Course
    decisions: Sequence[Made]


@dataclass(slots=True)
class _Queue:
    """The calls of the replayed pool: those in flight and those that wait, in the order in which they came."""

    total: float = 0.0
    slots: int = 0
    came: deque[tuple[float, float]] = field(default_factory=deque)

    @property
    def in_use(self) -> float:
        return min(self.total, self.slots)

    @property
    def waiting(self) -> float:
        return max(0.0, self.total - self.slots)

    def begin_anew(self, at: float, sample: Sample) -> None:
        self.total, self.slots = float(sample.in_use + sample.waiting), sample.in_use
        self.came = deque([(at - sample.oldest_s, self.waiting)] if sample.waiting else ())

    def go_on(self, at: float, rate: float, seconds: float, call_s: float) -> None:
        """Calls come at ``rate`` a second for ``seconds``, until ``at``."""
        waited = self.waiting
        self.total = _calls_after(self.total, rate, seconds, call_s, self.slots)
        begun = waited + rate * seconds - self.waiting
        self.came.append((at, rate * seconds))
        while self.came and begun > 0:
            since, many = self.came.popleft()
            if many > begun:
                self.came.appendleft((since, many - begun))
            begun -= many

    def oldest_s(self, at: float) -> float:
        return at - self.came[0][0] if self.came and self.waiting >= 1 else 0.0


def _calls_after(calls: float, rate: float, seconds: float, call_s: float, slots: int) -> float:
    """How many calls there are in the end: towards rate · call_s while slots are free, in a straight line while not."""
    if calls <= slots:
        offered = rate * call_s
        free = offered + (calls - offered) * math.exp(-seconds / call_s)
        if free <= slots:
            return free
    return max(calls + (rate - slots / call_s) * seconds, min(slots, rate * call_s))


def _rate(sample: Sample, after: Sample, seconds: float, call_s: float) -> float:
    """Calls that came in a second between two samples: the inverse of :func:`_calls_after`."""
    before, now = sample.in_use + sample.waiting, after.in_use + after.waiting
    if sample.waiting or after.waiting:
        return max(0.0, (now - before) / seconds + max(sample.in_use, after.in_use) / call_s)
    left = math.exp(-seconds / call_s)
    return max(0.0, (now - before * left) / (1 - left)) / call_s


class _Pool:
    """The replayed pool: its size, and when it last grew and shrank."""

    def __init__(self, policy: Policy, limits: Limits, size: int) -> None:
        self.policy, self.limits = policy, limits
        self.size = min(max(size, limits.min_size), limits.max_size)
        self.up_at: float | None = None
        self.down_at: float | None = None

    @property
    def slots(self) -> int:
        return self.size * self.limits.slots_each

    def decide(self, at: float, local: datetime, queue: _Queue) -> Decision:
        state = State(
            size=self.size,
            min_size=self.limits.min_size,
            max_size=self.limits.max_size,
            slots=self.slots,
            slots_each=self.limits.slots_each,
            in_use=round(queue.in_use),
            waiting=round(queue.waiting),
            oldest_s=queue.oldest_s(at),
            local=local,
            since_up_s=None if self.up_at is None else at - self.up_at,
            since_down_s=None if self.down_at is None else at - self.down_at,
        )
        decision = scaling.decide(self.policy, state)
        if decision.action == scaling.UP:
            self.up_at = at
        elif decision.action == scaling.DOWN:
            self.down_at = at
        self.size = decision.target
        return decision


def replay(policy: Policy, samples: Sequence[Sample], limits: Limits, zone: tzinfo) -> TryOut | None:
    """What ``policy`` would have done over ``samples``, oldest first; None if there are not two of them to compare."""
    if len(samples) < 2:
        return None
    pool, queue = _Pool(policy, limits, samples[0].size), _Queue()
    spent_s = then_s = covered_s = 0.0
    waits: list[float] = []
    made: list[Made] = []
    largest = pool.size
    fresh = True
    for sample, after, lasted_s in _pairs(samples):
        at = sample.at.timestamp()
        if fresh:
            queue.begin_anew(at, sample)
        before = pool.size
        decision = pool.decide(at, sample.at.astimezone(zone), queue)
        if decision.action != scaling.STAY:
            made.append(Made(sample.at, before, decision))
            largest = max(largest, pool.size)
        waits.append(queue.oldest_s(at))
        fresh = lasted_s > LONGEST_GAP.total_seconds()
        if fresh:
            continue
        spent_s += pool.size * lasted_s
        then_s += sample.size * lasted_s
        covered_s += lasted_s
        queue.slots = pool.slots
        rate = _rate(sample, after, lasted_s, limits.call_s)
        queue.go_on(at + lasted_s, rate, lasted_s, limits.call_s)
    then = Course(then_s / HOUR_S, _quantile([each.oldest_s for each in samples]), max(each.size for each in samples))
    with_this = Course(spent_s / HOUR_S, _quantile(waits), largest)
    return TryOut(samples[0].at, samples[-1].at, covered_s / HOUR_S, then, with_this, made)


def _pairs(samples: Sequence[Sample]) -> Iterator[tuple[Sample, Sample, float]]:
    """Each sample with the one after it, and the seconds between them."""
    for sample, after in pairwise(samples):
        yield sample, after, (after.at - sample.at).total_seconds()


def _quantile(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(QUANTILE * len(ordered)))] if ordered else 0.0
