"""What was recorded of a subject, as the editor of a threshold shows it beside the limit. Reads only.

Where a point stands for many ticks it is the worst of them, at its own instant: what the threshold would have seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring.alerting import distance
from monitoring.alerting.standings import PRESENT_S
from monitoring.metrics import readings
from monitoring.metrics.catalogue import METRICS, TICK_S
from monitoring.metrics.readings import Scope, Subject
from orchestra.kernel.charts import Chart, Limit, Line, Shade
from orchestra.kernel.looks import FAILED, SUCCEEDED

LENGTH = timedelta(days=7)
MOST_POINTS = 168
MOST_OFFERED = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """Which subject of a scope the chart shows, and which others there are, the most of them by name."""

    chosen: Subject | None
    offered: Sequence[Subject]
    many: int


def choose(rule: Mapping[str, Any], asked: str, now: datetime) -> Choice:
    """The subject that is ``asked`` for, else the one whose present value is worst, else the first."""
    scope = Scope(rule["scope_kind"], rule["scope_value"])
    found = readings.subjects(rule["metric"], scope)
    if not found:
        return Choice(None, (), 0)
    chosen = found.get(asked) or _worst(rule, scope, found, now) or next(iter(found.values()))
    offered = list(found.values())[:MOST_OFFERED]
    return Choice(chosen, offered if chosen in offered else [chosen, *offered], len(found))


def course(
    rule: Mapping[str, Any], subject: Subject, since: datetime, until: datetime
) -> list[tuple[int, float | None]]:
    """The worst value in each of :data:`MOST_POINTS` stretches of time; None where nothing was measured."""
    first, last = int(since.timestamp()), int(until.timestamp())
    scope = Scope.all() if subject.kind == "system" else Scope(subject.kind, subject.id)
    measured = dict(readings.history(rule["metric"], scope, first, last)).get(subject.id, [])
    length_s = max(TICK_S, (last - first) // MOST_POINTS)
    worst: dict[int, tuple[int, float]] = {}
    badness = distance.badness_of(rule["operator"], rule["value"])
    for at, value in measured:
        number = (at - first) // length_s
        if number not in worst or badness(value) > badness(worst[number][1]):
            worst[number] = (at, value)
    count = (last - first) // length_s + 1
    return [worst.get(number) or (first + number * length_s, None) for number in range(count)]


def chart(
    rule: Mapping[str, Any], subject: Subject, now: datetime, shades: Sequence[Shade], *, factor: float | None
) -> Chart:
    """The last week with the limit; with a ``factor`` the limits are those that the form's fields say, in its units."""
    metric = METRICS[rule["metric"]]
    points = course(rule, subject, now - LENGTH, now)
    label = subject.label if metric.kind != "system" else metric.label
    return Chart(
        "threshold-course",
        f"{metric.label}, {subject.label}" if metric.kind != "system" else metric.label,
        [datetime.fromtimestamp(at, UTC) for at, _ in points],
        [Line(label, [value for _, value in points])],
        metric.unit,
        shades=shades,
        limits=_limits(rule, factor),
        empty="Nothing of it was measured in the last 7 days.",
    )


def _limits(rule: Mapping[str, Any], factor: float | None) -> list[Limit]:
    named = {"value": ("limit", FAILED), "recovery_value": ("recovers at", SUCCEEDED)}
    if factor is not None:
        carried = {"value": "id_recovery_value"}
        return [
            Limit(label, rule[name], tone, f"id_{name}", factor, carried.get(name, ""))
            for name, (label, tone) in named.items()
        ]
    shown = ["value"] if rule["recovery_value"] == rule["value"] else list(named)
    return [Limit(*(named[name][0], rule[name], named[name][1])) for name in shown]


def _worst(rule: Mapping[str, Any], scope: Scope, found: Mapping[str, Subject], now: datetime) -> Subject | None:
    present = readings.recent(rule["metric"], scope, int(now.timestamp()), PRESENT_S)
    worst = distance.worst(rule["operator"], rule["value"], {subject: value for subject, (value, _) in present.items()})
    return found.get(worst[0]) if worst else None
