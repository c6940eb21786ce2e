"""Pages of silences: the list, a new one with what it would hide, one with what it hides."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from monitoring.models import Alert, Silence
from monitoring.notification import silence_listing, silences, silencing
from monitoring.notification.silence_forms import SilenceForm
from monitoring.notification.silence_listing import SilenceList
from orchestra.kernel import access, fragments
from orchestra.kernel.errors import NotFound
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.lists import number_in
from orchestra.kernel.pages import carried_out, done, page, validation

LIST_REGIONS = {
    "silences": "monitoring/parts/silences.html",
    "silences-ending": "monitoring/parts/silences_ending.html",
}
REGIONS = {
    "silence-head": "monitoring/parts/silence_head.html",
    "silence-hides": "monitoring/parts/silence_hides.html",
    "silence-panels": "parts/panels.html",
}
MAX_REASON = 1000


@page()
def all_silences(request: PageRequest) -> HttpResponse:
    listing = SilenceList(request.GET.dict())
    found = listing.page()
    context = {
        "listing": listing,
        "rows": found.rows,
        "ending": SimpleLazyObject(lambda: silences.ending_soon(timezone.now())),
        "may_silence": access.can(request.user, "silences.create"),
        "previous_url": found.previous and listing.page_link(found.previous),
        "next_url": found.next and listing.page_link(found.next),
    }
    return fragments.render(request, "monitoring/silences.html", context, regions=LIST_REGIONS)


@page("GET", "POST", permission="silences.create")
def add(request: PageRequest) -> HttpResponse:
    """The form; ``?alert=7`` fills in the conditions that fit that alert and others like it."""
    number = number_in(request.GET.get("alert", ""))
    alert = Alert.objects.filter(pk=number).first() if number is not None else None
    form = SilenceForm(request.POST or None, alert=alert)
    if "X-Validate" in request.headers:
        return _validated(form)
    if form.is_valid():
        made = carried_out(form, silencing.create, form.values(timezone.now()), by=request.actor)
        if made is not None:
            return done(request, "silence", "The silence is there; this page shows what it hides.", made.pk)
    return render(request, "monitoring/silence_form.html", {"form": form, **_preview(form)})


@page("POST", permission="silences.create")
def preview(request: PageRequest) -> HttpResponse:
    """What the silence being typed would hide: a part of its form's page."""
    form = SilenceForm(request.POST)
    form.is_valid()
    return render(request, "monitoring/parts/silence_preview.html", {"form": form, **_preview(form)})


@page("GET", "POST")
def silence(request: PageRequest, pk: int) -> HttpResponse:
    """The page; a POST changes it."""
    shown = _found(pk)
    form = SilenceForm(request.POST or None, silence=shown)
    if "X-Validate" in request.headers:
        return _validated(form)
    if form.is_valid():
        changed = carried_out(form, silencing.change, pk, form.values(timezone.now()), by=request.actor)
        if changed is not None:
            return done(request, "silence", "The silence is changed.", pk)
    now = timezone.now()
    context: dict[str, Any] = {
        "silence": shown,
        "row": SimpleLazyObject(lambda: silence_listing.rows_of([shown], now)[0]),
        "form": form,
        "may_change": access.can(request.user, "silences.change") and silences.state_of(shown, now) != silences.ENDED,
        "panels": lambda: fragments.panels("silence", shown, request),
        "panels_id": "silence-panels",
        "panel_topics": f"silence:{pk}",
        **_preview(form),
    }
    return fragments.render(request, "monitoring/silence.html", context, regions=REGIONS)


@page("POST")
def end(request: PageRequest, pk: int) -> HttpResponse:
    silencing.end(pk, by=request.actor, reason=request.POST.get("reason", "")[:MAX_REASON])
    return done(request, "silence", "The silence has ended; what fires is told of again.", pk)


def _found(pk: int) -> Silence:
    found = Silence.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such silence; go back to the list.")
    return found


def _preview(form: SilenceForm) -> dict[str, Any]:
    """The open alerts that fit the conditions of the form; None while these have faults."""
    if form.is_bound:
        conditions = None if form["matchers"].errors else form.cleaned_data.get("matchers")
    else:
        conditions = form["matchers"].value() or None
    return {"fitting": SimpleLazyObject(lambda: silences.would_hide(conditions)) if conditions else None}


def _validated(form: SilenceForm) -> HttpResponse:
    if form.is_valid():
        values = {"starts_at": None, **form.values(timezone.now())}
        carried_out(form, _check, form.silence, values)
    return validation(form)


def _check(silence: Silence | None, values: dict[str, Any]) -> None:
    now = timezone.now()
    kept = {name: getattr(silence, name) for name in silencing.FIELDS} if silence else {}
    given = {**kept, **{name: value for name, value in values.items() if value is not None}}
    silencing.check({"starts_at": now, **given}, now)
