"""The lists of channels, routes and notifications, for page and API."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.utils import timezone

from monitoring.models import (
    Channel,
    ChannelKind,
    Inhibition,
    Notification,
    NotificationKind,
    NotificationStatus,
    Route,
)
from monitoring.notification import matchers, quiet
from monitoring.notification.kinds import apprise, webhook
from monitoring.notification.kinds.mail import recipients
from orchestra.kernel.lists import Chip, Choice, Exact, ListFilter, Moment, Page, Search

LATELY = timedelta(hours=24)
SHOWN_RECIPIENTS = 3


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel with what it sent last, how many failed within a day, and how many routes use it."""

    channel: Channel
    last: Notification | None
    failed: int
    routes: Sequence[Route]

    @property
    def goes_to(self) -> str:
        """Where it leads, without anything secret."""
        channel = self.channel
        if channel.kind == ChannelKind.EMAIL:
            given = recipients(channel.config) if "recipients" in channel.config else []
            others = f" and {len(given) - SHOWN_RECIPIENTS} more" if len(given) > SHOWN_RECIPIENTS else ""
            return ", ".join(given[:SHOWN_RECIPIENTS]) + others
        if channel.kind == ChannelKind.WEBHOOK:
            return webhook.origin_of(str((channel.secrets or {}).get("url", "")))
        if channel.kind == ChannelKind.APPRISE:
            return apprise.name_of(str((channel.secrets or {}).get("url", "")))
        return "open pages"


def channel_rows(channels: Sequence[Channel]) -> list[ChannelRow]:
    """The rows for channels, in four queries."""
    pks = [channel.pk for channel in channels]
    newest = Notification.objects.filter(channel=OuterRef("pk")).exclude(status=NotificationStatus.SUPPRESSED)
    last_of = dict(
        Channel.objects.filter(pk__in=pks)
        .annotate(last=Subquery(newest.order_by("-id").values("pk")[:1]))
        .values_list("pk", "last")
    )
    last = Notification.objects.in_bulk([number for number in last_of.values() if number])
    failed = Notification.objects.filter(status=NotificationStatus.FAILED, created_at__gte=timezone.now() - LATELY)
    counts = dict(failed.filter(channel__in=pks).order_by().values_list("channel").annotate(Count("pk")))
    used: dict[int, list[Route]] = {}
    for sets in ("channels", "escalate_to"):
        for route in Route.objects.filter(**{f"{sets}__in": pks}).distinct().prefetch_related(sets):
            for channel in getattr(route, sets).all():
                if route not in used.setdefault(channel.pk, []):
                    used[channel.pk].append(route)
    return [
        ChannelRow(one, last.get(last_of.get(one.pk) or 0), counts.get(one.pk, 0), used.get(one.pk, []))
        for one in channels
    ]


class ChannelList(ListFilter[Channel]):
    """Channels by name, each with its figures."""

    filters = {
        "kind": Choice(ChannelKind.choices, "kind"),
        "search": Search(("name",)),
    }
    order = ("name",)

    def base(self) -> QuerySet[Channel]:
        return Channel.objects.all()

    def page(self) -> Page[Any]:
        page = super().page()
        rows: Any = channel_rows(page.rows)
        return replace(page, rows=rows)

    @property
    def offered(self) -> list[Chip]:
        """The kinds, where there is more than one."""
        found = [chip for chip in self.chips("kind") if chip.current or chip.count]
        return found if len(found) > 1 else []


class RouteList(ListFilter[Route]):
    """Routes in the order in which they are asked."""

    filters = {"search": Search(("name",))}
    order = ("position", "id")

    def base(self) -> QuerySet[Route]:
        return Route.objects.prefetch_related("channels", "escalate_to")


class InhibitionList(ListFilter[Inhibition]):
    """Inhibitions by name."""

    filters = {"search": Search(("name",))}
    order = ("name",)

    def base(self) -> QuerySet[Inhibition]:
        return Inhibition.objects.all()


class NotificationList(ListFilter[Notification]):
    """Notifications, the newest first: what was sent, what was not, and what failed."""

    filters = {
        "status": Choice(NotificationStatus.choices, "status"),
        "kind": Choice(NotificationKind.choices, "kind"),
        "channel": Exact("channel_id", whole=True),
        "route": Exact("route_id", whole=True),
        "alert": Exact("alerts", whole=True),
        "since": Moment("created_at__gte"),
        "until": Moment("created_at__lt"),
    }
    order = ("-id",)

    def base(self) -> QuerySet[Notification]:
        return Notification.objects.select_related("channel", "route").defer("channel__secrets")

    @property
    def offered(self) -> list[Chip]:
        return [chip for chip in self.chips("status") if chip.current or chip.count]


def route_words(route: Route) -> str:
    """Which alerts a route takes: ``critical or warning, agent starts with billing``."""
    parts = [" or ".join(route.severities)] if route.severities else []
    parts += [matchers.words(route.matchers)] if route.matchers else []
    return ", ".join(parts) or "every alert"


def quiet_words(route: Route) -> str:
    return quiet.words(route.quiet, settings.TIME_ZONE)


def inhibition_words(rule: Inhibition) -> str:
    """The whole rule as a sentence."""
    equal = f" with the same {', '.join(rule.equal)}" if rule.equal else ""
    return (
        f"While an alert fires whose {matchers.words(rule.source)}, "
        f"nobody is told of alerts whose {matchers.words(rule.target)}{equal}."
    )
