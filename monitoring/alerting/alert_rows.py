"""Alerts as lists and pages show them: value beside limit in words, flags, what was said of it. Reads only."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from monitoring.alerting import alerts, limit_words
from monitoring.alerting.alert_listing import AlertList, AllAlerts
from monitoring.metrics.catalogue import METRICS
from monitoring.models import Alert, AlertStatus, Notification, Silence
from monitoring.notification import silences, told
from orchestra.kernel import charts
from orchestra.kernel.lists import Page
from orchestra.kernel.registry import link

ROOM = 1.15
"""Of the bar beyond the greatest of its values."""


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert with the silence that hides it, and the last notifications about it."""

    alert: Alert
    now: datetime
    silence: Silence | None = None
    told: Sequence[Notification] = field(default_factory=list)

    @property
    def unit(self) -> str:
        metric = METRICS.get(self.alert.metric)
        return metric.unit if metric else "count"

    @property
    def metric(self) -> str:
        metric = METRICS.get(self.alert.metric)
        return metric.label if metric else self.alert.metric

    @property
    def value(self) -> str:
        return charts.words(self.alert.value, self.unit)

    @property
    def worst(self) -> str:
        return charts.words(self.alert.worst, self.unit)

    @property
    def limit(self) -> str:
        """``above 5 s``; without its way where the threshold is gone."""
        threshold = self.alert.threshold
        if threshold is None:
            return f"limit {limit_words.exact(self.alert.limit, self.unit)}"
        return limit_words.limit(threshold.operator, self.alert.limit, self.unit)

    @property
    def recovery(self) -> str:
        """The value at which it recovers; empty where the threshold is gone."""
        threshold = self.alert.threshold
        return limit_words.exact(threshold.recovery_value, self.unit) if threshold else ""

    @property
    def bar(self) -> dict[str, str] | None:
        """Value and limit in percent of the length of a bar; none where there is nothing to compare."""
        value, limit = self.alert.value, self.alert.limit
        whole = max(value or 0.0, limit, self.alert.worst or 0.0) * ROOM
        if value is None or whole <= 0 or min(value, limit) < 0:
            return None
        return {"value": f"{100 * value / whole:.1f}", "limit": f"{100 * limit / whole:.1f}"}

    @property
    def tone(self) -> str:
        if self.alert.status in (AlertStatus.PENDING, AlertStatus.RESOLVED):
            return "neutral"
        return "failed" if self.alert.status == AlertStatus.FIRING else "waiting"

    @property
    def is_acknowledged(self) -> bool:
        return self.alert.is_open and alerts.is_acknowledged(self.alert, self.now)

    @property
    def was_acknowledged(self) -> bool:
        """Whether an acknowledgement is over while the alert is still open."""
        return self.alert.is_open and self.alert.acknowledged and not self.is_acknowledged

    @property
    def flags(self) -> list[str]:
        """What the contract calls flags, those that are up."""
        up = {
            "acknowledged": self.is_acknowledged,
            "silenced": self.silence is not None,
            "flapping": self.alert.flapping,
        }
        return [name for name, is_up in up.items() if is_up]

    @property
    def began(self) -> datetime:
        """Since when it is what it is, as people count: since it fired, if it has."""
        return self.alert.fired_at or self.alert.began_at

    @property
    def said(self) -> str:
        """What became of the last notifications about it."""
        return told.words(self.told)

    @property
    def said_at(self) -> datetime | None:
        return told.moment_of(self.told)

    @property
    def subject_url(self) -> str | None:
        return subject_url(self.alert)


def subject_url(alert: Alert) -> str | None:
    """The page of what an alert is about, if there is one."""
    if alert.subject_kind in {"queue", "workflow"}:
        try:
            return reverse(alert.subject_kind, args=[alert.subject_id])
        except NoReverseMatch:  # a name that no address can hold
            return None
    return link(alert.subject_kind, alert.subject_id)


def read(found: Collection[Alert], now: datetime) -> list[AlertRow]:
    """The rows for ``found``, in four queries."""
    active = silences.active(now) if any(each.is_open for each in found) else []
    last = told.last_of([each.pk for each in found]) if found else {}
    return [
        AlertRow(each, now, silences.hiding(each.labels, active) if each.is_open else None, last.get(each.pk, []))
        for each in found
    ]


def with_rows(page: Page[Alert]) -> Page[Any]:
    rows: Any = read(page.rows, timezone.now())
    return replace(page, rows=rows)


class AlertRows(AlertList):
    """The list of the page."""

    def page(self) -> Page[Any]:
        return with_rows(super().page())


class Alerts(AllAlerts):
    """The list of the API."""

    def page(self) -> Page[Any]:
        return with_rows(super().page())
