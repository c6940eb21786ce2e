"""What is recommended, on the pages of what it is about."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from monitoring.advice.listing import open_about
from monitoring.advice.shown import shown

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
