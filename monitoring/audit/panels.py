"""What the audit trail adds to pages of other floors: an object's part of it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

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


def trail_of(kind: str) -> Callable[[Any, HttpRequest], dict[str, Any]]:
    """The panel's context for objects of ``kind``."""

    def context(subject: Any, request: HttpRequest) -> dict[str, Any]:
        query = urlencode({"target": f"{kind}:{subject.pk}"})
        return {"events": trail(kind, subject.pk), "trail_url": f"{reverse('audit')}?{query}"}

    return context
