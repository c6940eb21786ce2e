"""Breakers and statistics: the only writer of AgentHealth. Everything is SQL on the shared row, so all workers agree.

A breaker opens after ``failure_threshold`` failures in a row that were the agent's own. After ``recovery_s`` seconds
one executor wins the conditional UPDATE that makes it half open, and sends one probe, which closes or reopens it. No
other follows while that one may still be answered, however long its call takes: only one that was lost is replaced.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F

from agents.models import CIRCUIT_STATES, AgentHealth, Circuit
from agents.outcomes import Fault
from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import NotFound
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role

access.grant({"agents.reset_circuit": Role.OPERATOR})

SMOOTHING = 0.05
"""Weight of one call in the averages: about the last forty calls count."""

BREAKER = Actor.system("breaker")
COUNTED = {Fault.AGENT, Fault.TIMEOUT}
MINUTE = timedelta(minutes=1)
CLOSED: dict[str, Any] = {"consecutive_failures": 0, "opened_at": None, "probe_at": None}

GIVEN = {
    "agent": "bigint",
    "ended": "integer",
    "failed": "integer",
    "kept": "double precision",
    "success": "double precision",
    "response": "double precision",
    "in_a_row": "integer",
    "kept_in_a_row": "integer",
    "error": "text",
    "this_minute": "timestamptz",
    "minute_before": "timestamptz",
    "ended_at": "timestamptz",
}
"""What a group of calls adds to its agent's row, and the types of that on PostgreSQL."""

_COUNT = """UPDATE agents_agenthealth SET
    calls = calls + {ended},
    failures = failures + {failed},
    success_rate = success_rate * {kept} + {success},
    response_s = response_s * {kept} + {response},
    consecutive_failures = {in_a_row} + consecutive_failures * {kept_in_a_row},
    last_error = CASE WHEN {failed} > 0 THEN {error} ELSE last_error END,
    calls_minute_before = CASE WHEN minute >= {this_minute} THEN calls_minute_before
        WHEN minute >= {minute_before} THEN calls_this_minute ELSE 0 END,
    calls_this_minute = CASE WHEN minute >= {this_minute} THEN calls_this_minute + {ended} ELSE {ended} END,
    minute = CASE WHEN minute >= {this_minute} THEN minute ELSE {this_minute} END,
    last_called_at = {ended_at}"""
_WHERE = " WHERE agent_id = {agent}"
_TYPES = ", ".join(f"{name} {type_}" for name, type_ in GIVEN.items())
COUNT = (_COUNT + _WHERE).format(**{name: f"%({name})s" for name in GIVEN})
COUNT_ALL = (_COUNT + f" FROM json_to_recordset(%s::json) AS given({_TYPES})" + _WHERE).format(
    **{name: f"given.{name}" for name in GIVEN}
)
LOCK = "SELECT 1 FROM agents_agenthealth WHERE agent_id = ANY(%s) ORDER BY agent_id FOR NO KEY UPDATE"


@dataclass(frozen=True, slots=True)
class Result:
    """One finished call: how long it took, whether it failed and by whose fault, and whether it was a probe."""

    agent: int
    seconds: float
    fault: Fault | None = None
    error: str = ""
    was_probe: bool = False

    @property
    def failed(self) -> bool:
        return self.fault in COUNTED

    @property
    def counts(self) -> bool:
        return self.fault is None or self.failed


def merge(results: Iterable[Result], now: datetime) -> None:
    """Count a group of results, in order, into their agents' rows; inside a unit. One statement if none failed."""
    by_agent: dict[int, list[Result]] = defaultdict(list)
    for result in results:
        by_agent[result.agent].append(result)
    if any(result.was_probe for group in by_agent.values() for result in group):
        lock(by_agent)
    counted = {
        agent: [result for result in group if result.fault in (None, *COUNTED)] for agent, group in by_agent.items()
    }
    _count({agent: group for agent, group in counted.items() if group}, now)
    for agent in sorted(by_agent):
        probes = sorted((result for result in by_agent[agent] if result.was_probe), key=_is_lost)
        if probes:
            _judge_probe(agent, probes[0], now)
    _open_if_due([agent for agent, group in counted.items() if any(result.failed for result in group)], now)


def lock(agents: Collection[int]) -> bool:
    """Lock the agents' rows in ascending order, for whoever counts their slots next; whether that took a statement."""
    if connection.vendor != "postgresql":
        return False  # an IMMEDIATE transaction is alone already
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [list(agents)])
    return True


