"""What an operator can do to an agent, as page and API offer it."""

from collections.abc import Callable
from dataclasses import dataclass

from agents import fleet, health
from agents.models import AGENT_STATES, Agent, AgentKind, AgentStatus, Circuit
from orchestra.kernel.access import Actor


@dataclass(frozen=True, slots=True)
class Action:
    """``perform(agent, by, reason)`` does it; ``is_offered`` says whether the agent's state allows it."""

    name: str
    label: str
    done: str
    explain: str
    permission: str
    perform: Callable[[int, Actor, str], object]
    is_offered: Callable[[Agent], bool]
    is_dangerous: bool = False


def _to(status: AgentStatus) -> Callable[[int, Actor, str], object]:
    return lambda agent, by, reason: fleet.set_status(agent, status, by=by, reason=reason)


def _may_be_enabled(agent: Agent) -> bool:
    """What is starting comes online by itself once its process runs."""
    waits = agent.kind == AgentKind.PROCESS and agent.status == AgentStatus.STARTING
    return not waits and AGENT_STATES.allows(agent.status, AgentStatus.ONLINE)


def _may_become(status: AgentStatus) -> Callable[[Agent], bool]:
    return lambda agent: AGENT_STATES.allows(agent.status, status)


def _reset(agent: int, by: Actor, reason: str) -> object:
    return health.reset(agent, by=by, reason=reason)


ACTIONS = {
    action.name: action
    for action in (
        Action(
            "enable",
            "Enable",
            "takes calls again.",
            "It takes calls again at once.",
            "agents.operate",
            _to(AgentStatus.ONLINE),
            _may_be_enabled,
        ),
        Action(
            "drain",
            "Drain",
            "is draining.",
            "It begins no more calls; those in flight end as usual.",
            "agents.operate",
            _to(AgentStatus.DRAINING),
            _may_become(AgentStatus.DRAINING),
        ),
        Action(
            "disable",
            "Disable",
            "is disabled.",
            "It begins no more calls until somebody enables it; those in flight end as usual.",
            "agents.operate",
            _to(AgentStatus.DISABLED),
            _may_become(AgentStatus.DISABLED),
            is_dangerous=True,
        ),
        Action(
            "reset-circuit",
            "Reset breaker",
            "has a closed breaker.",
            "Its breaker closes without a probe, so that all its slots may be used at once.",
            "agents.reset_circuit",
            _reset,
            lambda agent: agent.health.circuit != Circuit.CLOSED,
        ),
    )
}
