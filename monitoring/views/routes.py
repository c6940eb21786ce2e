"""Pages of routes and inhibitions: the list in order with a try-out, and their forms."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from monitoring.models import Inhibition, Route
from monitoring.notification import inhibitions, listing, recorded, routes, routing
from monitoring.notification.listing import InhibitionList, RouteList
from monitoring.notification.route_forms import InhibitionForm, RouteForm, TryForm
from monitoring.notification.routing import Rules, Way
from orchestra.kernel import access, fragments
from orchestra.kernel.errors import NotFound
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import done, page, validation

REGIONS = {
    "routes": "monitoring/parts/routes.html",
    "inhibitions": "monitoring/parts/inhibitions.html",
    "route-tried": "monitoring/parts/route_tried.html",
}
MAX_REASON = 1000
ALL = "200"


@page()
def all_routes(request: PageRequest) -> HttpResponse:
    form = TryForm(request.GET if "severity" in request.GET else None)
    context = {
        "rows": lambda: [_row(route) for route in RouteList({"limit": ALL}).page().rows],
        "inhibitions": lambda: [
            (one, listing.inhibition_words(one)) for one in InhibitionList({"limit": ALL}).page().rows
        ],
        "form": form,
        "may_change": access.can(request.user, "routes.change"),
        **_tried(form),
    }
    return fragments.render(request, "monitoring/routes.html", context, regions=REGIONS)


@page("GET", "POST", permission="routes.create")
def add(request: PageRequest) -> HttpResponse:
    form = RouteForm(request.POST or None)
    if "X-Validate" in request.headers:
        return _validated(form)
    if form.is_valid():
        given = {"by": request.actor, "reason": form.cleaned_data["reason"]}
        made = form.carried_out(lambda: routes.create(form.values(), **given))
        if made is not None:
            return done(request, "routes", f"The route {made.name} was added, after all others; move it up if need be.")
    return render(request, "monitoring/route_form.html", {"form": form})


@page("GET", "POST", permission="routes.change")
def edit(request: PageRequest, pk: int) -> HttpResponse:
    shown = Route.objects.filter(pk=pk).first()
    if shown is None:
        raise NotFound("There is no such route; it may have been removed, so go back to the list.")
    form = RouteForm(request.POST or None, route=shown)
    if "X-Validate" in request.headers:
        return _validated(form)
    if form.is_valid():
        given = {"by": request.actor, "reason": form.cleaned_data["reason"]}
        if form.carried_out(lambda: routes.change(pk, form.values(), **given)) is not None:
            return done(request, "routes", f"The route {form.cleaned_data['name']} was changed.")
    context = {
        "form": form,
        "route": shown,
        "panels": fragments.panels("route", shown, request),
        "panels_id": "route-panels",
        "panel_topics": f"route:{pk}",
    }
    return render(request, "monitoring/route_form.html", context)


@page("POST")
def move(request: PageRequest, pk: int, up: bool) -> HttpResponse:
    moved = routes.move(pk, up=up, by=request.actor)
    return done(request, "routes", f"{moved.name} is asked {'earlier' if up else 'later'} now.")


@page("POST")
def switch(request: PageRequest, pk: int, enabled: bool) -> HttpResponse:
    changed = routes.change(pk, {"enabled": enabled}, by=request.actor, reason=_reason(request))
    return done(request, "routes", f"{changed.name} is {'on' if enabled else 'off'}.")


@page("POST")
def remove(request: PageRequest, pk: int) -> HttpResponse:
    routes.remove(pk, by=request.actor, reason=_reason(request))
    return done(request, "routes", "The route was removed.")


@page("GET", "POST", permission="inhibitions.create")
def add_inhibition(request: PageRequest) -> HttpResponse:
    form = InhibitionForm(request.POST or None)
    if "X-Validate" in request.headers:
        return _validated_inhibition(form)
    if form.is_valid():
        given = {"by": request.actor, "reason": form.cleaned_data["reason"]}
        made = form.carried_out(lambda: inhibitions.create(form.values(), **given))
        if made is not None:
            return done(request, "routes", f"The inhibition {made.name} was added.")
    return render(request, "monitoring/inhibition_form.html", {"form": form})


@page("GET", "POST", permission="inhibitions.change")
def inhibition(request: PageRequest, pk: int) -> HttpResponse:
    shown = Inhibition.objects.filter(pk=pk).first()
    if shown is None:
        raise NotFound("There is no such inhibition; it may have been removed, so go back to the list.")
    form = InhibitionForm(request.POST or None, rule=shown)
    if "X-Validate" in request.headers:
        return _validated_inhibition(form)
    if form.is_valid():
        given = {"by": request.actor, "reason": form.cleaned_data["reason"]}
        if form.carried_out(lambda: inhibitions.change(pk, form.values(), **given)) is not None:
            return done(request, "routes", f"The inhibition {form.cleaned_data['name']} was changed.")
    context = {
        "form": form,
        "rule": shown,
        "panels": fragments.panels("inhibition", shown, request),
        "panels_id": "inhibition-panels",
        "panel_topics": f"inhibition:{pk}",
    }
    return render(request, "monitoring/inhibition_form.html", context)


@page("POST")
def switch_inhibition(request: PageRequest, pk: int, enabled: bool) -> HttpResponse:
    changed = inhibitions.change(pk, {"enabled": enabled}, by=request.actor, reason=_reason(request))
    return done(request, "routes", f"{changed.name} is {'on' if enabled else 'off'}.")


@page("POST")
def remove_inhibition(request: PageRequest, pk: int) -> HttpResponse:
    inhibitions.remove(pk, by=request.actor, reason=_reason(request))
    return done(request, "routes", "The inhibition was removed.")


def _row(route: Route) -> dict[str, Any]:
    return {"route": route, "takes": listing.route_words(route), "quiet": listing.quiet_words(route)}


def _rule(rule: Inhibition) -> tuple[Inhibition, str]:
    return rule, listing.inhibition_words(rule)


def _tried(form: TryForm) -> dict[str, Any]:
    """Which route takes the alert that was asked about, the silence and what else hides it now."""
    if not form.is_valid():
        return {"way": None}
    now = timezone.now()
    rules: Rules = recorded.rules(now)
    labels = form.labels()
    way: Way = routing.way_of(rules, labels)
    silence = routing.silenced_by(rules, labels, now.timestamp())
    sources = routing.Sources([(fact.id, fact.labels) for fact in recorded.loud_facts()] if rules.inhibitions else [])
    return {
        "way": way,
        "ends": [(route, recorded.when_words(route, now)) for route in way.routes],
        "silence": silence,
        "inhibited": routing.inhibited_by(rules, 0, labels, sources),
    }


def _reason(request: PageRequest) -> str:
    return request.POST.get("reason", "")[:MAX_REASON]


def _validated(form: RouteForm) -> HttpResponse:
    if form.is_valid():
        form.carried_out(lambda: routes.check({**routes.DEFAULTS, **form.values()}))
    return validation(form)


def _validated_inhibition(form: InhibitionForm) -> HttpResponse:
    if form.is_valid():
        form.carried_out(lambda: inhibitions.check({**inhibitions.DEFAULTS, **form.values()}))
    return validation(form)
