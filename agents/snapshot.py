"""The fleet as an executor sees it: all agents in one read, kept until its revision or its age says otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Prefetch

from agents.models import Agent, AgentKind, Capability


@dataclass(frozen=True, slots=True)
class AgentView:
    """What choosing and calling an agent needs of it."""

    id: int
    name: str
    kind: str
    status: str
    capabilities: frozenset[str]
    slots: int
    config: dict[str, Any]
    secrets: dict[str, Any]
    model: str
    version: str
    circuit: str
    probe_at: datetime | None
    success_rate: float
    response_s: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """All agents that may be called by an executor, by id, as of ``revision``."""

    revision: int
    agents: Mapping[int, AgentView]


def revision() -> int:
    """The number that every change of the fleet raises."""
    with connection.cursor() as cursor:  # asked at every turn of every executor
        cursor.execute("SELECT number FROM agents_fleetrevision")
        row = cursor.fetchone()
    return row[0] if row else 0


def read() -> Fleet:
    """Read the fleet in two queries. People are not in it: their steps wait to be claimed."""
    number = revision()
    rows = (
        Agent.objects.exclude(kind=AgentKind.HUMAN)
        .select_related("health")
        .prefetch_related(Prefetch("capabilities", Capability.objects.only("agent_id", "name")))
        .order_by("pk")
    )
    return Fleet(number, {agent.pk: _view(agent) for agent in rows})


def _view(agent: Agent) -> AgentView:
    health = agent.health
    return AgentView(
        id=agent.pk,
        name=agent.name,
        kind=agent.kind,
        status=agent.status,
        capabilities=frozenset(capability.name for capability in agent.capabilities.all()),
        slots=agent.max_concurrency,
        config=agent.config,
        secrets=agent.secrets or {},
        model=agent.model or agent.kind,
        version=agent.version,
        circuit=health.circuit,
        probe_at=health.probe_at,
        success_rate=health.success_rate,
        response_s=health.response_s,
    )
