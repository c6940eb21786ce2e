"""Why no agent takes a ready step: the hard limits of the dispatcher, put into words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse

from agents import dispatch
from agents.dispatch import BREAKER_OPEN, BUSY, LACKS_CAPABILITY, NOT_RUNNING, Demand
from agents.models import AgentKind, AgentStatus, Pool
from agents.snapshot import NOBODY, AgentView, Fleet
from orchestra.kernel import registry
from workflows.reasons import MOST_NAMES, Reason, clock, listed


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of a pool what matters for those who wait for it: its name, how many members it has, and how many it may have."""

    name: str
    size: int
    max_size: int


STARTING, AWAY, OUT_OF_SERVICE = "starting", "worker_offline", "not_online"
NO_POOLS: Mapping[int, Bounds] = {}


def pools_of(fleet: Fleet) -> Mapping[int, Bounds]:
    """The pools that agents of ``fleet`` belong to; in one query if they belong to any."""
    sizes = Counter(agent.pool for agent in fleet.agents.values() if agent.pool and agent.status == AgentStatus.ONLINE)
    if not sizes:
        return NO_POOLS
    rows = Pool.objects.filter(pk__in=list(sizes)).values_list("pk", "name", "max_size")
    return {pk: Bounds(name, sizes[pk], max_size) for pk, name, max_size in rows}


def of_demand(
    demand: Demand, fleet: Fleet, in_use: Mapping[int, int], now: datetime, pools: Mapping[int, Bounds] = NO_POOLS
) -> Reason:
    """What keeps agents from a step that asks ``demand``: of several obstacles the one that ends first, then others."""
    if demand.agent:
        return _of_planned(demand, fleet, in_use, now, pools)
    by_obstacle: dict[str, list[AgentView]] = {}
    for agent in fleet.agents.values():
        obstacle = dispatch.obstacle_of(agent, demand, in_use.get(agent.id, 0), now)
        by_obstacle.setdefault(_kind_of(obstacle, agent), []).append(agent)
    by_obstacle.pop(LACKS_CAPABILITY, None)
    if not by_obstacle:
        return _of_missing_capability(demand, fleet)
    reasons = [_of(obstacle, by_obstacle[obstacle], now, pools) for obstacle in sorted(by_obstacle, key=_ends)]
    first, others = reasons[0], [reason.detail.partition("; ")[0].rstrip(".") for reason in reasons[1:]]
    return replace(first, detail=" ".join([first.detail, *(f"{other}." for other in others)]))


def is_for_worker(demand: Demand, fleet: Fleet) -> bool:
    """Whether a worker elsewhere can do it, which claims for itself and needs no executor."""
    able = (agent for agent in fleet.agents.values() if agent.capabilities.issuperset(demand.needs))
    return any(agent.kind == AgentKind.REMOTE and agent.status == AgentStatus.ONLINE for agent in able)


def _kind_of(obstacle: str, agent: AgentView) -> str:
    """Obstacles that end in the same way count as one."""
    return obstacle if obstacle in ("", BUSY, BREAKER_OPEN, LACKS_CAPABILITY) else _state(agent)


def _ends(kind: str) -> int:
    """The order in which obstacles end by themselves, as far as one can tell."""
    return ("", BUSY, STARTING, BREAKER_OPEN, NOT_RUNNING, AWAY, OUT_OF_SERVICE).index(kind)


def _of(obstacle: str, agents: Sequence[AgentView], now: datetime, pools: Mapping[int, Bounds]) -> Reason:
    if not obstacle:
        return _of_free(agents)
    if obstacle == BUSY:
        return _of_busy(agents, pools)
    if obstacle == BREAKER_OPEN:
        return _of_open_breakers(agents, now)
    return _of_stopped(agents, now)


def _of_free(agents: Sequence[AgentView]) -> Reason:
    """Somebody could take it; who claims for them, one can tell if it is the same for all."""
    who = "an executor will, when its turn comes"
    if all(agent.kind == AgentKind.REMOTE for agent in agents):
        its = "its worker" if len(agents) == 1 else "one of their workers"
        who = f"{its} will, with the next claim"
    elif all(agent.holder for agent in agents):
        who = "the executor that runs its process will" if len(agents) == 1 else "one that runs their processes will"
    return Reason("queued", f"{_names(agents)} could take it; {who}.", _link(agents) if agents[0].holder else "")


