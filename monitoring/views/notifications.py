"""Pages of notifications: the list, one with its attempts and the path of rules, and what is new for this browser."""

from typing import Any

from django.http import HttpResponse, JsonResponse

from monitoring.notification import delivery, news
from monitoring.notification.listing import NotificationList
from orchestra.kernel import access, fragments
from orchestra.kernel.errors import NotFound
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.lists import number_in
from orchestra.kernel.pages import done, page

LIST_REGIONS = {"notifications": "monitoring/parts/notifications.html"}
REGIONS = {
    "notification-head": "monitoring/parts/notification_head.html",
    "notification-told": "monitoring/parts/notification_told.html",
    "notification-panels": "parts/panels.html",
}
SHOWN_ALERTS = 50
MAX_REASON = 1000


@page()
def all_notifications(request: PageRequest) -> HttpResponse:
    found = NotificationList(request.GET.dict())
    shown = found.holding(fragments.seen(request, "notifications")).page()
    context = {
        "listing": found,
        "shown": shown,
        "rows": shown.rows,
        "previous_url": shown.previous and found.page_link(shown.previous),
        "next_url": shown.next and found.page_link(shown.next),
    }
    return fragments.render(request, "monitoring/notifications.html", context, regions=LIST_REGIONS)


@page()
def notification(request: PageRequest, pk: int) -> HttpResponse:
    shown = NotificationList({}).base().select_related("group").filter(pk=pk).first()
    if shown is None:
        raise NotFound("There is no such notification; it may have been removed, so go back to the list.")
    context: dict[str, Any] = {
        "notification": shown,
        "alerts": lambda: list(shown.alerts.order_by("-pk")[:SHOWN_ALERTS]),
        "count": shown.alerts.count,
        "may_retry": access.can(request.user, "notifications.retry"),
        "panels": lambda: fragments.panels("notification", shown, request),
        "panels_id": "notification-panels",
        "panel_topics": f"notification:{pk}",
    }
    return fragments.render(request, "monitoring/notification.html", context, regions=REGIONS)


@page("POST")
def retry(request: PageRequest, pk: int) -> HttpResponse:
    row = delivery.retry(pk, by=request.actor, reason=request.POST.get("reason", "")[:MAX_REASON])
    return done(request, "notification", f"It is sent again by {row.channel_name}.", pk)


@page()
def fresh(request: PageRequest) -> HttpResponse:
    """What a browser is to show since event ``since``, as JSON; without it only where it stands now."""
    since = number_in(request.GET.get("since", ""))
    return JsonResponse(news.since(since))
