"""The course of several figures of several subjects of one kind, in one or two queries however many they are.

What ``readings`` answers of one metric for thresholds, this answers for pages and the API. Reads only.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from agents import figures as calls
from monitoring.metrics import readings, run_figures, sources
from monitoring.metrics.figures import CALLS, FIGURES, RUNS
from monitoring.metrics.ratios import RATIOS
from monitoring.models import Gauge
from orchestra.kernel.series import Steps
from orchestra.kernel.statements import fetch

Values = list[float | None]
Courses = Mapping[tuple[str, str], Values]
"""By metric and subject: a value for each step, None where nothing was measured."""


Stretch = tuple[int, datetime, datetime]
FOR_EVER_S = 10**12
"""Steps so long that there is but one."""


def read(metrics: Collection[str], subjects: Collection[str], steps: Steps, now: datetime) -> Courses:
    """The course of each of ``metrics``, all of one kind, for each of ``subjects``; every pair is in the answer."""
    found: dict[tuple[str, str], Values] = {
        (metric, subject): [None] * steps.count for metric in metrics for subject in subjects
    }
    if not found:
        return found
    kind = FIGURES[next(iter(metrics))].kind
    ticked = [metric for metric in metrics if metric not in CALLS | RUNS]
    if kind == "agent":
        found |= _of_calls([metric for metric in metrics if metric in CALLS], subjects, steps, now)
        rows = _of_agents(ticked, subjects, steps, now) if ticked else []
    else:
        found |= _of_runs([metric for metric in metrics if metric in RUNS], subjects, steps, now)
        rows = _of_gauges(ticked, subjects, steps, now) if ticked else []
    first = int(steps.start.timestamp()) // steps.step_s
    for metric, subject, number, value in rows:
        found[metric, subject][number - first] = value
    return found


def totals(
    metrics: Collection[str], agents: Collection[str], steps: Steps, now: datetime
) -> Mapping[tuple[str, str], float]:
    """Each of ``metrics``, collected by ticks, of each agent over all of ``steps``; left out where nothing was."""
    if not metrics or not agents:
        return {}
    rows = _of_agents(list(metrics), agents, steps, now, apart_s=FOR_EVER_S)
    return {(metric, agent): value for metric, agent, _, value in rows}


def least_step_s(metrics: Collection[str], since: datetime, now: datetime) -> int:
    """How long the steps from ``since`` on must be at least, by what is still kept of these metrics."""
    least = [readings.least_step_s(since, now)]
    if any(metric in CALLS for metric in metrics):
        least.append(calls.least_step_s(since, now))
    return max(least)


def _of_calls(metrics: Sequence[str], agents: Collection[str], steps: Steps, now: datetime) -> Courses:
    if not metrics:
        return {}
    measured = calls.measured([int(agent) for agent in agents], steps, now)
    return {(metric, agent): measured.values(int(agent), metric) for metric in metrics for agent in agents}


def _of_runs(metrics: Sequence[str], workflows: Collection[str], steps: Steps, now: datetime) -> Courses:
    """A step that has not begun has no value."""
    if not metrics:
        return {}
    begun = [bool(steps.elapsed_s(index, now)) for index in range(steps.count)]
    return {
        (metric, workflow): [
            run_figures.VALUES[metric](counted) if is_begun else None
            for counted, is_begun in zip(course, begun, strict=True)
        ]
        for workflow, course in run_figures.measured(workflows, steps, now).items()
        for metric in metrics
    }


def _of_agents(
    metrics: Sequence[str], agents: Collection[str], steps: Steps, now: datetime, *, apart_s: int = 0
) -> list[tuple[str, str, int, float]]:
    """Samples are wide rows: whatever is asked of them, they are read once. ``apart_s``: another length of steps."""
    ratios = [RATIOS[metric] for metric in metrics]
    sums = ", ".join(f"SUM({ratio.above}), SUM({ratio.below})" for ratio in ratios)
    rows = "SELECT * FROM monitoring_agentsample WHERE agent_id {in} AND span = %s AND at >= %s AND at < %s"
    found = []
    wanted = [int(agent) for agent in agents]
    for agent, number, *pairs in _grouped(
        ("agent_id", sums), rows, wanted, sources.stretches(steps, now), apart_s or steps.step_s
    ):
        for index, (metric, ratio) in enumerate(zip(metrics, ratios, strict=True)):
            above, below = pairs[2 * index], pairs[2 * index + 1]
            if below:
                found.append((metric, str(agent), int(number), float(above) * ratio.factor / float(below)))
    return found


def _of_gauges(
    metrics: Sequence[str], subjects: Collection[str], steps: Steps, now: datetime
) -> list[tuple[str, str, int, float]]:
    kind = FIGURES[metrics[0]].kind
    wanted = Gauge.objects.filter(metric__in=metrics, kind=kind, subject__in=subjects)
    gauges = {pk: (metric, subject) for pk, metric, subject in wanted.values_list("pk", "metric", "subject")}
    if not gauges:
        return []
    rows = "SELECT * FROM monitoring_gaugesample WHERE gauge_id {in} AND span = %s AND at >= %s AND at < %s"
    what = ("gauge_id", "SUM(total), SUM(count)")
    return [
        (*gauges[gauge], int(number), float(total) / float(count))
        for gauge, number, total, count in _grouped(
            what, rows, list(gauges), sources.stretches(steps, now), steps.step_s
        )
        if count
    ]


def _grouped(
    what: tuple[str, str], rows: str, wanted: list[int], stretches: Sequence[Stretch], apart_s: int
) -> list[tuple[Any, ...]]:
    """Of ``rows``, by the key and the number of the step, ``apart_s`` long: what is a key and sums, as SQL."""
    if not stretches:
        return []
    key, sums = what
    values: list[Any] = [apart_s]
    for span, start, end in stretches:
        values += [wanted, span, int(start.timestamp()), int(end.timestamp())]
    united = " UNION ALL ".join([rows] * len(stretches))
    (found,) = fetch((f"SELECT {key}, at / %s, {sums} FROM ({united}) AS found GROUP BY 1, 2", values))
    return found
