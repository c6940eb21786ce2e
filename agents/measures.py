"""Measurements of agents: the only writer of AgentMeasure. Telemetry, so nothing here records events.

Executors observe each call in memory (``observation.py``) and write what they gathered every few seconds, all agents in
one statement that adds to the rows of their minutes: any number of processes may do so at once. Hours are added up from
minutes and days from hours, and what is older than it is worth is removed.

What ends elsewhere counts as well: whoever settles a call that a remote worker or a program answered over the API says
``measures.observe(agent, seconds, fault)`` after its commit, which writes that one call at once.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from agents.models import AgentMeasure, AgentProcess
from agents.models.measures import BUCKET_COLUMNS, SUMS, Span
from agents.observation import Minute, Tally
from agents.outcomes import Fault
from orchestra.kernel.clock import database_now
from orchestra.kernel.rollups import RolledUp
from orchestra.kernel.series import MINUTE_S

MEASURES = RolledUp(
    AgentMeasure,
    "agent_id",
    SUMS,
    {Span.MINUTE: timedelta(days=2), Span.HOUR: timedelta(days=60), Span.DAY: timedelta(days=730)},
    least=["fastest_s"],
    most=["slowest_s"],
)
SAMPLED_S = 10
"""A process is sampled so often; a figure that is older is no measurement of it any more."""


def observe(agent: int, seconds: float, fault: Fault | None = None) -> None:
    """Count one call that ended now, after ``seconds``, and write it; for calls that no executor of this process made.

    ``fault`` says whose it was that the call failed; None: it succeeded.
    """
    tally = Tally()
    tally.count(seconds, fault)
    write({(agent, int(timezone.now().timestamp() // MINUTE_S)): tally})


def write(tallies: Mapping[Minute, Tally]) -> None:
    """Add what was gathered to the rows of its minutes, all of it or nothing, in one statement."""
    MEASURES.add([_row(key, tallies[key]) for key in sorted(tallies)])


def sample_processes(now: datetime | None = None) -> int:
    """Add what the processes of agents used lately to this minute; how many were measured. Every 10 s by one caller."""
    now = now or database_now()
    fresh = AgentProcess.objects.filter(measured_at__gt=now - timedelta(seconds=SAMPLED_S)).exclude(holder="")
    minute, tallies = int(now.timestamp() // MINUTE_S), {}
    for agent, memory, cpu in fresh.values_list("agent_id", "memory_bytes", "cpu_percent"):
        tallies[agent, minute] = tally = Tally()
        tally.sample(memory, cpu)
    write(tallies)
    return len(tallies)


class Sampler:
    """Calls :func:`sample_processes` when it is due; asked every second by whoever owns the time."""

    def __init__(self) -> None:
        self._next = 0.0

    def tick(self) -> int:
        if time.monotonic() < self._next:
            return 0
        self._next = time.monotonic() + SAMPLED_S
        return sample_processes()


def roll_up(now: datetime | None = None) -> int:
    """Add minutes up to hours and hours to days; how many rows were written."""
    return MEASURES.roll_up(now)


def forget_old(now: datetime | None = None) -> int:
    """Remove rows that are older than their span is kept, after they were added up; how many."""
    return MEASURES.forget_old(now)


def _row(key: Minute, tally: Tally) -> list[Any]:
    agent, minute = key
    values = {
        "agent_id": agent,
        "span": Span.MINUTE,
        "at": MEASURES.instant(datetime.fromtimestamp(minute * MINUTE_S, UTC)),
        "calls": tally.calls,
        **{f"failed_{fault}": tally.failures.get(fault, 0) for fault in Fault},
        "seconds": tally.took.sum_s,
        "fastest_s": tally.took.fastest_s,
        "slowest_s": tally.took.slowest_s,
        "cpu_s": tally.cpu_s,
        "cpu_calls": tally.cpu_calls,
        "memory_bytes": tally.memory_bytes,
        "samples": tally.samples,
        "cpu_percent": tally.cpu_percent,
        "cpu_samples": tally.cpu_samples,
        **dict(zip(BUCKET_COLUMNS, tally.took.counts, strict=True)),
    }
    return [values[name] for name in MEASURES.columns]
