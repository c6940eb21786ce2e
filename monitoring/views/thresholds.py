"""Pages of thresholds: the list, one with its editor and try-out, its form when it is new."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from monitoring.alerting import scopes, standings, threshold_try, thresholds, versions
from monitoring.alerting.limits import SCOPE_KINDS
from monitoring.alerting.listing import KINDS, StandingList
from monitoring.alerting.threshold_forms import ThresholdForm
from monitoring.metrics.catalogue import METRICS, of_kind
from monitoring.models import Threshold
from monitoring.views import threshold_actions
from orchestra.kernel import access, fragments, saved_filters
from orchestra.kernel.errors import NotFound
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.lists import number_in
from orchestra.kernel.pages import done, page, validation
from orchestra.kernel.refusals import record_refusal

LIST_REGIONS = {"thresholds": "monitoring/parts/thresholds.html"}
REGIONS = {
    "threshold-head": "monitoring/parts/threshold_head.html",
    "threshold-now": "monitoring/parts/threshold_now.html",
    "threshold-panels": "parts/panels.html",
}


@page()
def all_thresholds(request: PageRequest) -> HttpResponse:
    if to := saved_filters.opening(request, "thresholds"):
        return HttpResponseRedirect(to)
    listing = StandingList(request.GET.dict())
    found = listing.page()
    may_change = access.can(request.user, "thresholds.change")
    context = {
        "listing": listing,
        "shelf": lambda: saved_filters.shelf(request, "thresholds"),
        "rows": found.rows,
        "may_add": access.can(request.user, "thresholds.create"),
        "bulk_actions": threshold_actions.offered() if may_change else [],
        "bulk_url": reverse("thresholds-bulk"),
        "previous_url": found.previous and listing.page_link(found.previous),
        "next_url": found.next and listing.page_link(found.next),
    }
    return fragments.render(request, "monitoring/thresholds.html", context, regions=LIST_REGIONS)


@page("GET", "POST")
def threshold(request: PageRequest, pk: int) -> HttpResponse:
    """The page; a POST is the form, to be tried or saved."""
    shown = found(pk)
    form = ThresholdForm(request.POST or None, metric=METRICS[shown.metric], threshold=shown)
    if "X-Validate" in request.headers:
        return _validated(form)
    if not form.is_valid() or "try" in request.POST:
        return _page(request, shown, form)
    given = {"by": request.actor, "reason": form.cleaned_data["reason"], "seen": form.cleaned_data["version"]}
    try:
        changed = form.carried_out(lambda: thresholds.change(pk, form.values(), **given))
    except thresholds.Overtaken as refusal:
        record_refusal(request, refusal)
        return _overtaken(request, found(pk), refusal)
    if changed is None:
        return _page(request, shown, form)
    said = f"{changed.name} was changed." if changed.version != shown.version else "Nothing was changed."
    return done(request, "threshold", said, pk)


@page("GET", "POST", permission="thresholds.create")
def add(request: PageRequest) -> HttpResponse:
    """First which metric, then the form; both in the address."""
    metric = METRICS.get(request.GET.get("metric", ""))
    if metric is None:
        kinds = [(label, of_kind(kind)) for kind, label in KINDS]
        asked = urlencode({kind: word for kind, word in request.GET.items() if kind in SCOPE_KINDS})
        return render(request, "monitoring/threshold_metrics.html", {"kinds": kinds, "asked": asked})
    form = ThresholdForm(request.POST or None, metric=metric, **_scope_asked(request.GET))
    if "X-Validate" in request.headers:
        return _validated(form)
    if form.is_valid() and "try" not in request.POST:
        given = {"by": request.actor, "reason": form.cleaned_data["reason"]}
        made = form.carried_out(lambda: thresholds.create(form.values(), **given))
        if made is not None:
            return done(request, "threshold", f"{made.name} is looked at from the next tick.", made.pk)
    context = {"form": form, "metric": metric, "try_url": f"{reverse('threshold-try-new')}?metric={metric.name}"}
    return render(request, "monitoring/threshold_add.html", context | _edited(form) | _tried(request, form))


@page("GET", "POST")
def try_threshold(request: PageRequest, pk: int) -> HttpResponse:
    """What the threshold, or the form being typed, would have done: a part of the threshold's page."""
    shown = found(pk)
    form = ThresholdForm(request.POST or None, metric=METRICS[shown.metric], threshold=shown)
    context = {"try_url": reverse("threshold-try", args=[pk]), "may_change": _may_change(request)}
    return render(request, "monitoring/parts/threshold_tried.html", context | _tried(request, form))


