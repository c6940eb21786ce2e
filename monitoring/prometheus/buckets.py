"""The fixed buckets of durations as Prometheus has them: fewer, and each with all that is below it. Pure.

A Prometheus histogram is a series a bucket, so of the 36 bounds that durations are counted by only some are given.
Each of these is one of them, so nothing is estimated here.
"""

from collections.abc import Sequence
from functools import cache
from itertools import accumulate, pairwise

from prometheus_client.utils import floatToGoString

from orchestra.kernel.series import BOUNDS_S

CALLS_S = (0.1, 0.3, 1.0, 3.0, 5.0, 10.0, 30.0)
"""Bounds of calls of agents: with five thousand agents each bound is five thousand series."""
RUNS_S = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 600.0)
"""Bounds of runs."""


def groups(bounds: Sequence[float]) -> list[range]:
    """The numbers of the fixed buckets that lie between neighbouring ``bounds``; the last are above all of them."""
    edges = [0, *(BOUNDS_S.index(bound) + 1 for bound in bounds), len(BOUNDS_S) + 1]
    return [range(first, after) for first, after in pairwise(edges)]


def cumulative(bounds: tuple[float, ...], counts: Sequence[int]) -> list[tuple[str, float]]:
    """What ``HistogramMetricFamily`` takes, from the counts of each of :func:`groups`."""
    return [(name, float(count)) for name, count in zip(_names(bounds), accumulate(counts), strict=True)]


@cache
def _names(bounds: tuple[float, ...]) -> list[str]:
    return [*map(floatToGoString, bounds), "+Inf"]
