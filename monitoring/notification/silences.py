"""What silences hide, and which of their ends would let alerts through. ``silencing.py`` has the verbs.

A silence hides what fits all of its matchers between two instants: alerts go on as ever, nobody is told of them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import Q, QuerySet

from monitoring.models import Alert, AlertStatus, Silence
from monitoring.notification import matchers
from monitoring.notification.matchers import Labelled

MOST_HIDDEN = 5_000
"""Open alerts that are looked at to say what a silence hides."""
WARNS_BEFORE = timedelta(minutes=15)

SCHEDULED, ACTIVE, ENDED = "scheduled", "active", "ended"
LOUD = (AlertStatus.FIRING, AlertStatus.RECOVERING, AlertStatus.NO_DATA)
"""What people are told of unless something keeps it from them."""


@dataclass(frozen=True, slots=True)
class EndingSoon:
    """A silence near its end, and the alerts that will be told of then."""

    silence: Silence
    alerts: list[Alert]


def state_of(silence: Silence, now: datetime) -> str:
    if silence.ends_at <= now:
        return ENDED
    return SCHEDULED if silence.starts_at > now else ACTIVE


def in_state(state: str, now: datetime) -> Q:
    """The condition of silences that are in ``state`` now."""
    if state == ENDED:
        return Q(ends_at__lte=now)
    return Q(ends_at__gt=now) & (Q(starts_at__gt=now) if state == SCHEDULED else Q(starts_at__lte=now))


def active(now: datetime) -> list[Silence]:
    """The silences that hide something now, those that last longest first."""
    return list(Silence.objects.filter(in_state(ACTIVE, now)).order_by("-ends_at", "-pk"))


def hiding(labels: Mapping[str, str], silences: Iterable[Silence]) -> Silence | None:
    """The first of ``silences`` that hides an alert with these labels."""
    return next((each for each in silences if _hides(each.matchers, labels)), None)


def is_silenced(alert: Alert, silences: Iterable[Silence]) -> bool:
    """Whether one of ``silences``, which are :func:`active`, hides ``alert``."""
    return hiding(alert.labels, silences) is not None


def silenced(now: datetime) -> Q:
    """The condition of alerts that a silence hides now."""
    conditions = [_fitting(each.matchers) for each in active(now) if each.matchers]
    return reduce(or_, conditions, Q(pk__in=[]))


def hidden(silences: Sequence[Silence]) -> dict[int, list[Alert]]:
    """For each silence, by its number, the open alerts that fit it, in one query."""
    alerts = list(_open_alerts()) if silences else []
    labelled = Labelled([alert.labels for alert in alerts])
    return {each.pk: [alerts[place] for place in labelled.fitting(each.matchers)] for each in silences if each.matchers}


def would_hide(conditions: matchers.Matchers) -> list[Alert]:
    """The open alerts that fit ``conditions``, which have no faults."""
    return [alert for alert in _open_alerts() if _hides(conditions, alert.labels)]


def ending_soon(now: datetime) -> list[EndingSoon]:
    """The silences whose end within 15 minutes would let alerts through: no other silence hides them beyond it.

    Who has acknowledged an alert beyond that end will not be told either.
    """
    near = list(
        Silence.objects.filter(in_state(ACTIVE, now), ends_at__lte=now + WARNS_BEFORE).order_by("ends_at", "pk")
    )
    if not near:
        return []
    others = list(Silence.objects.filter(ends_at__gt=near[0].ends_at, starts_at__lte=near[-1].ends_at))
    found = hidden(near)
    ends = [EndingSoon(each, [a for a in found[each.pk] if _gets_through(a, each, others)]) for each in near]
    return [each for each in ends if each.alerts]


def mark_warned(silences: Iterable[Silence], now: datetime) -> None:
    """Note that people were told of the near end of these silences. Telemetry."""
    Silence.objects.filter(pk__in=[each.pk for each in silences]).update(warned_at=now)


def _gets_through(alert: Alert, silence: Silence, others: Iterable[Silence]) -> bool:
    end = silence.ends_at
    if alert.status not in LOUD or (alert.acknowledged_until is not None and alert.acknowledged_until > end):
        return False
    lasting = (other for other in others if other.starts_at <= end < other.ends_at)
    return hiding(alert.labels, lasting) is None


def _fitting(conditions: matchers.Matchers) -> Q:
    """As ``matchers.matches``, for the database to ask."""
    return reduce(and_, map(_holding, conditions))


def _holding(matcher: Mapping[str, Any]) -> Q:
    operator, value, column = matcher["operator"], matcher["value"], f"labels__{matcher['label']}"
    if operator == matchers.IN:
        return Q(**{f"{column}__in": value})
    if operator in (matchers.CONTAINS, matchers.STARTS_WITH):
        begins = operator == matchers.STARTS_WITH
        if value.isascii():
            return Q(**{f"{column}__{'istartswith' if begins else 'icontains'}": value})
        return Q(
            **{f"{column}__iregex": f"{'^' * begins}{re.escape(value)}"}
        )  # SQLite's LIKE knows no case beyond ASCII
    if operator == matchers.IS_NOT:
        return ~Q(labels__has_key=matcher["label"]) | ~Q(**{column: value})
    return Q(**{column: value})


def _hides(conditions: matchers.Matchers, labels: Mapping[str, str]) -> bool:
    return bool(conditions) and matchers.matches(conditions, labels)


def _open_alerts() -> QuerySet[Alert]:
    """The newest open alerts, with what tells them apart."""
    shown = (
        "name",
        "subject_kind",
        "subject_id",
        "subject_label",
        "severity",
        "status",
        "labels",
        "acknowledged_until",
    )
    alerts = Alert.objects.exclude(status=AlertStatus.RESOLVED).only(*shown)
    return alerts.order_by("-pk")[:MOST_HIDDEN]
