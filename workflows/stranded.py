"""Tasks of plans whose chosen agent cannot take them, and why. Reads only.

What passes by itself is waited for: a breaker for five minutes, a process that nobody holds for as long as a lease.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from agents import snapshot
from agents.models import AgentKind, AgentStatus, Circuit
from agents.snapshot import NOBODY, AgentView
from orchestra.kernel.clock import database_now
from workflows.models import AllocationTask, StepStatus

BREAKER_PATIENCE = timedelta(minutes=5)
"""So long a task waits for an agent whose breaker is open, before any other may take it."""
AT_ONCE = 200
"""Tasks found at one look, and released in one unit."""

Pin = tuple[int | None, str, str]
"""A chosen agent by number, which is gone with it, and name; and what is asked of it, as steps store it."""


@dataclass(frozen=True, slots=True)
class Stranded:
    """A task by its number, the run that it is, and why any agent should be able to take it."""

    task: int
    run: int | None
    why: str


class Watch:
    """Looks for stranded tasks, and remembers from one look to the next since when nobody holds a process."""

    def __init__(self) -> None:
        self._unheld: dict[int, datetime] = {}

    def look(self) -> list[Stranded]:
        """The first of them; one query while nothing waits for its chosen agent, two more while nothing is stranded."""
        waiting = AllocationTask.objects.filter(outcome="", released="", run__steps__status=StepStatus.READY)
        pins: set[Pin] = set(waiting.order_by().values_list("agent", "agent_name", "run__steps__demand").distinct())
        whys = self._whys(pins) if pins else {}
        found: list[Stranded] = []
        for (agent, name, demand), why in sorted(whys.items(), key=lambda each: each[0][1:]):
            alike = waiting.filter(agent_name=name, agent=agent, run__steps__demand=demand)
            rows = alike.order_by("pk").values_list("pk", "run")[: AT_ONCE - len(found)]
            found += [Stranded(task, run, why) for task, run in rows]
            if len(found) == AT_ONCE:
                break
        return found

    def _whys(self, pins: Collection[Pin]) -> dict[Pin, str]:
        now = database_now()
        agents = snapshot.read_some({agent for agent, _, _ in pins if agent is not None})
        unheld = [agent.id for agent in agents.values() if agent.holder == NOBODY]
        self._unheld = {agent: self._unheld.get(agent, now) for agent in unheld}
        whys = {pin: self._why(pin, agents.get(pin[0] or 0), now) for pin in pins}
        return {pin: why for pin, why in whys.items() if why}

    def _why(self, pin: Pin, agent: AgentView | None, now: datetime) -> str:
        _, name, demand = pin
        if agent is None:
            return f"{name} was removed."
        if agent.status != AgentStatus.ONLINE:
            return f"{name} is {agent.status}."
        if missing := sorted(set(json.loads(demand)[0]) - agent.capabilities):
            return f"{name} can no longer do {', '.join(missing)}."
        if agent.circuit != Circuit.CLOSED and agent.opened_at and agent.opened_at + BREAKER_PATIENCE <= now:
            return f"The breaker of {name} has not closed for {BREAKER_PATIENCE.seconds // 60} minutes."
        if agent.holder == NOBODY and self._unheld[agent.id] + timedelta(seconds=settings.LEASE_S) <= now:
            what = "worker" if agent.kind == AgentKind.REMOTE else "process"
            return f"The {what} of {name} has not been running for {settings.LEASE_S:g} seconds."
        return ""