def _of_planned(
    demand: Demand, fleet: Fleet, in_use: Mapping[int, int], now: datetime, pools: Mapping[int, Bounds]
) -> Reason:
    """A plan has settled which agent takes it: what keeps that one."""
    agent = fleet.agents.get(demand.agent)
    if agent is None:
        return Reason(
            "not_online", "The agent that its plan gives it to was removed; in a moment any other may take it."
        )
    if missing := [need for need in demand.needs if need not in agent.capabilities]:
        detail = f"{agent.name}, which its plan gives it to, cannot do {listed(missing)}; release its allocation."
        return Reason("no_capability", detail, _link([agent]))
    reason = of_demand(replace(demand, agent=0), Fleet(fleet.revision, {agent.id: agent}), in_use, now, pools)
    return replace(reason, detail=f"Its plan gives it to {agent.name}. {reason.detail}")


def _of_busy(agents: Sequence[AgentView], pools: Mapping[int, Bounds]) -> Reason:
    slots = sum(agent.slots for agent in agents)
    pool = pools.get(agents[0].pool)
    if pool is not None and all(agent.pool == agents[0].pool for agent in agents):
        room = f"may grow to {pool.max_size}" if pool.size < pool.max_size else "may not grow further"
        members = f"all {slots} slots of {_counted(len(agents), 'member')} are in use"
        link = registry.link("pool", str(agents[0].pool)) or ""
        return Reason("pool_full", f"The pool {pool.name} is full: {members}; it {room}.", link)
    verb = "is busy" if len(agents) == 1 else "are busy"
    return Reason("busy", f"{_names(agents)} {verb}: all {slots} slots are in use.", _link(agents))


def _counted(count: int, noun: str) -> str:
    return f"its one {noun}" if count == 1 else f"its {count} {noun}s"


def _of_open_breakers(agents: Sequence[AgentView], now: datetime) -> Reason:
    probe_at = min(agent.probe_at for agent in agents if agent.probe_at is not None)
    verb = "has an open breaker" if len(agents) == 1 else "have open breakers"
    detail = f"{_names(agents)} {verb}; one call may try again at {clock(probe_at, now)}."
    return Reason("breaker_open", detail, _link(agents))


def _of_stopped(agents: Sequence[AgentView], now: datetime) -> Reason:
    words = [_stopped(agent, now) for agent in agents[:MOST_NAMES]]
    rest = f", and {len(agents) - MOST_NAMES} more take none either" if len(agents) > MOST_NAMES else ""
    state = _state(agents[0])
    text = f"{listed(words)}{rest}; {_REMEDIES[state]}."
    return Reason(state, text[0].upper() + text[1:] if text.startswith(_ARTICLES) else text, _link(agents))


_ARTICLES = ("the ", "no ")
_REMEDIES = {
    STARTING: "it can take steps as soon as it runs",
    NOT_RUNNING: "an executor starts it, unless it has just failed",
    AWAY: "start one, or wait until it is back",
    OUT_OF_SERVICE: "enable one",
}
"""What happens next, or is to be done."""


def _state(agent: AgentView) -> str:
    """What an agent that takes no steps is in, which is the code of the reason."""
    if agent.status == AgentStatus.STARTING:
        return STARTING
    away = agent.status == AgentStatus.OFFLINE or (agent.status == AgentStatus.ONLINE and agent.holder == NOBODY)
    if away and agent.kind == AgentKind.REMOTE:
        return AWAY
    return NOT_RUNNING if away and agent.kind == AgentKind.PROCESS else OUT_OF_SERVICE


def _stopped(agent: AgentView, now: datetime) -> str:
    match _state(agent):
        case "worker_offline" if agent.silent_since is None:
            return f"no worker runs as {agent.name}"
        case "worker_offline":
            return f"the worker of {agent.name} is offline since {clock(agent.silent_since or now, now)}"
        case "not_running":
            return f"the process of {agent.name} is not running"
        case _:
            return f"{agent.name} is {agent.status}"


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
