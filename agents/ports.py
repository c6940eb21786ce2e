"""What the fleet needs to know from above."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from agents.models import Agent
from orchestra.kernel.registry import Port

InFlight = Callable[[Collection[int]], Mapping[int, int]]
"""Calls in flight by agent, for some agents, in one query; an agent without any may be left out."""

in_flight: Port[InFlight] = Port("who counts calls in flight")

living: Port[Callable[[], Q]] = Port("which reservations have a holder that lives, so that their leases are renewed")


Holder = tuple[int, str]
"""A run, and the step of it that holds something; an empty text for the run itself."""

stalled: Port[Callable[[Collection[Holder]], Mapping[Holder, str]]] = Port(
    "why holders of resources do not go on by themselves, in words, in a constant number of queries"
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a pool: how many (counted up to a bound), and how long the oldest of them has been due."""

    count: int = 0
    oldest_s: float = 0.0


Demand = Callable[[Mapping[int, frozenset[str]], datetime], Mapping[int, Waiting]]
"""What waits for pools, by their number, given what their members can do; in a constant number of queries.

Counts what more members would help: neither what is paused, nor what its queue or key holds up. A pool for which
nothing waits may be left out.
"""

demand: Port[Demand] = Port("who counts the work that waits for pools")


def waiting_for(pools: Mapping[int, frozenset[str]], now: datetime) -> Mapping[int, Waiting]:
    """What waits for each of ``pools``; every one of them is in the answer."""
    found = [count(pools, now) for count in demand] if pools else []
    return {pool: _together([each[pool] for each in found if pool in each]) for pool in pools}


def _together(parts: Collection[Waiting]) -> Waiting:
    return Waiting(sum(part.count for part in parts), max((part.oldest_s for part in parts), default=0.0))


def calls_in_flight(agents: Collection[int]) -> Mapping[int, int]:
    """How many calls each of ``agents`` has in flight; 0 for one that is not in the answer."""
    load: Counter[int] = Counter()
    for count in in_flight:
        load.update(count(agents))
    return load


def with_load(agents: Iterable[Agent]) -> list[Agent]:
    """The same agents with ``in_flight`` filled in."""
    loaded = list(agents)
    load = calls_in_flight([agent.pk for agent in loaded])
    for agent in loaded:
        agent.in_flight = load.get(agent.pk, 0)
    return loaded
