"""Pools that are too small for what waits for them, or far larger than anything asks for. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from monitoring.advice.advised import Action, Advice, Evidence, Subject, counted
from orchestra.kernel.wording import duration, percent

TOO_SMALL, TOO_LARGE = "pool_too_small", "pool_too_large"
BUSY, IDLE = 0.9, 0.3
"""Shares of the slots in use, above and below which a pool is looked at."""
LEAST_WAITING, LEAST_WAIT_S = 1.0, 30.0
TARGET = 0.7
"""The share of slots that should be in use, as for the autoscaler."""
LEAST_COVERED = 0.5
"""Of the time looked at, so much must have been sampled."""
LARGEST = 1_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was sampled over some time: averages, the most at once, and how much of the time there are samples of."""

    covered: float
    in_use: float
    slots: float
    waiting: float
    oldest_s: float
    most_in_use: int
    most_waiting: int

    @property
    def utilisation(self) -> float | None:
        return self.in_use / self.slots if self.slots else None


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """A pool with what was sampled of it in the last hour and, only where that hour was quiet, in the last day."""

    id: int
    name: str
    autoscales: bool
    min_size: int
    max_size: int
    target: int
    slots_each: int
    hour: Stretch | None
    day: Stretch | None
    url: str


def advise(pool: PoolFacts) -> Iterator[Advice]:
    yield from _too_small(pool)
    yield from _too_large(pool)


def _too_small(pool: PoolFacts) -> Iterator[Advice]:
    """The autoscaler does the rest as long as there is room below the maximum."""
    seen = pool.hour
    if seen is None or seen.covered < LEAST_COVERED or (pool.autoscales and pool.target < pool.max_size):
        return
    used = seen.utilisation
    if used is None or used < BUSY or seen.waiting < LEAST_WAITING or seen.oldest_s < LEAST_WAIT_S:
        return
    wanted = math.ceil((seen.in_use + seen.waiting) / pool.slots_each / TARGET)
    size = min(max(wanted, pool.target + 1), 2 * max(pool.target, 1), LARGEST)
    if size <= pool.target:
        return
    sizes = _sizes(pool, size, raises_max=True)
    limit = "at most " if pool.autoscales else ""
    yield Advice(
        TOO_SMALL,
        _subject(pool),
        f"{pool.name} is too small: in the last hour {percent(used)} of its slots were in use, "
        f"{counted(round(seen.waiting), 'step')} waited on average, the oldest up to {duration(seen.oldest_s)}. "
        f"Let it have {limit}{counted(size, 'member')} instead of {pool.target}.",
        weight=seen.waiting,
        evidence=(
            Evidence("Slots in use, last hour", used, "share", pool.url),
            Evidence("Waiting on average", round(seen.waiting, 1), "count", pool.url),
            Evidence("Longest wait", seen.oldest_s, "seconds", pool.url),
            Evidence("Members now", pool.target, "count", pool.url),
        ),
        action=Action("resize_pool", f"Let it have {limit}{size}", {"pool": pool.id, **sizes}),
    )


def _too_large(pool: PoolFacts) -> Iterator[Advice]:
    """What the most of a day would have needed, with the usual room, is less than what the pool always has."""
    seen, kept = pool.day, pool.min_size if pool.autoscales else pool.target
    if seen is None or seen.covered < LEAST_COVERED or seen.most_waiting or kept < 2:
        return
    used = seen.utilisation
    if used is None or used > IDLE:
        return
    size = max(1, math.ceil(seen.most_in_use / pool.slots_each / TARGET))
    if size > kept // 2:
        return
    limit = "at least " if pool.autoscales else ""
    yield Advice(
        TOO_LARGE,
        _subject(pool),
        f"{pool.name} is larger than its work asks for: in the last day {percent(used)} of its slots were in use, at "
        f"most {seen.most_in_use:,} at once, and nothing waited. Let it have {limit}{counted(size, 'member')} instead "
        f"of {kept}.",
        weight=float(kept - size),
        evidence=(
            Evidence("Slots in use, last day", used, "share", pool.url),
            Evidence("Most calls at once", seen.most_in_use, "count", pool.url),
            Evidence("Slots of each member", pool.slots_each, "count", pool.url),
            Evidence(f"{'Minimum' if pool.autoscales else 'Members'} now", kept, "count", pool.url),
        ),
        action=Action(
            "resize_pool",
            f"Let it have {limit}{size}",
            {"pool": pool.id, **_sizes(pool, size, raises_max=False)},
        ),
    )


def _sizes(pool: PoolFacts, size: int, *, raises_max: bool) -> dict[str, dict[str, int]]:
    """``before`` and ``after`` of the limits and the size, of which only those are named that change."""
    after: dict[str, int] = {}
    if raises_max and size > pool.max_size:
        after["max_size"] = size
    if not raises_max and size < pool.min_size:
        after["min_size"] = size
    if not pool.autoscales:
        after["target"] = size
    return {"before": {name: getattr(pool, name) for name in after}, "after": after}


def _subject(pool: PoolFacts) -> Subject:
    return Subject("pool", str(pool.id), pool.name)
