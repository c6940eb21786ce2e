"""A pool over time: its recorded sizes as a chart with a mark for every change, and a policy tried over them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from agents import pool_figures, pools, scaling_policy, tryout
from agents.models import AgentHealth, Decided, Pool, PoolDecision, PoolSample
from agents.tryout import Limits, Sample, TryOut
from orchestra.kernel import access
from orchestra.kernel.access import Actor
from orchestra.kernel.charts import Chart, Line, Mark
from orchestra.kernel.looks import NEUTRAL, RUNNING, SUCCEEDED, WAITING
from orchestra.kernel.series import Steps, steps_between
from orchestra.kernel.statements import fetch

SAMPLE_S = 10
MOST_POINTS, MOST_MARKS = 190, 50
TRIED_OVER = timedelta(days=7)
USUAL_CALL_S = 1.0
"""How long a call takes as long as none has been made."""
QUICKEST_CALL_S = 0.001
TONES = {Decided.UP: RUNNING, Decided.DOWN: SUCCEEDED}


SPANS: Mapping[str, tuple[str, timedelta]] = {
    "30m": ("30 min", timedelta(minutes=30)),
    "3h": ("3 h", timedelta(hours=3)),
    "1d": ("1 day", timedelta(days=1)),
    "7d": ("7 days", timedelta(days=7)),
}
"""Stretches of time that the charts can show."""

STEP_OF = {
    "sqlite": "CAST(strftime('%%s', at) AS INTEGER) / %s",
    "postgresql": "FLOOR(EXTRACT(EPOCH FROM at) / %s)::bigint",
}
FIGURES = ("size", "slots", "in_use", "waiting")


def charts(pool: Pool, span: str, now: datetime) -> list[Chart]:
    """Size and demand of the pool over one of :data:`SPANS`, with the reason of every change."""
    since = now - SPANS[span][1]
    step_s = SAMPLE_S if SPANS[span][1] <= MOST_POINTS * timedelta(seconds=SAMPLE_S) else 0
    steps = steps_between(since, now, step_s=step_s, most=MOST_POINTS)
    figures = _figures(pool, steps)
    size = [
        Line("members", figures["size"], RUNNING, "steps"),
        Line("maximum", [pool.max_size] * steps.count, NEUTRAL, "dashed"),
    ]
    demand = [
        Line("slots", figures["slots"], NEUTRAL, "steps"),
        Line("in use", figures["in_use"], RUNNING),
        Line("waiting", figures["waiting"], WAITING),
    ]
    nothing = "Nothing was recorded in this time. Samples are taken every 10 s while an executor runs."
    if not any(value is not None for value in figures["size"]):
        size = []
    return [
        Chart("pool-size-chart", "Members", steps.starts, size, marks=_marks(pool, since), empty=nothing),
        Chart("pool-demand-chart", "Slots and queue", steps.starts, demand, empty=nothing),
    ]


def try_out(pool: Pool, values: Mapping[str, Any], *, by: Actor) -> TryOut | None:
    """What ``policy`` (and ``min_size``, ``max_size``) of ``values`` would have done over the last week.

    None if nothing was recorded yet. Raises :class:`Invalid` naming each bad field.
    """
    access.check(by, "pools.try")
    low, high = values.get("min_size", pool.min_size), values.get("max_size", pool.max_size)
    policy = values.get("policy", pool.policy)
    pools.check_policy({"policy": policy, "min_size": low, "max_size": high})
    limits = Limits(low, high, pool_figures.slots_each(pool), _call_s(pool))
    return tryout.replay(scaling_policy.read(policy), _samples(pool), limits, timezone.get_default_timezone())


def _samples(pool: Pool) -> list[Sample]:
    rows = PoolSample.objects.filter(pool=pool, at__gt=timezone.now() - TRIED_OVER).order_by("at")
    return [Sample(*row) for row in rows.values_list("at", "size", "in_use", "waiting", "oldest_s").iterator(5_000)]


def _call_s(pool: Pool) -> float:
    """How long a call takes on average, over the members that were called."""
    called = AgentHealth.objects.filter(agent__pool=pool, calls__gt=0).values_list("calls", "response_s")
    calls = sum(calls for calls, _ in called)
    return max(QUICKEST_CALL_S, sum(calls * took for calls, took in called) / calls) if calls else USUAL_CALL_S


def _figures(pool: Pool, steps: Steps) -> dict[str, list[float | None]]:
    """The most of each figure in each step, in one query."""
    columns = ", ".join(f"MAX({name})" for name in FIGURES)
    step = STEP_OF[connection.vendor]
    sql = f"SELECT {step}, {columns} FROM agents_poolsample WHERE pool_id = %s AND at >= %s GROUP BY 1"  # noqa: S608
    (rows,) = fetch((sql, [steps.step_s, pool.pk, steps.start]))
    first = int(steps.start.timestamp()) // steps.step_s
    found: dict[str, list[float | None]] = {name: [None] * steps.count for name in FIGURES}
    for number, *values in rows:
        if 0 <= (index := int(number) - first) < steps.count:
            for name, value in zip(FIGURES, values, strict=True):
                found[name][index] = value
    return found


def _marks(pool: Pool, since: datetime) -> list[Mark]:
    changes = PoolDecision.objects.filter(pool=pool, at__gt=since).exclude(decided=Decided.STAY).order_by("-id")
    marks = [
        Mark(change.at, f"{change.size_before} → {change.target} by {change.by}. {change.reason}", _tone(change))
        for change in changes[:MOST_MARKS]
    ]
    return marks[::-1]


def _tone(change: PoolDecision) -> str:
    return TONES[Decided(change.decided)]
