"""Pages of resources: the list, a resource with who holds and who waits, and what can be done about it."""

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone

from agents import reservations, resource_rows, resources
from agents.models import Reservation, Resource
from agents.resource_forms import ResourceForm
from agents.resource_listing import ResourceList
from orchestra.kernel import access, fragments, saved_filters
from orchestra.kernel.errors import NotFound
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import carried_out, done, page, validation

LIST_REGIONS = {"resources": "agents/parts/resources.html"}
RESOURCE_REGIONS = {
    "resource-head": "agents/parts/resource_head.html",
    "resource-holders": "agents/parts/resource_holders.html",
    "resource-line": "agents/parts/resource_line.html",
    "resource-history": "agents/parts/resource_history.html",
    "resource-panels": "parts/panels.html",
}


@page()
def all_resources(request: PageRequest) -> HttpResponse:
    if to := saved_filters.opening(request, "resources"):
        return HttpResponseRedirect(to)
    listing = ResourceList(request.GET.dict())
    shown = listing.page()
    context = {
        "listing": listing,
        "shelf": lambda: saved_filters.shelf(request, "resources"),
        "rows": lambda: resource_rows.rows_of(shown.rows),
        "is_empty": not shown.rows,
        "may_add": access.can(request.user, "resources.create"),
        "previous_url": shown.previous and listing.page_link(shown.previous),
        "next_url": shown.next and listing.page_link(shown.next),
    }
    return fragments.render(request, "agents/resources.html", context, regions=LIST_REGIONS)


@page("GET", "POST")
def resource(request: PageRequest, pk: int) -> HttpResponse:
    if request.method == "POST":
        access.check(request.actor, "resources.change")
    shown = _found(pk)
    form = ResourceForm(request.POST or None, initial=ResourceForm.filled(shown))
    if "X-Validate" in request.headers:
        return _validation(form)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        changed = carried_out(form, resources.change, pk, form.values(), by=request.actor, reason=reason)
        if changed is not None:
            return done(request, "resource", f"{changed.name} was changed.", pk)
    return _resource_page(request, shown, form)


@page("GET", "POST", permission="resources.create")
def add(request: PageRequest) -> HttpResponse:
    form = ResourceForm(request.POST or None)
    if "X-Validate" in request.headers:
        return _validation(form)
    if form.is_valid():
        made = carried_out(form, resources.create, form.values(), by=request.actor, reason=form.cleaned_data["reason"])
        if made is not None:
            return done(request, "resource", f"{made.name} was added.", made.pk)
    return render(request, "agents/resource_form.html", {"form": form, "known_types": _known_types()})


@page("POST")
def remove(request: PageRequest, pk: int) -> HttpResponse:
    shown = _found(pk)
    resources.remove(pk, by=request.actor, reason=request.POST.get("reason", "")[:1000])
    return done(request, "resources", f"{shown.name} was removed.")


@page("POST")
def release(request: PageRequest, pk: int) -> HttpResponse:
    """Take back what a reservation holds, and go back to the resource it was looked at from."""
    row = reservations.release(pk, by=request.actor, reason=request.POST.get("reason", "")[:1000])
    back = request.POST.get("resource", "")
    said = f"What {row.holder} held was taken back."
    return done(request, "resource", said, int(back)) if back.isdigit() else done(request, "resources", said)


@page()
def reservation(request: PageRequest, pk: int) -> HttpResponse:
    """A reservation's address for links from the audit trail: its holder, or the list if no page shows that."""
    row = Reservation.objects.filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such reservation; it may have been removed.")
    return done(request, resource_rows.address(row) or "resources")


def _resource_page(request: PageRequest, shown: Resource, form: ResourceForm) -> HttpResponse:
    context: dict[str, Any] = {
        "resource": shown,
        "row": lambda: resource_rows.rows_of([shown], holders=0)[0],
        "holders": lambda: resource_rows.holders_of(shown),
        "line": lambda: resource_rows.line_for(shown),
        "history": lambda: resource_rows.history_of(shown),
        "now": timezone.now(),
        "form": form,
        "known_types": _known_types,
        "may_change": access.can(request.user, "resources.change"),
        "may_release": access.can(request.user, "resources.release"),
        "panels": lambda: fragments.panels("resource", shown, request),
        "panels_id": "resource-panels",
        "panel_topics": f"resource:{shown.pk}",
    }
    return fragments.render(request, "agents/resource.html", context, regions=RESOURCE_REGIONS)


def _found(pk: int) -> Resource:
    found = Resource.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such resource; it may have been removed, so go back to the list.")
    return found


def _known_types() -> list[str]:
    return list(Resource.objects.order_by("type").values_list("type", flat=True).distinct()[:100])


def _validation(form: ResourceForm) -> HttpResponse:
    if form.is_valid():
        carried_out(form, resources.check, form.values())
    return validation(form)
