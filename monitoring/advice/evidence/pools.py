"""What the rules about pools go by, in two queries and one for quiet pools, however many samples there are."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Avg, Count, Max
from django.urls import reverse

from agents import pool_figures
from agents.models import Pool, PoolSample
from agents.pool_history import SAMPLE_S
from monitoring.advice.rules.pools import IDLE, PoolFacts, Stretch

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOST_POOLS, MOST_QUIET = 500, 20


def read(now: datetime) -> list[PoolFacts]:
    """All pools with their last hour; of those that were quiet in it, also the last day, which is many samples."""
    pools = list(Pool.objects.order_by("pk")[:MOST_POOLS])
    hours = _stretches([pool.pk for pool in pools], now, HOUR)
    quiet = [pool.pk for pool in pools if _could_shrink(pool, hours.get(pool.pk))]
    days = _stretches(quiet[:MOST_QUIET], now, DAY)
    return [
        PoolFacts(
            pool.pk,
            pool.name,
            pool.autoscales,
            pool.min_size,
            pool.max_size,
            pool.target,
            pool_figures.slots_each(pool),
            hours.get(pool.pk),
            days.get(pool.pk),
            reverse("pool", args=[pool.pk]),
        )
        for pool in pools
    ]


def _could_shrink(pool: Pool, hour: Stretch | None) -> bool:
    """Whether it is worth reading its day: it was quiet, and always has more than one member."""
    kept = pool.min_size if pool.autoscales else pool.target
    return kept > 1 and hour is not None and (hour.utilisation or 0.0) <= IDLE


def _stretches(pools: Collection[int], now: datetime, length: timedelta) -> dict[int, Stretch]:
    if not pools:
        return {}
    rows = PoolSample.objects.filter(pool__in=pools, at__gt=now - length, at__lte=now).order_by().values_list("pool")
    sums = rows.annotate(
        Count("pk"), Avg("in_use"), Avg("slots"), Avg("waiting"), Max("oldest_s"), Max("in_use"), Max("waiting")
    )
    expected = length / timedelta(seconds=SAMPLE_S)
    return {pool: Stretch(count / expected, *figures) for pool, count, *figures in sums}
