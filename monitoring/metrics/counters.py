"""By how much the counters of agents have grown since the last tick, so that every call counts in one tick. Reads only.

Executors add what calls took to rows of the minute in which they ended (``agents.measures``), every few seconds, and
later if the database was away. So a tick reads the sums of the last minutes, and takes off what the tick before it had
seen of the same minutes. What was seen is stored with each tick: another process goes on from there, and after a tick
that was skipped the next one has its calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from agents.models import Span as Measured
from orchestra.kernel.series import MINUTE_S
from orchestra.kernel.statements import fetch

LATE_S = 600
"""What calls took counts even if it is written so long after they ended."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Sums over calls and samples of one agent, named as the columns of AgentSample where there is one.

    All but :data:`_MEASURED` are whole numbers.
    """

    calls: float = 0
    judged: float = 0
    failed: float = 0
    timed: float = 0
    seconds: float = 0
    memory_bytes: float = 0
    memory_samples: float = 0
    cpu_percent: float = 0
    cpu_samples: float = 0
    cpu_s: float = 0
    cpu_calls: float = 0


NOTHING = Counted()
_SUMS = {
    "calls": "calls",
    "judged": "calls - failed_caller - failed_lost",
    "failed": "failed_agent + failed_timeout",
    "timed": "calls - failed_lost",
    "memory_samples": "samples",
}
"""Where a sum is not the column of the same name. What the caller did wrong, or was lost with a worker, is no judgement
of the agent, as for its breaker; how long a lost call took nobody knows."""
_MEASURED = ("seconds", "cpu_percent", "cpu_s")
_COLUMNS = ", ".join(
    f"CAST(SUM({_SUMS.get(each.name, each.name)}) AS {'double precision' if each.name in _MEASURED else 'bigint'})"
    for each in fields(Counted)
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a tick saw: the sums of each agent from the minute ``since`` on. Agents that nobody called are left out."""

    since: int
    sums: Mapping[int, Sequence[float]] = field(default_factory=dict)


def first_minute(at: int) -> int:
    """From when on a tick at ``at`` looks at minutes that may still change."""
    return at - at % MINUTE_S - LATE_S


def grown(seen: Seen | None, at: int) -> tuple[dict[int, Counted], Seen]:
    """What has been counted of each agent since ``seen``, and what is seen now, at ``at``; in one statement.

    Without anything seen before, nothing has been counted yet.
    """
    since = first_minute(at)
    start = min(seen.since, since) if seen else since
    total: dict[int, list[float]] = {}
    recent: dict[int, list[float]] = {}
    for agent, is_recent, *sums in _read(start, since):
        earlier = total.get(agent)
        total[agent] = sums if earlier is None else [one + other for one, other in zip(earlier, sums, strict=True)]
        if is_recent:
            recent[agent] = sums
    if seen is None:
        return {}, Seen(since, recent)
    known = seen.sums
    return {agent: _difference(sums, known.get(agent)) for agent, sums in total.items()}, Seen(since, recent)


def _difference(sums: Sequence[float], known: Sequence[float] | None) -> Counted:
    """Never below nothing: rows may have been removed by hand."""
    if known is None:
        return Counted(*sums)
    return Counted(*(max(0, now - before) for now, before in zip(sums, known, strict=True)))


def _read(start: int, since: int) -> list[tuple[Any, ...]]:
    """Sums of each agent, apart for the minutes before ``since`` and from there on."""
    # Materialized, or SQLite reads the whole table for the sake of its order.
    text = (
        "WITH latest AS MATERIALIZED "
        f"(SELECT * FROM agents_agentmeasure WHERE span = {int(Measured.MINUTE)} AND at >= %s) "
        f"SELECT agent_id, at >= %s, {_COLUMNS} FROM latest GROUP BY 1, 2"
    )
    edges = [connection.ops.adapt_datetimefield_value(datetime.fromtimestamp(at, UTC)) for at in (start, since)]
    (rows,) = fetch((text, edges))
    return rows
