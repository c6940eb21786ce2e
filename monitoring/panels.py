"""What this app adds to pages of other floors: what is recommended there, and an object's part of the audit trail."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from monitoring.advice.listing import open_about
from monitoring.advice.shown import shown
from monitoring.audit.entries import trail

PAGES = (
    "agent",
    "alert",
    "article",
    "channel",
    "inhibition",
    "inquiry",
    "notification",
    "pool",
    "queue",
    "resource",
    "route",
    "run",
    "schedule",
    "silence",
    "threshold",
    "workflow",
)
"""Pages of objects whose name there is also the kind of the object's events."""

ADVISED = ("agent", "pool", "resource", "threshold", "workflow")
"""Pages of what recommendations may be about."""


def advice_on(kind: str) -> Callable[[Any, HttpRequest], dict[str, Any] | None]:
    """The panel's context for objects of ``kind``; None where nothing is recommended."""

    def context(subject: Any, request: HttpRequest) -> dict[str, Any] | None:
        rows = open_about(kind, subject.pk)
        query = urlencode({"subject": f"{kind}:{subject.pk}"})
        url = f"{reverse('recommendations')}?{query}"
        return {"advised": [shown(row) for row in rows], "advice_url": url} if rows else None

    return context


def trail_of(kind: str) -> Callable[[Any, HttpRequest], dict[str, Any]]:
    """The panel's context for objects of ``kind``."""

    def context(subject: Any, request: HttpRequest) -> dict[str, Any]:
        query = urlencode({"target": f"{kind}:{subject.pk}"})
        return {"events": trail(kind, subject.pk), "trail_url": f"{reverse('audit')}?{query}"}

    return context
