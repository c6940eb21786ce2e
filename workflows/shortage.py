"""Why no agent takes a ready step: the hard limits of the dispatcher, put into words."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse

from agents import dispatch
from agents.dispatch import BREAKER_OPEN, BUSY, LACKS_CAPABILITY, Demand
from agents.snapshot import AgentView, Fleet
from orchestra.kernel import registry
from workflows.reasons import MOST_NAMES, Reason, clock, listed


def of_demand(demand: Demand, fleet: Fleet, in_use: Mapping[int, int], now: datetime) -> Reason:
    """What keeps agents from a step that asks ``demand``; of several obstacles the one that ends first."""
    by_obstacle: dict[str, list[AgentView]] = {}
    for agent in fleet.agents.values():
        obstacle = dispatch.obstacle_of(agent, demand, in_use.get(agent.id, 0), now)
        by_obstacle.setdefault(obstacle, []).append(agent)
    if "" in by_obstacle:
        names = listed([agent.name for agent in by_obstacle[""]])
        return Reason("queued", f"{names} could take it; an executor will, when its turn comes.")
    if BUSY in by_obstacle:
        return _of_busy(by_obstacle[BUSY])
    if BREAKER_OPEN in by_obstacle:
        return _of_open_breakers(by_obstacle[BREAKER_OPEN], now)
    by_obstacle.pop(LACKS_CAPABILITY, None)
    if by_obstacle:
        return _of_stopped([agent for agents in by_obstacle.values() for agent in agents])
    return _of_missing_capability(demand, fleet)


def _of_busy(agents: Sequence[AgentView]) -> Reason:
    slots = sum(agent.slots for agent in agents)
    verb = "is busy" if len(agents) == 1 else "are busy"
    return Reason("busy", f"{_names(agents)} {verb}: all {slots} slots are in use.", _link(agents))


def _of_open_breakers(agents: Sequence[AgentView], now: datetime) -> Reason:
    probe_at = min(agent.probe_at for agent in agents if agent.probe_at is not None)
    verb = "has an open breaker" if len(agents) == 1 else "have open breakers"
    detail = f"{_names(agents)} {verb}; one call may try again at {clock(probe_at, now)}."
    return Reason("breaker_open", detail, _link(agents))


def _of_stopped(agents: Sequence[AgentView]) -> Reason:
    words = [f"{agent.name} is {agent.status}" for agent in agents[:MOST_NAMES]]
    rest = f", and {len(agents) - MOST_NAMES} more take none either" if len(agents) > MOST_NAMES else ""
    return Reason("not_online", f"{listed(words)}{rest}; enable one.", _link(agents))


def _of_missing_capability(demand: Demand, fleet: Fleet) -> Reason:
    known = {capability for agent in fleet.agents.values() for capability in agent.capabilities}
    missing = [need for need in demand.needs if need not in known]
    if not demand.needs:
        detail = "There is no agent yet; add one."
    elif missing:
        detail = f"No agent can do {listed(missing)}; add one that can."
    else:
        detail = f"No single agent can do {listed(demand.needs)} together; give one of them the others."
    return Reason("no_capability", detail, reverse("agents"))


def _link(agents: Sequence[AgentView]) -> str:
    """The one agent's page, or the list of all that can do what they have in common."""
    if len(agents) == 1:
        return registry.link("agent", str(agents[0].id)) or ""
    common = frozenset.intersection(*(agent.capabilities for agent in agents))
    return f"{reverse('agents')}?{urlencode({'capability': min(common)})}" if common else reverse("agents")


def _names(agents: Sequence[AgentView]) -> str:
    return listed([agent.name for agent in agents])
