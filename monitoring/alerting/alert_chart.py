"""The course of what an alert is about, before it began, while it lasted and after. Reads only."""

from datetime import UTC, datetime, timedelta

from monitoring.metrics import readings
from monitoring.metrics.catalogue import METRICS, TICK_S, Metric
from monitoring.metrics.readings import Scope
from monitoring.models import Alert, ScopeKind
from orchestra.kernel.charts import Chart, Limit, Line, Mark, Shade
from orchestra.kernel.looks import FAILED, RUNNING, SUCCEEDED, WAITING
from orchestra.kernel.series import steps_between

LEAST_BEFORE = timedelta(minutes=15)
LEAST_AFTER = timedelta(minutes=5)
MOST_POINTS = 160
EMPTY = "Nothing is kept of this time any more."


def of(alert: Alert, now: datetime) -> Chart | None:
    """The chart, or None if there is no such metric any more."""
    metric = METRICS.get(alert.metric)
    if metric is None:
        return None
    since, until = _window(alert, now)
    times, values = _values(alert, metric, since, until, now)
    return Chart(
        "alert-course",
        metric.label,
        times,
        [Line(alert.subject_label or metric.label, values)],
        metric.unit,
        [mark for mark in _marks(alert) if since <= mark.at <= until],
        _shades(alert, now),
        _limits(alert),
        empty=EMPTY,
    )


def _window(alert: Alert, now: datetime) -> tuple[datetime, datetime]:
    """As much again before and after as it lasted, but at least some minutes."""
    end = alert.resolved_at or now
    lasted = max(end - alert.began_at, timedelta())
    before, after = max(LEAST_BEFORE, lasted / 2), max(LEAST_AFTER, lasted / 4)
    return alert.began_at - before, min(now, end + after)


def _values(
    alert: Alert, metric: Metric, since: datetime, until: datetime, now: datetime
) -> tuple[list[datetime], list[float | None]]:
    """Tick by tick where that makes few enough points and they are kept, else in longer steps."""
    scope = _scope(alert)
    if (until - since).total_seconds() <= MOST_POINTS * TICK_S and readings.least_step_s(since, now) <= 2 * TICK_S:
        first = int(since.timestamp()) // TICK_S * TICK_S
        times = list(range(first, int(until.timestamp()) + 1, TICK_S))
        measured = dict(readings.history(metric.name, scope, first, times[-1] if times else first))
        by_tick = dict(measured.get(alert.subject_id, []))
        return [datetime.fromtimestamp(at, UTC) for at in times], [by_tick.get(at) for at in times]
    least_s = readings.least_step_s(since, now)
    steps = steps_between(since, max(until, since + timedelta(seconds=least_s)), most=MOST_POINTS, least_s=least_s)
    found = readings.series(metric.name, scope, steps, now)
    return steps.starts, found.get(alert.subject_id, [None] * steps.count)


def _scope(alert: Alert) -> Scope:
    kinds = {kind.value for kind in ScopeKind}
    return Scope(alert.subject_kind, alert.subject_id) if alert.subject_kind in kinds else Scope.all()


def _shades(alert: Alert, now: datetime) -> list[Shade]:
    """When it was pending, and when it fired."""
    end = alert.resolved_at or now
    stretches = (("pending", alert.began_at, alert.fired_at or end, WAITING), ("firing", alert.fired_at, end, FAILED))
    return [Shade(label, [(since, until)], tone) for label, since, until, tone in stretches if since and since < until]


def _limits(alert: Alert) -> list[Limit]:
    recovers = alert.threshold.recovery_value if alert.threshold else alert.limit
    limits = [Limit("limit", alert.limit, FAILED)]
    return limits if recovers == alert.limit else [*limits, Limit("recovers", recovers, SUCCEEDED)]


def _marks(alert: Alert) -> list[Mark]:
    said = (
        (alert.fired_at, "it fired", FAILED),
        (alert.acknowledged_at, f"{alert.acknowledged_by} acknowledged it", RUNNING),
        (alert.resolved_at, "it was resolved", SUCCEEDED),
    )
    marks = [Mark(at, text, tone) for at, text, tone in said if at is not None]
    if alert.status == "no_data":
        marks.append(Mark(alert.since, "data went missing", WAITING))
    return sorted(marks, key=lambda mark: mark.at)
