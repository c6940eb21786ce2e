"""What the fleet needs to know from above."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping

from agents.models import Agent
from orchestra.kernel.registry import Port

InFlight = Callable[[Collection[int]], Mapping[int, int]]
"""Calls in flight by agent, for some agents, in one query; an agent without any may be left out."""

in_flight: Port[InFlight] = Port("who counts calls in flight")


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
