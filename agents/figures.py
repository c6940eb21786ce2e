"""What the measurements say: series of an agent's metrics, and the last hour of many agents in one query. Reads only.

Every figure comes from real calls and real samples; where there were none there is none.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from agents.models import Agent, AgentKind
from agents.models.measures import BUCKET_COLUMNS, COUNTS, Span
from agents.observation import Tally
from agents.outcomes import Fault
from orchestra.kernel import series
from orchestra.kernel.series import DAY_S, HOUR_S, Histogram, Steps
from orchestra.kernel.statements import fetch

HOUR = timedelta(hours=1)
RECENT_STEP_S = 300
FRESH_S = 60.0
"""What a process was last measured to use counts as its present use for so long."""
LEAST_STEPS = ((timedelta(days=2), Span.MINUTE), (timedelta(days=60), Span.HOUR), (timedelta(days=730), Span.DAY))
"""How far back steps may be as short as that; as long as ``measures`` keeps the rows."""
MINUTES_FOR = timedelta(days=1)
HOURS_FOR = timedelta(days=7)
"""Of longer steps the last day is read from minutes and the last week from hours: what is newer is not added up yet."""

Courses = Mapping[int, Sequence[Tally]]
"""For each agent, what was measured in each step."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of an agent: its ``unit`` as of ``charts.UNITS``, and how it is read from what a step has measured.

    ``value(tally, elapsed_s)`` is given the seconds of the step that are over; None: there is no such figure.
    """

    label: str
    unit: str
    value: Callable[[Tally, float], float | None]


def _percentile(part: float) -> Callable[[Tally, float], float | None]:
    def value(tally: Tally, _: float) -> float | None:
        found = tally.took.percentile(part)
        return None if found is None else found.value

    return value


def _error_rate(tally: Tally, _: float) -> float | None:
    """Failures by the agent's own fault or silence, of the calls that say anything about it: as its breaker counts."""
    failed = tally.failures.get(Fault.AGENT, 0) + tally.failures.get(Fault.TIMEOUT, 0)
    others = tally.failures.get(Fault.CALLER, 0) + tally.failures.get(Fault.LOST, 0)
    return series.share(failed, tally.calls - others)


def _success_rate(tally: Tally, elapsed_s: float) -> float | None:
    failed = _error_rate(tally, elapsed_s)
    return None if failed is None else 1 - failed


def _cpu_percent(tally: Tally, elapsed_s: float) -> float | None:
    """Of its own process as sampled; else what its calls' threads used of one processor in the time that is over."""
    if tally.cpu_samples:
        return tally.cpu_percent / tally.cpu_samples
    return 100 * tally.cpu_s / elapsed_s if tally.cpu_calls and elapsed_s else None