def take_probe(agent: int, now: datetime, *, within_s: float) -> bool:
    """Whether the caller may send the one probe: exactly one of any number of callers may. Joins the open unit.

    ``within_s`` is how long its call may take; one of which nothing is heard for a lease longer than that is lost.
    """
    due = AgentHealth.objects.filter(pk=agent, probe_at__lte=now).select_related("agent")
    health = due.filter(circuit__in=[Circuit.OPEN, Circuit.HALF_OPEN]).first()
    if health is None:
        return False
    before = health.circuit
    until = now + timedelta(seconds=max(health.agent.recovery_s, within_s + settings.LEASE_S))
    with events.recording(BREAKER):
        unchanged = AgentHealth.objects.filter(pk=agent, probe_at=health.probe_at)
        if not CIRCUIT_STATES.move_all(unchanged, Circuit.HALF_OPEN, probe_at=until):
            return False
        health.refresh_from_db(fields=["circuit", "probe_at"])
        _record("CircuitHalfOpened", health, before, reason="It has rested long enough: one call may try it.")
    return True


def reset(agent_id: int, *, by: Actor, reason: str = "") -> bool:
    """Close the breaker by hand; False if it was closed already."""
    access.check(by, "agents.reset_circuit")
    with events.recording(by):
        health = AgentHealth.objects.select_for_update(no_key=True).select_related("agent").filter(pk=agent_id).first()
        if health is None:
            raise NotFound("There is no such agent; it may have been removed, so go back to the list.")
        if health.circuit == Circuit.CLOSED:
            return False
        before = health.circuit
        CIRCUIT_STATES.move(health, Circuit.CLOSED, **CLOSED)
        _record("CircuitReset", health, before, reason=reason, permission="agents.reset_circuit")
    return True


def _count(results: Mapping[int, Sequence[Result]], now: datetime) -> None:
    """Write the counts and averages of all agents at once."""
    if not results:
        return
    rows = [_given(agent, group, now) for agent, group in results.items()]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Rows are locked in ascending order first: an UPDATE takes them as they come, and two might wait for ever.
            cursor.execute(f"{LOCK}; {COUNT_ALL}", [list(results), json.dumps(rows, default=str)])
        else:
            cursor.executemany(COUNT, rows)


def _given(agent: int, results: Sequence[Result], now: datetime) -> dict[str, Any]:
    """What ``results`` add to the row of their agent: the values of :data:`GIVEN`."""
    failures = [result for result in results if result.failed]
    calls, succeeded = len(results), len(results) - len(failures)
    kept = (1 - SMOOTHING) ** calls
    minute, instant = now.replace(second=0, microsecond=0), connection.ops.adapt_datetimefield_value
    return {
        "agent": agent,
        "ended": calls,
        "failed": len(failures),
        "kept": kept,
        "success": (1 - kept) * succeeded / calls,
        "response": (1 - kept) * sum(result.seconds for result in results) / calls,
        "in_a_row": _trailing(results),
        "kept_in_a_row": 0 if succeeded else 1,
        "error": failures[-1].error[:500] if failures else "",
        "this_minute": instant(minute),
        "minute_before": instant(minute - MINUTE),
        "ended_at": instant(now),
    }


def _trailing(results: Sequence[Result]) -> int:
    count = 0
    for result in reversed(results):
        if not result.failed:
            break
        count += 1
    return count


def _open_if_due(agents: Collection[int], now: datetime) -> None:
    if not agents:
        return
    due = AgentHealth.objects.filter(
        pk__in=agents, circuit=Circuit.CLOSED, consecutive_failures__gte=F("agent__failure_threshold")
    )
    for health in due.select_related("agent").order_by("pk"):
        probe_at = now + timedelta(seconds=health.agent.recovery_s)
        if CIRCUIT_STATES.move(health, Circuit.OPEN, opened_at=now, probe_at=probe_at):
            reason = f"{health.consecutive_failures} failures in a row: {health.last_error}"
            _record("CircuitOpened", health, Circuit.CLOSED, reason=reason)


def _judge_probe(agent: int, probe: Result, now: datetime) -> None:
    """Close or reopen: an answer closes the breaker, be it that the caller was at fault. A lost probe says nothing."""
    health = AgentHealth.objects.select_related("agent").filter(pk=agent, circuit=Circuit.HALF_OPEN).first()
    if health is None:
        return
    probe_at = now + timedelta(seconds=health.agent.recovery_s)
    if _is_lost(probe):
        AgentHealth.objects.filter(pk=agent, probe_at__gt=probe_at).update(probe_at=probe_at)
    elif probe.failed:
        if CIRCUIT_STATES.move(health, Circuit.OPEN, probe_at=probe_at):
            _record("CircuitOpened", health, Circuit.HALF_OPEN, reason=f"The probe failed: {probe.error}")
    elif CIRCUIT_STATES.move(health, Circuit.CLOSED, **CLOSED):
        reason = f"The probe was answered in {probe.seconds:.1f} s."
        _record("CircuitClosed", health, Circuit.HALF_OPEN, reason=reason)


def _is_lost(result: Result) -> bool:
    return result.fault == Fault.LOST


def _record(action: str, health: AgentHealth, before: str, *, reason: str, permission: str = "") -> None:
    events.record(
        action,
        target=Ref("agent", health.pk, health.agent.name),
        before={"circuit": str(before)},
        after={"circuit": str(health.circuit), "probe_at": health.probe_at},
        reason=reason,
        permission=permission,
        actor=None if permission else BREAKER,
    )
