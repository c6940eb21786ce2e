"""Who holds the process of an agent, and what it uses: the only writer of AgentProcess. Telemetry, without events.

A holder is an executor that has the pipes of a process, or a remote worker. It holds by a lease: exactly one of any
number that reach for a process at once gets it, and another may once it was released or the lease has expired. Expiry
is judged by the database's clock. None of this changes the fleet's revision: whoever wants executors to see at once
that an agent can be called raises it (``fleet.raise_revision``).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Case, F, QuerySet, Value, When

from agents.models import AgentProcess
from orchestra.kernel import right_of_way
from orchestra.kernel.clock import database_now
from orchestra.kernel.statements import fetch

LONGEST = 500
"""Characters of a sentence on how a process ended."""
TAKE = """
INSERT INTO agents_agentprocess (agent_id, holder, lease_expires_at, host, pid, restarts, last_exit)
SELECT id, %s, %s, %s, %s, 0, '' FROM agents_agent WHERE id {in} ORDER BY id
ON CONFLICT (agent_id) DO UPDATE SET
    holder = excluded.holder, lease_expires_at = excluded.lease_expires_at, host = excluded.host, pid = excluded.pid,
    started_at = NULL, memory_bytes = NULL, cpu_percent = NULL, measured_at = NULL
WHERE agents_agentprocess.holder IN ('', excluded.holder) OR agents_agentprocess.lease_expires_at <= %s
RETURNING agent_id
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a process used when it was measured: ``cpu_percent`` is 100 for one processor that was busy all the time."""

    memory_bytes: int | None = None
    cpu_percent: float | None = None


def hold(agent: int, holder: str, host: str, pid: int | None = None, *, for_s: float | None = None) -> bool:
    """Take the process of ``agent`` and say that it runs; False while somebody else holds it.

    ``for_s`` is how long the lease lasts unless it is renewed, ``LEASE_S`` if it is not given.
    """
    return bool(take([agent], holder, host, for_s=for_s)) and started(agent, holder, pid)


def take(agents: Collection[int], holder: str, host: str, *, for_s: float | None = None) -> set[int]:
    """Take the processes of those of ``agents`` that nobody holds, before they are started; in one statement."""
    if not agents:
        return set()
    now = database_now()
    try:
        with right_of_way.announced():
            (rows,) = fetch((TAKE, [holder, _end(now, for_s), host, None, agents, now]))
    except IntegrityError:  # one of them is being removed this instant
        return set()
    return {agent for (agent,) in rows}


def started(agent: int, holder: str, pid: int | None) -> bool:
    """Say that the process which ``holder`` took runs; False if it holds it no more."""
    return _change(_held(holder).filter(agent_id=agent), pid=pid, started_at=database_now()) == 1


def ended(agent: int, holder: str, how: str) -> bool:
    """Say that the process ended by itself and in which way; its holder keeps it, to start it anew."""
    nothing = {"pid": None, "memory_bytes": None, "cpu_percent": None, "measured_at": None}
    held = _held(holder).filter(agent_id=agent)
    return _change(held, restarts=F("restarts") + 1, last_exit=how[:LONGEST], **nothing) == 1


def renew(holder: str, figures: Mapping[int, Figures] | None = None, *, for_s: float | None = None) -> int:
    """Renew all leases of ``holder`` and store what was measured, by agent, in one UPDATE; returns how many it holds.

    A lease that has expired is renewed too, as long as nobody else has taken it.
    """
    now = database_now()
    changes: dict[str, Any] = {"lease_expires_at": _end(now, for_s)}
    if figures:
        for name in ("memory_bytes", "cpu_percent"):
            column: Any = AgentProcess._meta.get_field(name)
            known = [When(agent_id=agent, then=Value(getattr(each, name), column)) for agent, each in figures.items()]
            changes[name] = Case(*known, default=F(name))
        changes["measured_at"] = Case(When(agent_id__in=list(figures), then=Value(now)), default=F("measured_at"))
    return _change(_held(holder), **changes)


def keep(agent: int, holder: str) -> bool:
    """Whether ``holder`` has the process of ``agent``; until the open transaction ends nobody can take it then."""
    held = _held(holder).filter(agent_id=agent)
    return held.select_for_update(no_key=True).values_list("agent_id", flat=True).first() is not None


def held_by(holder: str) -> set[int]:
    """The agents whose processes ``holder`` has, by the database."""
    return set(_held(holder).values_list("agent_id", flat=True))


def release(holder: str, agents: Collection[int] | None = None) -> int:
    """Give back all that ``holder`` has, or the processes of ``agents`` only; others may take them at once."""
    held = _held(holder) if agents is None else _held(holder).filter(agent_id__in=agents)
    nothing = {"pid": None, "started_at": None, "memory_bytes": None, "cpu_percent": None, "measured_at": None}
    return _change(held, holder="", lease_expires_at=None, **nothing)


def _held(holder: str) -> QuerySet[AgentProcess]:
    return AgentProcess.objects.filter(holder=holder)


def _change(rows: QuerySet[AgentProcess], **changes: Any) -> int:
    with right_of_way.announced():
        return rows.update(**changes)


def _end(now: datetime, for_s: float | None) -> datetime:
    return now + timedelta(seconds=settings.LEASE_S if for_s is None else for_s)
