"""Chooses agents for a batch of steps: scores every feasible pair, solves the batch, and says why.

Reads only: ``fleet`` is a snapshot, ``in_use`` what the caller counted from unexpired leases.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agents import allocation, scoring
from agents.allocation import Scores, Slots
from agents.models import AgentKind, AgentStatus, Circuit
from agents.scoring import Parts, Weights
from agents.snapshot import NOBODY, AgentView, Fleet

MAX_CANDIDATES = 10
MAX_OBSTACLES = 5

LACKS_CAPABILITY, BREAKER_OPEN, BUSY = "lacks_capability", "breaker_open", "busy"
NOT_RUNNING, HELD_ELSEWHERE, NOT_CHOSEN = "not_running", "held_elsewhere", "not_the_chosen"
"""Why an agent cannot take a step; further codes are ``is_`` and a status, for example ``is_draining``."""

PULLED = "its worker asked"
"""Why a remote worker was chosen: it claims for itself, so nobody else could have been."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a step asks of its agent. Steps that ask the same are scored once."""

    needs: tuple[str, ...]
    prefers: tuple[str, ...] = ()
    agent: int = 0
    """The only agent that may take it, where a plan has settled that; 0: any."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The agent for one step, or None with the reasons in ``explanation`` (what the step's page shows)."""

    agent: AgentView | None
    explanation: dict[str, Any]
    is_probe: bool = False


@dataclass(slots=True)
class _Rated:
    scores: dict[int, float] = field(default_factory=dict)
    candidates: list[dict[str, Any]] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)
    obstacles: list[dict[str, Any]] = field(default_factory=list)

    def exclude(self, agent: AgentView, obstacle: str) -> None:
        """Count the agent by its obstacle, and name it if it could do the step but for that."""
        self.excluded[obstacle] += 1
        if obstacle not in (LACKS_CAPABILITY, NOT_CHOSEN) and len(self.obstacles) < MAX_OBSTACLES:
            until = {"until": agent.probe_at.isoformat()} if obstacle == BREAKER_OPEN and agent.probe_at else {}
            self.obstacles.append({"agent": agent.name, "reason": obstacle, **until})


def choose(  # noqa: PLR0913  what the choice is made on
    demands: Sequence[Demand],
    fleet: Fleet,
    in_use: Mapping[int, int],
    weights: Weights,
    now: datetime,
    *,
    caller: str = "",
) -> list[Choice]:
    """A choice for each demand, in order; earlier demands come first where slots are short.

    ``caller`` is who will make the calls: agents that somebody else holds are not for it.
    """
    rated = {demand: _rate(demand, fleet, in_use, weights, now, caller) for demand in dict.fromkeys(demands)}
    slots = {agent.id: _slots(agent, in_use, weights) for agent in fleet.agents.values()}
    assigned = allocation.assign([rated[demand].scores for demand in demands], slots)
    return [_choice(rated[demand], fleet, taken) for demand, taken in zip(demands, assigned, strict=True)]


def weigh(
    demands: Sequence[Demand], fleet: Fleet, in_use: Mapping[int, int], weights: Weights, now: datetime
) -> tuple[list[Scores], dict[int, Slots]]:
    """What each demand is worth on each agent that could take it, whoever calls that, and the agents' free slots."""
    scores = {
        demand: {
            agent.id: score(agent, demand, in_use, weights).total
            for agent in fleet.agents.values()
            if not obstacle_of(agent, demand, in_use.get(agent.id, 0), now)
        }
        for demand in dict.fromkeys(demands)
    }
    slots = {agent.id: _slots(agent, in_use, weights) for agent in fleet.agents.values()}
    return [scores[demand] for demand in demands], slots


def score(agent: AgentView, demand: Demand, in_use: Mapping[int, int], weights: Weights) -> Parts:
    return scoring.score(
        weights,
        match_share=scoring.match(agent.capabilities, demand.needs, demand.prefers),
        success_rate=agent.success_rate,
        response_s=agent.response_s,
        free_share=scoring.availability(in_use.get(agent.id, 0), agent.slots),
    )


def _rate(  # noqa: PLR0913, PLR0917  as choose has them
    demand: Demand, fleet: Fleet, in_use: Mapping[int, int], weights: Weights, now: datetime, caller: str
) -> _Rated:
    rated = _Rated()
    for agent in fleet.agents.values():
        obstacle = obstacle_of(agent, demand, in_use.get(agent.id, 0), now)
        if not obstacle and agent.holder and agent.holder != caller:
            obstacle = HELD_ELSEWHERE
        if obstacle:
            rated.exclude(agent, obstacle)
            continue
        parts = score(agent, demand, in_use, weights)
        rated.scores[agent.id] = parts.total
        rated.candidates.append({"agent": agent.name, "score": round(parts.total, 4), "parts": parts.as_dict()})
    rated.candidates.sort(key=lambda candidate: -candidate["score"])
    del rated.candidates[MAX_CANDIDATES:]
    return rated


def obstacle_of(agent: AgentView, demand: Demand, in_use: int, now: datetime) -> str:
    """Why ``agent`` cannot take a step that asks ``demand``: a code, or nothing. Hard limits, the cheapest first."""
    if demand.agent and agent.id != demand.agent:
        return NOT_CHOSEN
    if not agent.capabilities.issuperset(demand.needs):
        return LACKS_CAPABILITY
    if agent.status != AgentStatus.ONLINE:
        return f"is_{agent.status}"
    if agent.holder == NOBODY:
        return NOT_RUNNING
    if agent.circuit != Circuit.CLOSED and not awaits_probe(agent, now):
        return BREAKER_OPEN
    if in_use >= agent.slots:
        return BUSY
    return ""


def awaits_probe(agent: AgentView, now: datetime) -> bool:
    """Whether the next call of ``agent`` is to be its probe."""
    return agent.circuit != Circuit.CLOSED and agent.probe_at is not None and agent.probe_at <= now


def _slots(agent: AgentView, in_use: Mapping[int, int], weights: Weights) -> Slots:
    free = max(0, agent.slots - in_use.get(agent.id, 0))
    if agent.circuit != Circuit.CLOSED:
        free = min(free, 1)
    return Slots(free, weights.availability / agent.slots)


def _choice(rated: _Rated, fleet: Fleet, taken: allocation.Assigned | None) -> Choice:
    explanation: dict[str, Any] = {
        "candidates": rated.candidates,
        "excluded": dict(rated.excluded),
        "obstacles": rated.obstacles,
    }
    if taken is None:
        return Choice(None, explanation)
    agent = fleet.agents[taken.agent]
    because = "best score" if taken.is_best else "best for the batch"
    explanation |= {"chosen": agent.name, "because": PULLED if agent.kind == AgentKind.REMOTE else because}
    return Choice(agent, explanation, is_probe=agent.circuit != Circuit.CLOSED)
