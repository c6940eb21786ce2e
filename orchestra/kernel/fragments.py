"""One address, page and fragments: the same view answers the whole page, or only the regions a browser asks for.

A region is an element with an id that one template part renders. The header ``X-Regions: steps side`` asks for those
two; the answer is their HTML one after the other, which the browser morphs into place.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render as render_page
from django.template.loader import render_to_string

from orchestra.kernel import registry
from orchestra.kernel.shared_renders import RENDERS

HEADER = "X-Regions"
SEEN = "X-Seen"
KNOWN = "X-Known"
"""The number of the last event that the browser has heard of."""
LONGEST_NUMBER = 19


class Shared(str):
    """The template part of a region that looks the same to everybody of one role.

    It holds no form, and nothing of the person's own: it is rendered once for all who ask at about the same time.
    """

    __slots__ = ()


PANELS_EVERY_S = 60
"""How often panels are asked for anew that hold what nobody tells of, such as figures collected meanwhile."""
FRAME: Mapping[str, str] = {
    "navigation": Shared("parts/navigation.html"),
    "bulk-matching": "parts/bulk_matching.html",
}
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
        parts = [_part(request, name, known[name], context) for name in asked if name in known]
        response = HttpResponse("\n".join(parts), status=status)
        response["Cache-Control"] = "no-store"
    response["Vary"] = f"{HEADER}, HX-Request, Cookie"
    return response


def _part(request: HttpRequest, name: str, template: str, context: Mapping[str, Any]) -> str:
    def make() -> str:
        return render_to_string(template, dict(context), request)

    known = request.headers.get(KNOWN, "")
    if not isinstance(template, Shared) or not (known.isascii() and known.isdigit() and len(known) < LONGEST_NUMBER):
        return make()
    key = (name, request.get_full_path(), request.headers.get(SEEN, ""), getattr(request.user, "role", ""))
    return RENDERS.get(key, int(known), make)


def seen(request: HttpRequest, region: str) -> str:
    """Where the list ``region`` began when the browser showed it (its ``data-seen``); empty if it may begin anew."""
    said = (entry.partition("=") for entry in request.headers.get(SEEN, "").split())
    return next((value for name, _, value in said if name == region), "")


class Panels(list[str]):
    """Rendered panels, and the ``topics`` that they, or those that have no content now, change with."""

    def __init__(self, rendered: Iterable[str], topics: Iterable[str]) -> None:
        super().__init__(rendered)
        self.topics = " ".join(sorted(set(topics)))


def panels(page: str, subject: Any, request: HttpRequest) -> Panels:
    """What other floors add to the page ``page`` about ``subject``, rendered; a panel without content is left out."""
    registered = registry.panels_of(page)
    found = [(panel, panel.context(subject, request)) for panel in registered]
    rendered = [render_to_string(panel.template, content, request) for panel, content in found if content is not None]
    return Panels(rendered, (topic for panel in registered for topic in panel.topics))
