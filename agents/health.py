"""Breakers and statistics: the only writer of AgentHealth. Everything is SQL on the shared row, so all workers agree.

A breaker opens after ``failure_threshold`` failures in a row that were the agent's own. After ``recovery_s`` seconds
one executor wins the conditional UPDATE that makes it half open, and sends one probe, which closes or reopens it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Case, F, Value, When
from django.db.models.functions import Greatest

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


def merge(results: Iterable[Result], now: datetime) -> None:
    """Count a group of results, in order, into their agents' rows; inside a unit, agents in ascending order."""
    by_agent: dict[int, list[Result]] = defaultdict(list)
    for result in results:
        by_agent[result.agent].append(result)
    for agent in sorted(by_agent):
        _merge_one(agent, by_agent[agent], now)


def lock(agents: Collection[int]) -> bool:
    """Lock the agents' rows in ascending order, for whoever counts their slots next; whether that took a statement."""
    if connection.vendor != "postgresql":
        return False  # an IMMEDIATE transaction is alone already
    rows = AgentHealth.objects.filter(pk__in=agents).order_by("pk").select_for_update(no_key=True)
    return bool(list(rows.values_list("pk", flat=True)))


def take_probe(agent: int, now: datetime) -> bool:
    """Whether the caller may send the one probe: exactly one of any number of callers may. Joins the open unit."""
    due = AgentHealth.objects.filter(pk=agent, probe_at__lte=now).select_related("agent")
    health = due.filter(circuit__in=[Circuit.OPEN, Circuit.HALF_OPEN]).first()
    if health is None:
        return False
    before, until = health.circuit, now + timedelta(seconds=health.agent.recovery_s)
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
        health = AgentHealth.objects.select_for_update().select_related("agent").filter(pk=agent_id).first()
        if health is None:
            raise NotFound("There is no such agent; it may have been removed, so go back to the list.")
        if health.circuit == Circuit.CLOSED:
            return False
        before = health.circuit
        CIRCUIT_STATES.move(health, Circuit.CLOSED, **CLOSED)
        _record("CircuitReset", health, before, reason=reason, permission="agents.reset_circuit")
    return True


def _merge_one(agent: int, results: Sequence[Result], now: datetime) -> None:
    counted = [result for result in results if result.fault in (None, *COUNTED)]
    if counted:
        AgentHealth.objects.filter(pk=agent).update(**_statistics(counted), **_throughput(len(counted), now))
    probe = next((result for result in results if result.was_probe and result.fault != Fault.LOST), None)
    if probe is not None:
        _judge_probe(agent, probe, now)
    if any(result.failed for result in counted):
        _open_if_due(agent, now)


def _statistics(results: Sequence[Result]) -> dict[str, Any]:
    """The averages and counts after ``results``, as expressions over the row."""
    failures = [result for result in results if result.failed]
    succeeded = len(results) - len(failures)
    kept = (1 - SMOOTHING) ** len(results)
    mean_s = sum(result.seconds for result in results) / len(results)
    changes = {
        "calls": F("calls") + len(results),
        "failures": F("failures") + len(failures),
        "success_rate": F("success_rate") * Value(kept) + Value((1 - kept) * succeeded / len(results)),
        "response_s": F("response_s") * Value(kept) + Value((1 - kept) * mean_s),
        "consecutive_failures": _trailing(results) + (0 if succeeded else F("consecutive_failures")),
    }
    return changes | ({"last_error": failures[-1].error[:500]} if failures else {})


def _throughput(calls: int, now: datetime) -> dict[str, Any]:
    """The calls of this minute and of the one before it; a group that comes late counts in the newest minute."""
    minute = now.replace(second=0, microsecond=0)
    this, before = F("calls_this_minute"), F("calls_minute_before")
    return {
        "calls_this_minute": Case(When(minute__gte=minute, then=this + calls), default=calls),
        "calls_minute_before": Case(
            When(minute__gte=minute, then=before), When(minute__gte=minute - MINUTE, then=this), default=0
        ),
        "minute": Greatest("minute", Value(minute)),
        "last_called_at": now,
    }


def _trailing(results: Sequence[Result]) -> int:
    count = 0
    for result in reversed(results):
        if not result.failed:
            break
        count += 1
    return count


def _open_if_due(agent: int, now: datetime) -> None:
    due = AgentHealth.objects.filter(
        pk=agent, circuit=Circuit.CLOSED, consecutive_failures__gte=F("agent__failure_threshold")
    )
    health = due.select_related("agent").first()
    if health is None:
        return
    probe_at = now + timedelta(seconds=health.agent.recovery_s)
    if CIRCUIT_STATES.move(health, Circuit.OPEN, opened_at=now, probe_at=probe_at):
        reason = f"{health.consecutive_failures} failures in a row: {health.last_error}"
        _record("CircuitOpened", health, Circuit.CLOSED, reason=reason)


def _judge_probe(agent: int, probe: Result, now: datetime) -> None:
    """Close or reopen: an answer closes the breaker, be it that the caller was at fault."""
    health = AgentHealth.objects.select_related("agent").filter(pk=agent, circuit=Circuit.HALF_OPEN).first()
    if health is None:
        return
    if probe.failed:
        probe_at = now + timedelta(seconds=health.agent.recovery_s)
        if CIRCUIT_STATES.move(health, Circuit.OPEN, opened_at=now, probe_at=probe_at):
            _record("CircuitOpened", health, Circuit.HALF_OPEN, reason=f"The probe failed: {probe.error}")
    elif CIRCUIT_STATES.move(health, Circuit.CLOSED, **CLOSED):
        reason = f"The probe was answered in {probe.seconds:.1f} s."
        _record("CircuitClosed", health, Circuit.HALF_OPEN, reason=reason)


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
