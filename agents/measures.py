"""Measurements of agents: the only writer of AgentMeasure. Telemetry, so nothing here records events.

Executors observe each call in memory (``observation.py``) and write what they gathered every few seconds, all agents in
one statement that adds to the rows of their minutes: any number of processes may do so at once. Hours are added up from
minutes and days from hours, and what is older than it is worth is removed.

What ends elsewhere counts as well: whoever settles a call that a remote worker or a program answered over the API says
``measures.observe(agent, seconds, fault)`` after its commit, which writes that one call at once.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from agents.models import AgentMeasure, AgentProcess
from agents.models.measures import BUCKET_COLUMNS, SUMS, Span
from agents.observation import Minute, Tally
from agents.outcomes import Fault
from orchestra.kernel import right_of_way, series
from orchestra.kernel.clock import database_now
from orchestra.kernel.series import MINUTE_S

TABLE = "agents_agentmeasure"
KEY = ("agent_id", "span", "at")
EXTREMES = ("fastest_s", "slowest_s")
COLUMNS = (*KEY, *EXTREMES, *SUMS)
ROWS_AT_ONCE = 400
"""Both databases take at most some 32,000 values in a statement."""
KEPT_FOR = {
    Span.MINUTE: timedelta(days=2),
    Span.HOUR: timedelta(days=60),
    Span.DAY: timedelta(days=730),
}
FINER = {Span.HOUR: Span.MINUTE, Span.DAY: Span.HOUR}
REMOVED_AT_ONCE = 5_000
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
    """Add what was gathered to the rows of its minutes, all of it or nothing; up to 400 of them in one statement."""
    rows = [_row(key, tallies[key]) for key in sorted(tallies)]  # in one order, so that two writers never deadlock
    if not rows:
        return
    parts = [rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE)]
    with right_of_way.announced(), transaction.atomic() if len(parts) > 1 else nullcontext():
        for part in parts:
            _add(part)


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
    """Add minutes up to hours and hours to days, anew as far back as there are any; how many rows were written.

    Harmless again and beside another caller: what is written is the sum, not an addition.
    """
    now = now or timezone.now()
    return sum(_roll_up(span, since) for span, since in _unsettled(now))


def forget_old(now: datetime | None = None) -> int:
    """Remove rows that are older than their span is kept, after they were added up; how many."""
    now = now or timezone.now()
    roll_up(now)
    return sum(_forget(span, now - kept) for span, kept in KEPT_FOR.items())


def _row(key: Minute, tally: Tally) -> list[Any]:
    agent, minute = key
    values = {
        "agent_id": agent,
        "span": Span.MINUTE,
        "at": connection.ops.adapt_datetimefield_value(datetime.fromtimestamp(minute * MINUTE_S, UTC)),
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
    return [values[name] for name in COLUMNS]


def _add(rows: Sequence[Sequence[Any]]) -> None:
    placeholders = ", ".join([f"({', '.join(['%s'] * len(COLUMNS))})"] * len(rows))
    least, most = ("LEAST", "GREATEST") if connection.vendor == "postgresql" else ("MIN", "MAX")
    changes = [f"{name} = {TABLE}.{name} + excluded.{name}" for name in SUMS]
    for name, choose in zip(EXTREMES, (least, most), strict=True):
        ours, theirs = f"{TABLE}.{name}", f"excluded.{name}"
        changes.append(f"{name} = {choose}(COALESCE({ours}, {theirs}), COALESCE({theirs}, {ours}))")
    statement = f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES {placeholders} {_on_conflict(changes)}"
    with connection.cursor() as cursor:
        cursor.execute(statement, [value for row in rows for value in row])


def _on_conflict(changes: Iterable[str]) -> str:
    return f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET {', '.join(changes)}"


def _unsettled(now: datetime) -> Iterator[tuple[Span, datetime]]:
    """The coarser spans, and from when on their rows may not have all that the finer ones have."""
    for span, finer in FINER.items():
        last = AgentMeasure.objects.filter(span=span).order_by("-at").values_list("at", flat=True).first()
        oldest = series.floor(now - KEPT_FOR[finer], span) + timedelta(seconds=span)  # begun before: some are removed
        yield span, max(oldest, last - timedelta(seconds=span)) if last else oldest


def _roll_up(span: Span, since: datetime) -> int:
    """Sum up the finer rows from ``since`` on, which is the beginning of a span, into rows of ``span``."""
    begins = _BEGINS[connection.vendor][span]
    sums = [f"SUM({name})" for name in SUMS]
    read = ["agent_id", str(int(span)), begins, "MIN(fastest_s)", "MAX(slowest_s)", *sums]
    statement = (
        f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) SELECT {', '.join(read)} FROM {TABLE} "
        f"WHERE span = {int(FINER[span])} AND at >= %s GROUP BY agent_id, {begins} ORDER BY 1, 3 "
        + _on_conflict(f"{name} = excluded.{name}" for name in (*EXTREMES, *SUMS))
    )
    with right_of_way.announced(), connection.cursor() as cursor:
        cursor.execute(statement, [connection.ops.adapt_datetimefield_value(since)])
        return cursor.rowcount


_BEGINS = {
    "sqlite": {
        Span.HOUR: "substr(at, 1, 13) || ':00:00'",
        Span.DAY: "substr(at, 1, 10) || ' 00:00:00'",
    },
    "postgresql": {
        Span.HOUR: "date_trunc('hour', at, 'UTC')",
        Span.DAY: "date_trunc('day', at, 'UTC')",
    },
}
"""When the span of a row begins, in the form in which the database keeps instants."""


def _forget(span: Span, before: datetime) -> int:
    total, removed = 0, REMOVED_AT_ONCE
    while removed == REMOVED_AT_ONCE:
        old = AgentMeasure.objects.filter(span=span, at__lt=before).order_by("at").values_list("pk", flat=True)
        with right_of_way.announced():
            removed, _ = AgentMeasure.objects.filter(pk__in=list(old[:REMOVED_AT_ONCE])).delete()
        total += removed
    return total
