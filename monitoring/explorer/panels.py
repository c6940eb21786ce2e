"""Charts on the pages of workflows and queues, which their own floor cannot draw: it does not collect them."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from monitoring.explorer import ranges
from monitoring.explorer.charts import Board
from monitoring.explorer.drawings import DRAWINGS
from monitoring.explorer.ranges import RANGES
from orchestra.kernel.registry import Panel

DRAWN = {"workflow": ("runs", "durations"), "queue": ("queue_waiting", "queue_oldest_wait")}
TEMPLATE = "monitoring/parts/figures_panel.html"


def address(kind: str, subject: str) -> str:
    """The page with all figures of one subject."""
    return f"{reverse('figures')}?{urlencode([('kind', kind), ('subject', subject)])}"


def panels() -> list[tuple[str, Panel]]:
    """The panels by the page that they belong to."""
    return [(kind, Panel(TEMPLATE, _context_of(kind))) for kind in DRAWN]


def _context_of(kind: str) -> Any:
    def context(subject: Any, request: HttpRequest) -> dict[str, Any]:
        now = timezone.now()
        drawings = [DRAWINGS[kind][name] for name in DRAWN[kind]]
        asked = request.GET.get("range", "")
        window = ranges.read({"range": asked if asked in RANGES else ranges.USUAL}, now)
        board = Board(drawings, {subject.name: subject.name}, window, now, request.GET.get("compare") == "week")
        return {
            "board": board,
            "ranges": [(name, label, name == window.name) for name, (label, _) in RANGES.items()],
            "more_url": address(kind, subject.name),
        }

    return context
