"""What the rule about resources goes by, in one query: the newest reservation of each, by its index."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.urls import reverse

from agents.models import OPEN_RESERVATION, ReservationLine, Resource
from monitoring.advice.rules.resources import IDLE_DAYS, ResourceFacts

MOST = 100


def read(now: datetime) -> list[ResourceFacts]:
    """Resources of which nothing is held and nothing was asked for lately; at most 100.

    Where reservations are removed sooner than that, nobody can tell, so there are none.
    """
    if 0 < settings.RUN_RETENTION_DAYS < IDLE_DAYS:
        return []
    since = now - timedelta(days=IDLE_DAYS)
    rows = Resource.objects.filter(enabled=True, created_at__lt=since, updated_at__lt=since)
    rows = rows.annotate(last_at=_newest("reservation__created_at"), last_status=_newest("reservation__status"))
    over = Q(last_at__lt=since) & ~Q(last_status__in=OPEN_RESERVATION)
    rows = rows.filter(Q(last_at__isnull=True) | over)
    return [
        ResourceFacts(
            resource.pk,
            resource.name,
            resource.type,
            resource.capacity,
            (now - max(resource.updated_at, resource.last_at or resource.created_at)).days,
            resource.last_at is not None,
            reverse("resource", args=[resource.pk]),
        )
        for resource in rows.order_by(F("last_at").asc(nulls_first=True), "pk")[:MOST]
    ]


def _newest(column: str) -> Subquery:
    lines: QuerySet[ReservationLine] = ReservationLine.objects.filter(resource=OuterRef("pk"))
    return Subquery(lines.order_by("-reservation_id").values(column)[:1])