@page("POST", permission="thresholds.create")
def try_new(request: PageRequest) -> HttpResponse:
    """The same for one that is being added."""
    metric = METRICS.get(request.GET.get("metric", ""))
    if metric is None:
        raise NotFound("There is no such metric; go back and choose one of the list.")
    form = ThresholdForm(request.POST, metric=metric)
    context = {"try_url": request.get_full_path(), "may_change": True}
    return render(request, "monitoring/parts/threshold_tried.html", context | _tried(request, form))


def found(pk: int) -> Threshold:
    row = Threshold.objects.filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such threshold; it may have been removed, so go back to the list.")
    return row


def _page(
    request: PageRequest, shown: Threshold, form: ThresholdForm, extra: Mapping[str, Any] | None = None
) -> HttpResponse:
    context: dict[str, Any] = {
        "threshold": shown,
        "standing": SimpleLazyObject(lambda: standings.read([shown], timezone.now())[0]),
        "facts": SimpleLazyObject(lambda: versions.facts(shown)),
        "metric": METRICS[shown.metric],
        "form": form,
        "may_change": _may_change(request),
        "try_url": reverse("threshold-try", args=[shown.pk]),
        "panels": lambda: fragments.panels("threshold", shown, request),
        "panels_id": "threshold-panels",
        "panel_topics": f"threshold:{shown.pk}",
        **_edited(form),
        **(_tried(request, form) if form.is_bound else {}),
        **(extra or {}),
    }
    status = 409 if extra else 422 if form.errors else 200
    return fragments.render(request, "monitoring/threshold.html", context, regions=REGIONS, status=status)


def _overtaken(request: PageRequest, shown: Threshold, refusal: thresholds.Overtaken) -> HttpResponse:
    """What was typed, with what somebody else has changed meanwhile; the next save is upon that."""
    data = request.POST.copy()
    seen = number_in(request.POST.get("version", "")) or 0
    data["version"] = str(shown.version)
    form = ThresholdForm(data, metric=METRICS[shown.metric], threshold=shown)
    form.is_valid()
    extra = {"overtaken": versions.since(shown, seen), "refusal": refusal.detail}
    return _page(request, shown, form, extra)


def _validated(form: ThresholdForm) -> HttpResponse:
    if form.is_valid():
        form.carried_out(lambda: thresholds.whole(form.values(), form.threshold))
    return validation(form)


def _tried(request: PageRequest, form: ThresholdForm) -> dict[str, Any]:
    """What the form says, or what is stored where nothing is typed, replayed over what was recorded."""
    rule = None
    if form.is_bound and form.is_valid():
        rule = form.carried_out(lambda: thresholds.whole(form.values(), form.threshold))
    elif not form.is_bound and form.threshold:
        rule = thresholds.values_of(form.threshold)
    asked = request.POST.get("subject", request.GET.get("subject", ""))
    factor = form.factor if _may_change(request) else None
    shown = rule or form.unjudged()
    tried = threshold_try.read(shown, asked, timezone.now(), factor=factor, is_faultless=rule is not None)
    return {"tried": tried, "form": form, "was_tried": True}


def _edited(form: ThresholdForm) -> dict[str, Any]:
    kinds = {value for value, _ in getattr(form.fields.get("scope_kind"), "choices", ())}
    return {
        "scope_names": SimpleLazyObject(lambda: [(k, names) for k, names in scopes.offered().items() if k in kinds])
    }


def _may_change(request: PageRequest) -> bool:
    return access.can(request.user, "thresholds.change")


def _scope_asked(params: QueryDict) -> dict[str, Any]:
    """The scope that the address asks for, as the form begins with it."""
    for kind in SCOPE_KINDS[1:]:
        if kind in params:
            return {"scope_kind": kind, "scope": params[kind]}
    return {}
