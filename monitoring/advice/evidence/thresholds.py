"""What the rule about thresholds goes by: their alerts of the last week, in four queries."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.urls import reverse

from monitoring.advice.rules.thresholds import ThresholdFacts
from monitoring.models import Alert, AlertStatus, Threshold
from orchestra.kernel.models import Event

LOOKED_BACK = timedelta(days=7)
MOST_ALERTS, MOST_THRESHOLDS, MOST_FIRINGS = 5_000, 500, 10_000
FIRES = (AlertStatus.FIRING, AlertStatus.RECOVERING, AlertStatus.NO_DATA)


def read(now: datetime) -> list[ThresholdFacts]:
    """Enabled thresholds with those of their alerts that were resolved in the last week."""
    since = now - LOOKED_BACK
    resolved = Alert.objects.filter(resolved_at__gt=since, fired_at__isnull=False, threshold__isnull=False)
    alerts: dict[int, list[Alert]] = defaultdict(list)
    for alert in resolved.filter(status=AlertStatus.RESOLVED).order_by("-resolved_at")[:MOST_ALERTS]:
        alerts[alert.threshold_id or 0].append(alert)
    if not alerts:
        return []
    firing = Alert.objects.filter(status__in=FIRES, threshold__in=list(alerts)).order_by()
    open_ones = list(firing.values_list("threshold_id", flat=True)[:MOST_ALERTS])
    fired = _firings(since)
    rows = Threshold.objects.filter(pk__in=list(alerts), enabled=True).order_by("pk")[:MOST_THRESHOLDS]
    return [_facts(threshold, alerts[threshold.pk], open_ones.count(threshold.pk), fired) for threshold in rows]


def _facts(threshold: Threshold, alerts: Sequence[Alert], open_ones: int, fired: Mapping[str, int]) -> ThresholdFacts:
    """What alerts did under an earlier version says nothing of this one."""
    alerts = [alert for alert in alerts if alert.threshold_version == threshold.version]
    times = {alert.pk: list(_fired_s(alert)) for alert in alerts}
    return ThresholdFacts(
        threshold.pk,
        threshold.name,
        threshold.for_s,
        sum(max(len(times[alert.pk]), fired.get(str(alert.pk), 0)) for alert in alerts),
        [seconds for each in times.values() for seconds in each],
        sum(alert.flapping or len(alert.changes) > threshold.flap_changes for alert in alerts),
        sum(_was_seen_to(alert) for alert in alerts),
        open_ones,
        reverse("threshold", args=[threshold.pk]),
        f"{reverse('alerts')}?threshold={threshold.pk}",
    )


def _firings(since: datetime) -> Counter[str]:
    """How often each alert fired, as the last 10,000 such events tell: an alert remembers only its last changes."""
    events = Event.objects.filter(action="AlertFired").order_by("-number").values_list("target_id", "happened")
    return Counter(alert for alert, happened in events[:MOST_FIRINGS] if happened > since)


def _fired_s(alert: Alert) -> Iterator[float]:
    """How long it fired each time: its changes by pairs, from the last backwards, since older ones are forgotten."""
    moments = alert.changes or [moment.timestamp() for moment in (alert.fired_at, alert.resolved_at) if moment]
    for index in range(len(moments) - 1, 0, -2):
        yield float(moments[index] - moments[index - 1])


def _was_seen_to(alert: Alert) -> bool:
    """Whether a person did anything about it."""
    return bool(alert.acknowledged_at or alert.owner_id or alert.note or alert.resolved_by)
