"""One address, page and fragments: the same view answers the whole page, or only the regions a browser asks for.

A region is an element with an id that one template part renders. The header ``X-Regions: steps side`` asks for those
two; the answer is their HTML one after the other, which the browser morphs into place.
"""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render as render_page
from django.template.loader import render_to_string

from orchestra.kernel import registry

HEADER = "X-Regions"
SEEN = "X-Seen"
FRAME: Mapping[str, str] = {"navigation": "parts/navigation.html", "bulk-matching": "parts/bulk_matching.html"}
"""Regions that every page may have."""


def render(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    regions: Mapping[str, str],
    status: int = 200,
) -> HttpResponse:
    """Answer with ``template``, or with the parts that ``regions`` (region id → template part) has of those asked for.

    Values of ``context`` may be callables: a region that is not asked for then costs none of its queries.
    """
    asked = request.headers.get(HEADER, "").split()
    known = {**FRAME, **regions}
    if not asked:
        response = render_page(request, template, dict(context), status=status)
    else:
        parts = [render_to_string(known[name], dict(context), request) for name in asked if name in known]
        response = HttpResponse("\n".join(parts), status=status)
        response["Cache-Control"] = "no-store"
    response["Vary"] = f"{HEADER}, HX-Request, Cookie"
    return response


def seen(request: HttpRequest, region: str) -> str:
    """Where the list ``region`` began when the browser showed it (its ``data-seen``); empty if it may begin anew."""
    said = (entry.partition("=") for entry in request.headers.get(SEEN, "").split())
    return next((value for name, _, value in said if name == region), "")


def panels(page: str, subject: Any, request: HttpRequest) -> list[str]:
    """What other floors add to the page ``page`` about ``subject``, rendered; a panel without content is left out."""
    found = ((panel, panel.context(subject, request)) for panel in registry.panels_of(page))
    return [render_to_string(panel.template, content, request) for panel, content in found if content is not None]