METRICS = {
    "response_p50": Metric("p50", "seconds", _percentile(0.5)),
    "response_p95": Metric("p95", "seconds", _percentile(0.95)),
    "response_avg": Metric("Average", "seconds", lambda tally, _: tally.took.average),
    "throughput": Metric("Calls a minute", "count", lambda tally, elapsed_s: series.per_minute(tally.calls, elapsed_s)),
    "error_rate": Metric("Errors", "share", _error_rate),
    "success_rate": Metric("Success", "share", _success_rate),
    "calls": Metric("Calls", "count", lambda tally, _: tally.calls),
    "memory_bytes": Metric("Memory", "bytes", lambda tally, _: series.share(tally.memory_bytes, tally.samples)),
    "cpu_percent": Metric("Processor", "percent", _cpu_percent),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What some agents were measured to do in ``steps``, as of ``now``."""

    steps: Steps
    now: datetime
    courses: Courses

    def values(self, agent: int, metric: str) -> list[float | None]:
        """The course of one metric; a step that has not begun has no value."""
        value, tallies = METRICS[metric].value, self.courses[agent]
        elapsed = [self.steps.elapsed_s(index, self.now) for index in range(self.steps.count)]
        return [value(tally, over) if over else None for tally, over in zip(tallies, elapsed, strict=True)]

    def total(self, agent: int) -> Tally:
        """All steps as one."""
        return _sum(self.courses[agent])

    @property
    def elapsed_s(self) -> float:
        """How much of the steps is over."""
        return max(0.0, min((self.now - self.steps.start).total_seconds(), self.steps.count * self.steps.step_s))


@dataclass(frozen=True, slots=True)
class Usage:
    """What an agent uses at present; ``measured_of``: its own ``process``, or the ``worker`` that it runs in."""

    memory_bytes: int | None = None
    cpu_percent: float | None = None
    measured_of: str | None = None


@dataclass(frozen=True, slots=True)
class Recent:
    """An agent's last hour, for lists: courses of its response and success (oldest first), percentiles, usage."""

    took: Histogram = field(default_factory=Histogram)
    calls: int = 0
    responses: Sequence[float] = ()
    successes: Sequence[float] = ()
    usage: Usage = field(default_factory=Usage)

    success_rate: float | None = None

    @property
    def p50(self) -> float | None:
        found = self.took.percentile(0.5)
        return None if found is None else found.value

    @property
    def p95(self) -> float | None:
        found = self.took.percentile(0.95)
        return None if found is None else found.value


def measured(agents: Collection[int], steps: Steps, now: datetime | None = None) -> Measured:
    """What ``agents`` were measured to do in each of ``steps``; one query. Calls were timed by the workers' clocks."""
    now = now or timezone.now()
    empty: dict[int, list[Tally]] = {agent: [Tally() for _ in range(steps.count)] for agent in agents}
    first = int(steps.start.timestamp()) // steps.step_s
    for agent, number, *sums in _read(agents, steps, now):
        empty[agent][int(number) - first] = _tally(sums)
    return Measured(steps, now, empty)


def least_step_s(since: datetime, now: datetime) -> int:
    """How long the steps from ``since`` on must be at least, by what is still kept of that time."""
    return next((int(span) for kept, span in LEAST_STEPS if since >= now - kept), DAY_S)


def with_recent(agents: Iterable[Agent]) -> list[Agent]:
    """The same agents with ``recent`` filled in, in one query; their ``process`` should be joined."""
    loaded, now = list(agents), timezone.now()
    steps = series.steps_between(now - HOUR, now, step_s=RECENT_STEP_S)
    found = measured([agent.pk for agent in loaded], steps, now) if loaded else None
    for agent in loaded:
        assert found is not None
        agent.recent = _recent(agent, found)
    return loaded


def _recent(agent: Agent, found: Measured) -> Recent:
    whole = found.total(agent.pk)
    return Recent(
        took=whole.took,
        calls=whole.calls,
        responses=_carried(found.values(agent.pk, "response_avg")),
        successes=_carried(found.values(agent.pk, "success_rate")),
        usage=_usage(agent, found),
        success_rate=_success_rate(whole, found.elapsed_s),
    )


def _usage(agent: Agent, found: Measured) -> Usage:
    if agent.kind in (AgentKind.PROCESS, AgentKind.REMOTE):
        process = getattr(agent, "process", None)
        if process is None or not process.measured_at or (found.now - process.measured_at).total_seconds() > FRESH_S:
            return Usage()
        return Usage(process.memory_bytes, process.cpu_percent, "process")
    tallies = found.courses[agent.pk]
    last = _sum(tallies[-2:])
    if not last.samples:
        return Usage()
    elapsed_s = found.steps.step_s + found.steps.elapsed_s(found.steps.count - 1, found.now)
    return Usage(last.memory_bytes // last.samples, _cpu_percent(last, elapsed_s), "worker")


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.merge(tally)
    return total


def _carried(values: Sequence[float | None]) -> list[float]:
    """For a sparkline: where nothing was measured the line stays where it was; empty if nothing was at all."""
    known = [value for value in values if value is not None]
    if not known:
        return []
    course, last = [], known[0]
    for value in values:
        last = last if value is None else value
        course.append(last)
    return course


_STEP = {
    "sqlite": "CAST(strftime('%%s', at) AS INTEGER) / %s",
    "postgresql": "CAST(EXTRACT(EPOCH FROM at) AS bigint) / %s",
}
_REST = ("seconds", "cpu_s", "cpu_calls", "memory_bytes", "samples", "cpu_percent", "cpu_samples")
_SUMS = ", ".join(f"SUM({name})" for name in (*COUNTS, *_REST, *BUCKET_COLUMNS))


def _read(agents: Collection[int], steps: Steps, now: datetime) -> list[tuple[Any, ...]]:
    stretches = _stretches(steps, now)
    if not agents or not stretches:
        return []
    rows = "SELECT * FROM agents_agentmeasure WHERE agent_id {in} AND span = %s AND at >= %s AND at < %s"
    wanted = " UNION ALL ".join([rows] * len(stretches))  # an OR would keep both databases from using the whole index
    statement = (
        f"SELECT agent_id, {_STEP[connection.vendor]}, MIN(fastest_s), MAX(slowest_s), {_SUMS} "
        f"FROM ({wanted}) AS found GROUP BY 1, 2"
    )
    (sums,) = fetch((statement, [steps.step_s, *(value for stretch in stretches for value in (agents, *stretch))]))
    return sums


def _stretches(steps: Steps, now: datetime) -> list[tuple[int, datetime, datetime]]:
    """Which rows cover the steps: of what span, from when until when."""
    edges = [
        (int(Span.MINUTE), steps.end),
        (int(Span.HOUR), series.floor(now - MINUTES_FOR, HOUR_S)),
        (int(Span.DAY), series.floor(now - HOURS_FOR, DAY_S)),
    ]
    return series.stretches(steps, edges)


def _tally(sums: Sequence[Any]) -> Tally:
    """A row of the query, as it is gathered in memory too; PostgreSQL adds whole numbers up to decimals."""
    fastest, slowest, calls, *rest = sums
    faults, rest = rest[: len(COUNTS) - 1], rest[len(COUNTS) - 1 :]
    (seconds, cpu_s, cpu_calls, memory, samples, cpu, cpu_samples), counts = rest[: len(_REST)], rest[len(_REST) :]
    failures = {Fault(name.removeprefix("failed_")): int(count) for name, count in zip(COUNTS[1:], faults, strict=True)}
    return Tally(
        calls=int(calls),
        failures=failures,
        took=Histogram([int(count) for count in counts], seconds, fastest, slowest),
        cpu_s=cpu_s,
        cpu_calls=int(cpu_calls),
        memory_bytes=int(memory),
        samples=int(samples),
        cpu_percent=cpu,
        cpu_samples=int(cpu_samples),
    )
