"""Pages of schedules: the list, one of them, its form with what that means, and what can be done to it."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from orchestra.kernel import access, fragments, secrets
from orchestra.kernel.errors import NotFound
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import carried_out, done, page, validation
from workflows import cron, schedules
from workflows.models import Run, Schedule
from workflows.schedule_forms import ScheduleForm
from workflows.schedule_list import ScheduleList, whole

LIST_REGIONS = {"schedules": "workflows/parts/schedules.html"}
REGIONS = {
    "schedule-head": "workflows/parts/schedule_head.html",
    "schedule-times": "workflows/parts/schedule_times.html",
    "schedule-runs": "workflows/parts/schedule_runs.html",
    "schedule-panels": "parts/panels.html",
}
SHOWN_RUNS = 10
SHOWN_TIMES = 5
MAX_REASON = 1000


@page()
def all_schedules(request: PageRequest) -> HttpResponse:
    listing = ScheduleList(request.GET.dict())
    found = listing.page()
    context = {
        "listing": listing,
        "schedules": found.rows,
        "may_add": access.can(request.user, "schedules.change"),
        "may_operate": access.can(request.user, "schedules.operate"),
        "previous_url": found.previous and listing.page_link(found.previous),
        "next_url": found.next and listing.page_link(found.next),
    }
    return fragments.render(request, "workflows/schedules.html", context, regions=LIST_REGIONS)


@page()
def schedule(request: PageRequest, pk: int) -> HttpResponse:
    shown = _found(pk)
    context = {
        "schedule": shown,
        "input": secrets.mask(shown.input),
        "times": shown.upcoming(timezone.now(), SHOWN_TIMES) if shown.enabled else [],
        "zone": shown.timezone,
        "viewer_zone": _viewer_zone(request),
        "runs": SimpleLazyObject(lambda: _runs_of(shown)),
        "may_change": access.can(request.user, "schedules.change"),
        "may_operate": access.can(request.user, "schedules.operate"),
        "panels": lambda: fragments.panels("schedule", shown, request),
        "panels_id": "schedule-panels",
        "panel_topics": f"schedule:{pk}",
    }
    return fragments.render(request, "workflows/schedule.html", context, regions=REGIONS)


@page("GET", "POST", permission="schedules.change")
def add(request: PageRequest) -> HttpResponse:
    form = ScheduleForm(request.POST or None, initial={"workflow": request.GET.get("workflow", "")})
    if "X-Validate" in request.headers:
        return _validation(form)
    if form.is_valid():
        made = carried_out(form, form.spoken, lambda: schedules.create(form.values(), **_signed(request, form)))
        if made is not None:
            return done(request, "schedule", f"{made.name} was added.", made.pk)
    return _form_page(request, form)


@page("GET", "POST", permission="schedules.change")
def edit(request: PageRequest, pk: int) -> HttpResponse:
    shown = _found(pk)
    form = ScheduleForm(request.POST or None, initial=ScheduleForm.filled(shown))
    if "X-Validate" in request.headers:
        return _validation(form)
    if form.is_valid():
        made = carried_out(form, form.spoken, lambda: schedules.change(pk, form.values(), **_signed(request, form)))
        if made is not None:
            return done(request, "schedule", f"{made.name} was changed.", pk)
    return _form_page(request, form, schedule=shown)


@page()
def preview(request: PageRequest) -> HttpResponse:
    """What the expression being typed means, and when it comes next: a part of the form's page."""
    context = _meaning(request, request.GET.get("cron", ""), request.GET.get("timezone", ""))
    return render(request, "workflows/parts/schedule_preview.html", context)


@page("POST")
def switch(request: PageRequest, pk: int, enabled: bool) -> HttpResponse:
    verb = schedules.enable if enabled else schedules.disable
    changed = verb(pk, by=request.actor, reason=_reason(request))
    said = "fires again at its times." if enabled else "does not fire any more."
    if request.POST.get("back") == "list":
        return done(request, "schedules", f"{changed.name} {said}")
    return done(request, "schedule", f"{changed.name} {said}", pk)


@page("POST")
def fire(request: PageRequest, pk: int) -> HttpResponse:
    run = schedules.fire_now(pk, by=request.actor, reason=_reason(request))
    return done(request, "schedule", f"Run #{run.pk} has begun.", pk)


@page("POST")
def remove(request: PageRequest, pk: int) -> HttpResponse:
    name = _found(pk).name
    schedules.remove(pk, by=request.actor, reason=_reason(request))
    return done(request, "schedules", f"{name} was removed.")


def _found(pk: int) -> Schedule:
    found = whole().filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such schedule; it may have been removed, so go back to the list.")
    return found


def _runs_of(shown: Schedule) -> list[Run]:
    runs = Run.objects.filter(serves_kind="schedule", serves_id=str(shown.pk)).select_related("version__workflow")
    return list(runs.defer("version__definition", "input", "output").order_by("-pk")[:SHOWN_RUNS])


def _viewer_zone(request: HttpRequest) -> str:
    """The time zone of the person's browser, which ``static/js/zone.js`` tells; else that of the settings."""
    told = request.COOKIES.get("zone", "")
    return told if told in cron.zones() else settings.TIME_ZONE


def _meaning(request: HttpRequest, when: str, zone: str) -> dict[str, Any]:
    """What the preview shows: a fault, or the expression in words and its next times."""
    if not when.strip():
        return {"fault": ""}
    fault = cron.fault(when) or cron.fault_of_zone(zone)
    if fault:
        return {"fault": fault}
    return {
        "words": cron.describe(when),
        "times": cron.upcoming(when, zone, timezone.now(), SHOWN_TIMES),
        "zone": zone,
        "viewer_zone": _viewer_zone(request),
    }


def _reason(request: PageRequest) -> str:
    return request.POST.get("reason", "")[:MAX_REASON]


def _signed(request: PageRequest, form: ScheduleForm) -> dict[str, Any]:
    return {"by": request.actor, "reason": form.cleaned_data["reason"]}


def _validation(form: ScheduleForm) -> HttpResponse:
    if form.is_valid():
        carried_out(form, form.spoken, lambda: schedules.check(form.values()))
    return validation(form)


def _form_page(request: HttpRequest, form: ScheduleForm, **more: Any) -> HttpResponse:
    when, zone = (str(form[name].value() or "") for name in ("cron", "timezone"))
    context = {"form": form, "zones": cron.zones(), **_meaning(request, when, zone), **more}
    return render(request, "workflows/schedule_form.html", context)
