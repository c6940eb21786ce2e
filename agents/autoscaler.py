"""The autoscaler: looks at all pools, decides on each, and brings members and launchers to what was decided.

Done by whoever owns the time, every two seconds; several at once change nothing twice: a size is changed only if it is
still the one that the decision was made on.
"""

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError

from agents import launchers, members, pool_figures, pools, scaling
from agents.models import Pool, PoolSample
from agents.pool_figures import Standing
from agents.scaling import Decision, State
from orchestra.kernel.clock import database_now

logger = logging.getLogger(__name__)

Decided = tuple[Standing, State, Decision]

EVERY_S = 2.0
SAMPLE_S = 10


class Autoscaler:
    """The ticker's task: evaluates at most every :data:`EVERY_S`."""

    def __init__(self) -> None:
        self.next_at = 0.0

    def tick(self) -> int:
        if time.monotonic() < self.next_at:
            return 0
        self.next_at = time.monotonic() + EVERY_S
        return evaluate_due()


def evaluate_due() -> int:
    """Decide on every pool once; returns how many changed their size or their members."""
    found = list(pool_figures.with_last(Pool.objects.order_by("pk")))
    if not found:
        return 0
    now = database_now()
    standings = pool_figures.read(found, now)
    decided = [known for standing in standings if (known := _decided(standing)) is not None]
    pools.note(_new_stays(decided), _due_samples(standings, now), now)
    done = sum(_carry_out(standing, state, decision, now) for standing, state, decision in decided)
    for standing in standings:
        launchers.launch_if_due(standing.pool, now)
    return done


def _decided(standing: Standing) -> Decided | None:
    """What to do with a pool; None, which is logged, if its policy cannot be read, as one of another version."""
    if fault := standing.policy_fault:
        logger.error("The policy of pool %s cannot be read, so it stays as it is: %s", standing.pool.name, fault)
        return None
    state = standing.state()
    return standing, state, scaling.decide(standing.policy, state, autoscales=standing.pool.autoscales)


def _carry_out(standing: Standing, state: State, decision: Decision, now: datetime) -> bool:
    """Whether anything changed; a pool that cannot be changed does not keep the others from it."""
    if decision.action == scaling.STAY and not members.moves(standing):
        return False
    load = {member.pk: member.in_flight for member in standing.members}
    try:
        return pools.follow(standing.pool.pk, decision, state, load, now)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("Pool %s could not be scaled; it is tried again in two seconds", standing.pool.name)
        return False


def _new_stays(decided: Sequence[Decided]) -> list[tuple[Pool, Decision, State]]:
    """Why pools stay, where that is another reason than before."""
    return [
        (standing.pool, decision, state)
        for standing, state, decision in decided
        if decision.action == scaling.STAY and (standing.last is None or standing.last.code != decision.code)
    ]


def _due_samples(standings: Sequence[Standing], now: datetime) -> list[PoolSample]:
    at = now - timedelta(seconds=now.second % SAMPLE_S, microseconds=now.microsecond)
    return [
        PoolSample(
            pool=standing.pool,
            at=at,
            size=standing.size,
            slots=standing.slots,
            in_use=standing.in_use,
            waiting=standing.waiting.count,
            oldest_s=standing.waiting.oldest_s,
        )
        for standing in standings
        if (sampled := getattr(standing.pool, "sampled_at", None)) is None or sampled < at
    ]
