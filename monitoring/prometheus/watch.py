"""What watches over the rest, for Prometheus: alerts, notifications, the collector, executors, the audit trail."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from monitoring.models import Alert, AlertStatus, Notification, NotificationStatus, Severity, Tick
from orchestra.kernel import chain, health, pulses

HOUR = timedelta(hours=1)


def families(now: datetime, last: Tick | None) -> Iterator[Metric]:
    yield from _alerts()
    yield _notifications(now)
    yield from _collector(last)
    executors = pulses.alive(pulses.EXECUTOR, within_s=health.EXECUTOR_WITHIN_S).count()
    yield GaugeMetricFamily("orchestra_executors", "Executors that have given a sign of life.", value=executors)
    yield CounterMetricFamily(
        "orchestra_events", "Events of the audit trail: the last one's number.", value=chain.head()
    )


def _alerts() -> Iterator[Metric]:
    open_ = [status for status in AlertStatus.values if status != AlertStatus.RESOLVED]
    counted = {(severity, status): 0 for severity in Severity.values for status in open_}
    rows = Alert.objects.filter(status__in=open_).order_by().values_list("severity", "status").annotate(Count("id"))
    counted |= {(severity, status): count for severity, status, count in rows}
    firing = GaugeMetricFamily("orchestra_alerts_firing", "Alerts that fire now.", labels=["severity"])
    alerts = GaugeMetricFamily("orchestra_alerts", "Alerts that are not resolved.", labels=["severity", "status"])
    for (severity, status), count in counted.items():
        alerts.add_metric([severity, status], count)
        if status == AlertStatus.FIRING:
            firing.add_metric([severity], count)
    return iter((firing, alerts))


def _notifications(now: datetime) -> Metric:
    """A gauge: their statuses change, and they are not kept for ever."""
    counted = dict.fromkeys(NotificationStatus.values, 0)
    recent = Notification.objects.filter(created_at__gt=now - HOUR).order_by()
    counted |= dict(recent.values_list("status").annotate(Count("id")))
    family = GaugeMetricFamily(
        "orchestra_notifications_last_hour",
        "Notifications of the last hour, by what became of them.",
        labels=["status"],
    )
    for status, count in counted.items():
        family.add_metric([status], count)
    return family


def _collector(last: Tick | None) -> Iterator[Metric]:
    """Nothing before the first tick: then there is no last one."""
    if last is None:
        return
    name = "orchestra_collector_"
    yield GaugeMetricFamily(f"{name}last_tick_timestamp_seconds", "The tick that was collected last.", value=last.at)
    yield GaugeMetricFamily(f"{name}late_seconds", "How long after its time it began.", value=last.late_s)
    yield GaugeMetricFamily(f"{name}collect_seconds", "How long it took to collect and store it.", value=last.collect_s)
    yield GaugeMetricFamily(f"{name}evaluate_seconds", "How long its thresholds took.", value=last.evaluate_s)
