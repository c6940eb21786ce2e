"""Pages of figures over time."""

from django.http import HttpResponse
from django.utils import timezone

from monitoring.explorer.page import Page
from orchestra.kernel import fragments
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import page

REGIONS = {"figures": "monitoring/parts/figures.html"}


@page()
def figures(request: PageRequest, kind: str = "") -> HttpResponse:
    shown = Page(request.GET, timezone.now(), kind)
    context = {"shown": shown, "board": shown.board, "window": shown.window}
    return fragments.render(request, "monitoring/figures.html", context, regions=REGIONS)
