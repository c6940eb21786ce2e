"""The fleet as an executor sees it: all agents in one read, kept until its revision or its age says otherwise."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from agents import scoring
from agents.models import Agent, AgentKind, Capability

OWN_PROCESS = (AgentKind.PROCESS, AgentKind.REMOTE)
NOBODY = "nobody"
"""The holder of a process that does not run."""


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
    secrets: dict[str, Any] = field(repr=False)
    model: str
    version: str
    circuit: str
    probe_at: datetime | None
    success_rate: float
    response_s: float
    holder: str = ""
    """Who alone may claim steps for it: the executor with its pipes, or a remote worker. Empty: any executor."""
    pool: int = 0
    silent_since: datetime | None = None
    """Of a process of its own that nobody holds any more: when its lease ended."""
    opened_at: datetime | None = None
    """When its breaker was last closed, if it is not."""


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
    number, now = revision(), timezone.now()
    return Fleet(number, {agent.pk: _view(agent, now) for agent in _rows()})


def read_one(agent_id: int) -> AgentView | None:
    """One agent as it is now, in two queries; None if it is gone or a person."""
    agent = _rows().filter(pk=agent_id).first()
    return None if agent is None else _view(agent, timezone.now())


def read_some(agents: Collection[int]) -> dict[int, AgentView]:
    """Those of ``agents`` that are there and no people, by id, in two queries."""
    now = timezone.now()
    return {agent.pk: _view(agent, now) for agent in _rows().filter(pk__in=agents)}


def itself(agent_id: int) -> str:
    """What only this one agent can do, if it is a remote worker: by this it is asked for when it is tried."""
    return f"agent:{agent_id}"


def _rows() -> QuerySet[Agent]:
    return (
        Agent.objects.exclude(kind=AgentKind.HUMAN)
        .select_related("health", "process")
        .prefetch_related(Prefetch("capabilities", Capability.objects.only("agent_id", "name")))
        .order_by("pk")
    )


def _view(agent: Agent, now: datetime) -> AgentView:
    health = agent.health
    idle_s = (now - health.last_called_at).total_seconds() if health.last_called_at else None
    return AgentView(
        id=agent.pk,
        name=agent.name,
        kind=agent.kind,
        status=agent.status,
        capabilities=_abilities(agent),
        slots=agent.max_concurrency,
        config=agent.config,
        secrets=agent.secrets or {},
        model=agent.model or _model_of(agent) or agent.kind,
        version=agent.version,
        circuit=health.circuit,
        probe_at=health.probe_at,
        success_rate=scoring.faded(health.success_rate, scoring.RELIABLE, idle_s),
        response_s=scoring.faded(health.response_s, scoring.QUICK, idle_s),
        holder=_holder(agent, now),
        pool=agent.pool_id or 0,
        silent_since=_silent_since(agent, now),
        opened_at=health.opened_at,
    )


def _abilities(agent: Agent) -> frozenset[str]:
    names = frozenset(capability.name for capability in agent.capabilities.all())
    return names | {itself(agent.pk)} if agent.kind == AgentKind.REMOTE else names


def _silent_since(agent: Agent, now: datetime) -> datetime | None:
    process = getattr(agent, "process", None) if agent.kind in OWN_PROCESS else None
    ended = process.lease_expires_at if process is not None else None
    return ended if ended is not None and ended <= now else None


def _model_of(agent: Agent) -> str:
    """The language model that answers, for the audit trail."""
    return agent.config.get("model") or settings.OPENAI_MODEL if agent.kind == AgentKind.LLM else ""


def _holder(agent: Agent, now: datetime) -> str:
    """A process that nobody holds is nobody's to call."""
    if agent.kind not in OWN_PROCESS:
        return ""
    process = getattr(agent, "process", None)
    if process is None or not process.lease_expires_at or process.lease_expires_at <= now:
        return NOBODY
    return process.holder
