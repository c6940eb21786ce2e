"""The first page, at a desk and on a wall."""

from django.http import HttpResponse
from django.utils import timezone

from monitoring.notification import silences
from monitoring.now import Now
from orchestra.kernel import access, fragments
from orchestra.kernel.fragments import Shared
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import page

NOW_REGIONS = {
    "now-board": "monitoring/parts/board.html",
    "silences-ending": "monitoring/parts/silences_ending.html",
    "now-needs": Shared("monitoring/parts/needs.html"),
    "now-flow": Shared("monitoring/parts/flow.html"),
    "now-alerts": Shared("monitoring/parts/now_alerts.html"),
    "now-strain": Shared("monitoring/parts/strain.html"),
    "now-changes": Shared("monitoring/parts/changes.html"),
    "now-running": Shared("monitoring/parts/running.html"),
}


@page()
def wall(request: PageRequest) -> HttpResponse:
    """The first page for a screen on a wall."""
    shown = Now(request.user.pk, timezone.now())
    return fragments.render(request, "monitoring/wall.html", {"now": shown}, regions=NOW_REGIONS)


@page()
def now(request: PageRequest) -> HttpResponse:
    shown = Now(request.user.pk, timezone.now())
    context = {
        "now": shown,
        "ending": lambda: silences.ending_soon(shown.at),
        "may_add": access.can(request.user, "inquiries.create"),
    }
    return fragments.render(request, "monitoring/now.html", context, regions=NOW_REGIONS)
