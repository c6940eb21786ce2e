"""Routes, inhibitions, silences and alerts as the planner reads them, from the database."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from django.conf import settings
from django.db.models import Prefetch, QuerySet

from monitoring.models import Alert, AlertStatus, Channel, Inhibition, Route, Silence
from monitoring.notification import quiet
from monitoring.notification.groups import Fact
from monitoring.notification.routing import ChannelRef, InhibitionRule, RouteRule, Rules, SilenceRule
from orchestra.kernel.wording import duration

LOUD = (AlertStatus.FIRING, AlertStatus.RECOVERING, AlertStatus.NO_DATA)
"""What people are told of."""
ASKED_AT_ONCE = 5_000
_COLUMNS = (
    "pk", "labels", "status", "flapping", "acknowledged_at", "acknowledged_until", "acknowledged_by",
)  # fmt: skip


def rules(now: datetime) -> Rules:
    """All that decides who is told at ``now`` and later, in five queries."""
    channels = Channel.objects.only("name", "enabled").order_by("name")
    routes = Route.objects.filter(enabled=True).prefetch_related(
        Prefetch("channels", queryset=channels), Prefetch("escalate_to", queryset=channels)
    )
    return Rules(
        routes=[rule_of(route) for route in routes],
        inhibitions=[
            InhibitionRule(one.pk, one.name, one.source, one.target, tuple(one.equal))
            for one in Inhibition.objects.filter(enabled=True)
        ],
        silences=[silence_rule(one) for one in Silence.objects.filter(ends_at__gt=now)],
    )


def rule_of(route: Route) -> RouteRule:
    """A route whose channels are at hand."""
    return RouteRule(
        id=route.pk,
        name=route.name,
        severities=frozenset(route.severities),
        matchers=route.matchers,
        channels=_refs(route.channels.all()),
        group_by=tuple(route.group_by),
        wait_s=route.wait_s,
        interval_s=route.interval_s,
        repeat_s=route.repeat_s,
        quiet=quiet.read(route.quiet, settings.TIME_ZONE),
        escalate_after_s=route.escalate_after_s,
        escalate_to=_refs(route.escalate_to.all()),
        continues=route.continues,
    )


def silence_rule(silence: Silence) -> SilenceRule:
    return SilenceRule(
        silence.pk,
        silence.matchers,
        silence.starts_at.timestamp(),
        silence.ends_at.timestamp(),
        silence.author,
        silence.reason,
    )


def fact_of(alert: Alert) -> Fact:
    return _fact(*(getattr(alert, name) for name in _COLUMNS))


def loud_facts() -> list[Fact]:
    """Every alert that people are told of."""
    return _read(Alert.objects.filter(status__in=LOUD))


def facts_of(numbers: Collection[int]) -> list[Fact]:
    """These alerts, some thousands in a query."""
    rest = iter(sorted(numbers))
    slices = iter(lambda: list(islice(rest, ASKED_AT_ONCE)), [])
    return [fact for some in slices for fact in _read(Alert.objects.filter(pk__in=some))]


def _read(alerts: QuerySet[Alert]) -> list[Fact]:
    return list(_facts(alerts.order_by().values_list(*_COLUMNS)))


def _facts(rows: Iterable[tuple[Any, ...]]) -> Iterator[Fact]:
    for row in rows:
        yield _fact(*row)


def _fact(  # noqa: PLR0913, PLR0917  the columns in their order
    number: int,
    labels: dict[str, str],
    status: str,
    flapping: bool,
    acknowledged_at: datetime | None,
    acknowledged_until: datetime | None,
    acknowledged_by: str,
) -> Fact:
    return Fact(
        id=number,
        labels=labels,
        status=status,
        flapping=flapping,
        acknowledged=acknowledged_at is not None,
        acknowledged_until=acknowledged_until.timestamp() if acknowledged_until else None,
        acknowledged_by=acknowledged_by,
    )


def _refs(channels: Iterable[Channel]) -> tuple[ChannelRef, ...]:
    return tuple(ChannelRef(channel.pk, channel.name, channel.enabled) for channel in channels)


def when_words(rule: RouteRule, now: datetime) -> str:
    """When a new alert that takes this route would be told of, and to whom."""
    to = ", ".join(channel.name for channel in rule.channels if channel.enabled) or "nobody"
    end = rule.quiet.until(now.timestamp()) if rule.quiet else None
    if rule.quiet is not None and end is not None:
        return f"{to}, when the quiet hours end: {rule.quiet.clock(end)}"
    return f"{to}, {duration(rule.wait_s)} after it fired" if rule.wait_s else f"{to}, at once"
