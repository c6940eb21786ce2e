"""What the agents that are free would be given of what waits in the queues, best for all beside best in turn.

Reads only, by the dispatcher's own scores and limits; pauses and limits of queues apply when steps are really claimed,
so those of paused queues are left out here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings

from agents import allocation, dispatch, snapshot
from agents.allocation import Scores
from agents.dispatch import Demand
from agents.scoring import Weights
from agents.snapshot import AgentView
from workflows import backlog, queue, queues
from workflows.backlog import Due
from workflows.models import Step

LOOKED_AT = 200
"""Steps that are planned for, from the front of the queues."""


@dataclass(frozen=True, slots=True)
class Line:
    """A waiting step, who would take it by each plan, and with which score."""

    step: Step
    agent: AgentView | None
    score: float | None
    greedy_agent: AgentView | None
    greedy_score: float | None

    @property
    def has_moved(self) -> bool:
        return self.agent != self.greedy_agent


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Both plans for the steps at the front of the queues; ``total`` and ``greedy_total`` are sums of scores."""

    lines: Sequence[Line] = ()
    total: float = 0.0
    greedy_total: float = 0.0
    served: int = 0
    greedy_served: int = 0
    free: int = 0
    """Free slots of the fleet."""
    is_all: bool = True
    """Whether nothing waits behind these steps."""
    moved: Sequence[Line] = field(default=())

    @property
    def gain_percent(self) -> float | None:
        return 100 * (self.total - self.greedy_total) / self.greedy_total if self.greedy_total else None


def of_queues(now: datetime) -> WhatIf:
    """Plan for what is due, in a constant number of queries."""
    steps, is_all = _front(now)
    fleet, in_use = snapshot.read(), queue.in_use()
    demands = [Demand(tuple(step.needs), tuple(step.prefers), step.planned_agent) for step in steps]
    scores, slots = dispatch.weigh(demands, fleet, in_use, Weights(**settings.SCORE_WEIGHTS), now)
    taken = [assigned.agent if assigned else None for assigned in allocation.assign(scores, slots)]
    simple = allocation.greedy(scores, slots)
    lines = [
        Line(step, *_who(fleet.agents, worth, mine), *_who(fleet.agents, worth, theirs))
        for step, worth, mine, theirs in zip(steps, scores, taken, simple, strict=True)
    ]
    return WhatIf(
        lines=lines,
        total=allocation.total(taken, scores, slots),
        greedy_total=allocation.total(simple, scores, slots),
        served=len(taken) - taken.count(None),
        greedy_served=len(simple) - simple.count(None),
        free=sum(slot.free for slot in slots.values()),
        is_all=is_all,
        moved=[line for line in lines if line.has_moved],
    )


def _front(now: datetime) -> tuple[list[Step], bool]:
    """The first steps of all queues that are not paused, by their rank; and whether these are all."""
    policies = queues.policies_of(backlog.names())
    going = [name for name, policy in policies.items() if not policy.paused]
    found = backlog.first(going, LOOKED_AT + 1, Due(now))
    rows = Step.objects.filter(pk__in=found).select_related("run__version__workflow")
    rows = rows.defer("input", "output", "history", "choice", "run__input", "run__output", "run__version__definition")
    steps = list(rows.order_by("rank_at", "pk")[:LOOKED_AT])
    return steps, len(found) <= LOOKED_AT


def _who(agents: Mapping[int, AgentView], worth: Scores, chosen: int | None) -> tuple[AgentView | None, float | None]:
    return (None, None) if chosen is None else (agents[chosen], worth[chosen])
