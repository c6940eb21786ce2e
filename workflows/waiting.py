"""Why a step or a run is not running: a code, a sentence and a link, derived from rows at the moment of asking.

The same limits that the dispatcher applies decide here, so that what a page says is what admission uses.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from agents import dispatch, snapshot
from agents.dispatch import BREAKER_OPEN, BUSY, LACKS_CAPABILITY, Demand
from agents.snapshot import AgentView, Fleet
from orchestra.kernel import pulses, registry
from workflows import queue
from workflows.models import RUN_ENDS, Run, Step, StepStatus
from workflows.planner import SETTLED

MOST_NAMES = 3
EXECUTOR_SILENT_S = 15.0
"""Three heartbeats: an executor that was silent for longer is not counted on."""


@dataclass(frozen=True, slots=True)
class Reason:
    """``code`` is for programs, ``detail`` a sentence, ``link`` an address that shows what it waits for, or nothing."""

    code: str
    detail: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the judgement is made on: the fleet, its calls in flight, whether executors live, and the time."""

    now: datetime
    fleet: Fleet = field(default_factory=lambda: Fleet(0, {}))
    in_use: Mapping[int, int] = field(default_factory=dict)
    executors: int = 1


def situation_of(steps: Iterable[Step], now: datetime) -> Situation:
    """The situation that ``steps`` are in; the fleet is read only if one of them could be claimed."""
    if not any(step.status == StepStatus.READY and step.available_at <= now for step in steps):
        return Situation(now)
    executors = pulses.alive(pulses.EXECUTOR, within_s=EXECUTOR_SILENT_S).count()
    return Situation(now, snapshot.read(), queue.in_use(), executors)


def of_unreached(needs: Collection[str], statuses: Mapping[str, str]) -> Reason:
    """A step that has no row yet waits for those it needs."""
    missing = [need for need in needs if statuses.get(need) not in SETTLED]
    if not missing:
        return Reason("next", "It is decided on as soon as the step before it is stored.")
    return Reason("needs", f"It needs {_listed(missing)} to end first.")


def of_step(step: Step, run: Run, situation: Situation) -> Reason | None:
    """Why ``step`` is not being worked on; None if it is, or has ended."""
    if step.status == StepStatus.WAITING:
        return _of_person(run)
    if step.status != StepStatus.READY:
        return None
    if step.available_at > situation.now:
        due = _clock(step.available_at, situation.now)
        return Reason("retry", f"Its next try is due at {due}, after this: {step.error}")
    if not situation.executors:
        return Reason("no_executor", "No executor is alive to take it; start one with manage.py up or worker.")
    return _of_agents(Demand(tuple(step.needs), tuple(step.prefers)), situation)


def of_run(run: Run, reasons: Mapping[str, Reason | None]) -> Reason | None:
    """Why nothing of ``run`` moves: the reason of its first open step. ``reasons``: those of all its open steps."""
    if run.status in RUN_ENDS or not reasons or None in reasons.values():
        return None
    name, reason = next((name, reason) for name, reason in reasons.items() if reason)
    return Reason(reason.code, f"{name}: {reason.detail}", reason.link)


def _of_person(run: Run) -> Reason:
    link = registry.link(run.serves_kind, run.serves_id) or ""
    where = f" at {run.serves_kind} {run.serves_id}" if run.serves_kind else ""
    return Reason("person", f"It waits for a person to decide{where}.", link)


def _of_agents(demand: Demand, situation: Situation) -> Reason:
    by_obstacle: dict[str, list[AgentView]] = {}
    for agent in situation.fleet.agents.values():
        used = situation.in_use.get(agent.id, 0)
        by_obstacle.setdefault(dispatch.obstacle_of(agent, demand, used, situation.now), []).append(agent)
    if "" in by_obstacle:
        names = _listed([agent.name for agent in by_obstacle[""]])
        return Reason("queued", f"{names} could take it; an executor will, when its turn comes.")
    if BUSY in by_obstacle:
        return _of_busy(by_obstacle[BUSY])
    if BREAKER_OPEN in by_obstacle:
        return _of_open_breakers(by_obstacle[BREAKER_OPEN], situation.now)
    by_obstacle.pop(LACKS_CAPABILITY, None)
    if by_obstacle:
        return _of_stopped([agent for agents in by_obstacle.values() for agent in agents])
    return _of_missing_capability(demand, situation.fleet)


def _of_busy(agents: Sequence[AgentView]) -> Reason:
    slots = sum(agent.slots for agent in agents)
    verb = "is busy" if len(agents) == 1 else "are busy"
    return Reason("busy", f"{_names(agents)} {verb}: all {slots} slots are in use.", _link(agents))


def _of_open_breakers(agents: Sequence[AgentView], now: datetime) -> Reason:
    probe_at = min(agent.probe_at for agent in agents if agent.probe_at is not None)
    verb = "has an open breaker" if len(agents) == 1 else "have open breakers"
    detail = f"{_names(agents)} {verb}; one call may try again at {_clock(probe_at, now)}."
    return Reason("breaker_open", detail, _link(agents))


def _of_stopped(agents: Sequence[AgentView]) -> Reason:
    words = [f"{agent.name} is {agent.status}" for agent in agents[:MOST_NAMES]]
    rest = f", and {len(agents) - MOST_NAMES} more take none either" if len(agents) > MOST_NAMES else ""
    return Reason("not_online", f"{_listed(words)}{rest}; enable one.", _link(agents))


def _of_missing_capability(demand: Demand, fleet: Fleet) -> Reason:
    known = {capability for agent in fleet.agents.values() for capability in agent.capabilities}
    missing = [need for need in demand.needs if need not in known]
    if missing:
        detail = f"No agent can do {_listed(missing)}; add one that can."
    else:
        detail = f"No single agent can do {_listed(demand.needs)} together; give one of them the others."
    return Reason("no_capability", detail, reverse("agents"))


def _link(agents: Sequence[AgentView]) -> str:
    """The one agent's page, or the list of all that can do what they have in common."""
    if len(agents) == 1:
        return registry.link("agent", str(agents[0].id)) or ""
    common = frozenset.intersection(*(agent.capabilities for agent in agents))
    return f"{reverse('agents')}?{urlencode({'capability': min(common)})}" if common else reverse("agents")


def _names(agents: Sequence[AgentView]) -> str:
    return _listed([agent.name for agent in agents])


def _listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``, ``a, b, c and 4 more``."""
    shown = [*names[:MOST_NAMES], *([f"{len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else [])]
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _clock(moment: datetime, now: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{local:%H:%M:%S}" if local.date() == timezone.localdate(now) else f"{local:%d %b %H:%M}"
