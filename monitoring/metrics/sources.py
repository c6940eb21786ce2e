"""Where the values of a metric are, as SQL: samples of agents, or of gauges. Reads only.

Written out, since the ORM can neither divide sums by expressions of both databases nor unite spans within a group.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitoring.metrics.catalogue import METRICS
from monitoring.metrics.ratios import RATIOS, Ratio
from monitoring.metrics.subjects import Scope
from monitoring.models import ScopeKind, Span
from orchestra.kernel import series
from orchestra.kernel.series import DAY_S, HOUR_S, Steps
from orchestra.kernel.statements import Statement

TICKS_FOR = timedelta(days=1)
HOURS_FOR = timedelta(days=7)
"""Of longer steps the last day is read from ticks and the last week from hours: what is newer is not added up yet."""

GAUGED = Ratio("total", "count")
AGENTS: Mapping[str, str] = {
    ScopeKind.AGENT: " AND s.agent_id = %s",
    ScopeKind.POOL: " AND s.agent_id IN (SELECT a.id FROM agents_agent a WHERE a.pool_id = %s)",
    ScopeKind.CAPABILITY: " AND s.agent_id IN (SELECT c.agent_id FROM agents_capability c WHERE c.name = %s)",
}


@dataclass(frozen=True, slots=True)
class _Source:
    """``rows``: FROM and WHERE; ``subject``: what of them names the subject; ``ratio``: what their value is."""

    subject: str
    rows: str
    values: list[Any]
    ratio: Ratio


def samples(metric: str, scope: Scope, since: int, until: int) -> Statement:
    """``subject, at, value`` of the ticks from ``since`` to ``until``, both included, where anything was measured."""
    source = _source(metric, scope)
    ratio = source.ratio
    text = (
        f"SELECT {source.subject} AS subject, s.at AS at, "
        f"CAST({ratio.above} AS double precision) * {ratio.factor} / {ratio.below} AS value "
        f"{source.rows} AND s.span = {int(Span.TICK)} AND s.at >= %s AND s.at <= %s AND {ratio.below} > 0"
    )
    return text, [*source.values, since, until]


def summed(metric: str, scope: Scope, steps: Steps, now: datetime) -> Statement | None:
    """``subject, number of the step, value`` of all that was measured in each step; None: nothing can have been."""
    source = _source(metric, scope)
    ratio = source.ratio
    parts, values = [], []
    for span, start, end in stretches(steps, now):
        parts.append(
            f"SELECT {source.subject} AS subject, s.at / %s AS number, {ratio.above} AS above, {ratio.below} AS below "
            f"{source.rows} AND s.span = %s AND s.at >= %s AND s.at < %s"
        )
        values += [steps.step_s, *source.values, span, int(start.timestamp()), int(end.timestamp())]
    if not parts:
        return None
    text = (
        f"SELECT subject, number, CAST(SUM(above) AS double precision) * {ratio.factor} / SUM(below) "
        f"FROM ({' UNION ALL '.join(parts)}) AS found GROUP BY subject, number HAVING SUM(below) > 0"
    )
    return text, values


def stretches(steps: Steps, now: datetime, finest: Span = Span.TICK) -> list[tuple[int, datetime, datetime]]:
    """Which rows cover the steps: of what span, from when until when. ``finest``: what the table begins with."""
    edges = [
        (int(finest), steps.end),
        (int(Span.HOUR), series.floor(now - TICKS_FOR, HOUR_S)),
        (int(Span.DAY), series.floor(now - HOURS_FOR, DAY_S)),
    ]
    return series.stretches(steps, edges)


def _source(metric: str, scope: Scope) -> _Source:
    if METRICS[metric].kind == "agent":
        rows = "FROM monitoring_agentsample s WHERE 1 = 1"
        if scope.kind == ScopeKind.ALL:
            return _Source("s.agent_id", rows, [], RATIOS[metric])
        value = scope.value if scope.kind == ScopeKind.CAPABILITY else scope.number
        return _Source("s.agent_id", rows + AGENTS[scope.kind], [value], RATIOS[metric])
    rows = (
        "FROM monitoring_gauge g JOIN monitoring_gaugesample s ON s.gauge_id = g.id WHERE g.metric = %s AND g.kind = %s"
    )
    values = [metric, METRICS[metric].kind]
    if scope.kind != ScopeKind.ALL:
        rows, values = rows + " AND g.subject = %s", [*values, scope.value]
    return _Source("g.subject", rows, values, GAUGED)
