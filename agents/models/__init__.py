"""The tables of the fleet. Each module says who writes its own."""

from agents.models.fleet import (
    AGENT_STATES,
    CIRCUIT_STATES,
    Agent,
    AgentHealth,
    AgentKind,
    AgentProcess,
    AgentStatus,
    Capability,
    Circuit,
    FleetRevision,
)
from agents.models.measures import AgentMeasure, Span
from agents.models.pools import Decided, Pool, PoolDecision, PoolKind, PoolSample
from agents.models.resources import (
    OPEN_RESERVATION,
    RESERVATION_STATES,
    HolderKind,
    Reservation,
    ReservationLine,
    ReservationStatus,
    Resource,
)
from agents.models.spending import ModelCall, SpendingDay

__all__ = [
    "AGENT_STATES",
    "CIRCUIT_STATES",
    "OPEN_RESERVATION",
    "RESERVATION_STATES",
    "Agent",
    "AgentHealth",
    "AgentKind",
    "AgentMeasure",
    "AgentProcess",
    "AgentStatus",
    "Capability",
    "Circuit",
    "Decided",
    "FleetRevision",
    "HolderKind",
    "ModelCall",
    "Pool",
    "PoolDecision",
    "PoolKind",
    "PoolSample",
    "Reservation",
    "ReservationLine",
    "ReservationStatus",
    "Resource",
    "Span",
    "SpendingDay",
]
