"""Pages of the audit trail."""

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.functional import SimpleLazyObject

from monitoring.audit import entries, export, facets, seal
from monitoring.audit.story import Story
from monitoring.audit.story import around as story_around
from monitoring.audit.trail import AuditList
from orchestra.kernel import access, fragments, saved_filters
from orchestra.kernel.errors import NotFound
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.models import Event
from orchestra.kernel.pages import done, page

AUDIT_REGIONS = {"audit-seal": "monitoring/parts/seal.html", "audit-list": "monitoring/parts/audit_list.html"}


@page()
def audit(request: PageRequest) -> HttpResponse:
    if to := saved_filters.opening(request, "audit"):
        return HttpResponseRedirect(to)
    listing = AuditList(request.GET.dict()).holding(fragments.seen(request, "audit-list"))
    found: Any = SimpleLazyObject(listing.page)
    context = {
        "listing": listing,
        "shown": found,
        "shelf": lambda: saved_filters.shelf(request, "audit"),
        "facets": lambda: facets.of(listing),
        "narrowed_by": facets.narrowed_by(listing),
        "actions": facets.actions,
        "own_fields": ("action", "since", "until", "cursor", "limit"),
        "since_field": facets.field_value(listing, "since"),
        "until_field": facets.field_value(listing, "until"),
        "days": lambda: entries.by_day(found.rows),
        "searched_back_to": lambda: None if found.next else listing.searched_back_to,
        "previous_url": lambda: found.previous and listing.page_link(found.previous),
        "next_url": lambda: found.next and listing.page_link(found.next),
        "seal": seal.seal,
        "may_verify": access.can(request.user, "audit.verify"),
    }
    return fragments.render(request, "monitoring/audit.html", context, regions=AUDIT_REGIONS)


@page()
def event(request: PageRequest, number: int) -> HttpResponse:
    found = Event.objects.filter(pk=number).select_related("detail").first()
    if found is None:
        raise NotFound("There is no event with this number; the audit trail lists those there are.")
    context = {
        "event": found,
        "entry": entries.entry(found),
        "columns": export.row_of(found).items(),
        "chapters": story_around(found) if found.correlation else None,
        "around": Event.objects.filter(number__in=[number - 1, number + 1]).order_by("number"),
    }
    return render(request, "monitoring/event.html", context)


@page()
def story(request: PageRequest, correlation: str) -> HttpResponse:
    told = Story(correlation, request.GET.dict())
    if told.first is None:
        raise NotFound("Nothing happened under this correlation; the audit trail lists what did.")
    context = {"story": told, "correlation": correlation}
    return fragments.render(request, "monitoring/story.html", context, regions={"story": "monitoring/parts/story.html"})


@page("POST")
def verify(request: PageRequest) -> HttpResponse:
    seal.begin(request.actor)
    return done(request, "audit", "The workers verify the audit trail from its first event.")
