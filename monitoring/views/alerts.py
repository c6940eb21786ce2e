"""Pages of alerts: the list, one with all that is known of it, and what people do to them."""

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from monitoring.alerting import alert_chart, alert_rows, alerts
from monitoring.alerting.alert_forms import AcknowledgeForm, OwnerForm
from monitoring.alerting.alert_listing import AlertList
from monitoring.alerting.alert_rows import AlertRows
from monitoring.alerting.alert_story import story
from monitoring.models import Alert
from monitoring.notification import silences, told
from monitoring.watch import Watch
from orchestra.kernel import access, fragments, saved_filters
from orchestra.kernel.errors import NotFound, field_error
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.lists import Chip, Selection
from orchestra.kernel.pages import carried_out, done, done_to_many, page

LIST_REGIONS = {
    "alerts": "monitoring/parts/alerts.html",
    "alerts-watch": "monitoring/parts/alerts_watch.html",
    "silences-ending": "monitoring/parts/silences_ending.html",
}
REGIONS = {
    "alert-head": "monitoring/parts/alert_head.html",
    "alert-facts": "monitoring/parts/alert_facts.html",
    "alert-chart": "monitoring/parts/alert_chart.html",
    "alert-story": "monitoring/parts/alert_story.html",
    "alert-told": "monitoring/parts/alert_told.html",
    "alert-panels": "parts/panels.html",
}
BULK = (
    (
        "acknowledge",
        "Acknowledge",
        "For four hours nobody is reminded of them. What you write becomes their note.",
        False,
    ),
    ("resolve", "Resolve", "They end now. What still breaches fires again after its time.", True),
)
MAX_REASON = 1000
SHOWN_LIKE = 8


@page()
def all_alerts(request: PageRequest) -> HttpResponse:
    if to := saved_filters.opening(request, "alerts"):
        return HttpResponseRedirect(to)
    listing = AlertRows(request.GET.dict())
    listing.holding(fragments.seen(request, "alerts"))
    found = listing.page()
    context = {
        "listing": listing,
        "shelf": lambda: saved_filters.shelf(request, "alerts"),
        "shown": found,
        "rows": found.rows,
        "watch": Watch(timezone.now()),
        "ending": SimpleLazyObject(lambda: silences.ending_soon(timezone.now())),
        "offered": lambda: [*listing.offered, *_of_owner(listing, request.user.username)],
        "bulk_actions": _offered(request),
        "bulk_url": reverse("alerts-bulk"),
        "previous_url": found.previous and listing.page_link(found.previous),
        "next_url": found.next and listing.page_link(found.next),
    }
    return fragments.render(request, "monitoring/alerts.html", context, regions=LIST_REGIONS)


@page()
def alert(request: PageRequest, pk: int) -> HttpResponse:
    return _alert_page(request, _found(pk))


@page("GET", "POST")
def acknowledge(request: PageRequest, pk: int) -> HttpResponse:
    if request.method != "POST":  # the address of a dialog that was refused, loaded again
        return redirect("alert", pk)
    shown = _found(pk)
    form = AcknowledgeForm(request.POST, alert=shown)
    if form.is_valid():
        given = {"until": form.end(timezone.now()), "note": form.cleaned_data["note"]}
        if carried_out(form, alerts.acknowledge, pk, by=request.actor, **given) is not None:
            return done(request, "alert", "You look after it; nobody is reminded of it until then.", pk)
    return _alert_page(request, shown, acknowledging=form)


@page("GET", "POST")
def extend(request: PageRequest, pk: int) -> HttpResponse:
    """Let an acknowledgement, anybody's, last longer; the note is kept with it."""
    if request.method != "POST":
        return redirect("alert", pk)
    shown = _found(pk)
    form = AcknowledgeForm(request.POST, alert=shown)
    if not form.is_valid():
        return _alert_page(request, shown, acknowledging=form)
    if carried_out(form, alerts.extend, pk, form.end(timezone.now()), by=request.actor) is not None:
        alerts.note(pk, form.cleaned_data["note"], by=request.actor)
        return done(request, "alert", "Nobody is reminded of it until then.", pk)
    return _alert_page(request, shown, acknowledging=form)


@page("POST")
def unacknowledge(request: PageRequest, pk: int) -> HttpResponse:
    alerts.unacknowledge(pk, by=request.actor, reason=_reason(request))
    return done(request, "alert", "People are reminded of it again.", pk)


@page("GET", "POST")
def assign(request: PageRequest, pk: int) -> HttpResponse:
    if request.method != "POST":
        return redirect("alert", pk)
    shown = _found(pk)
    form = OwnerForm(request.POST, alert=shown)
    if form.is_valid():
        owner = form.cleaned_data["owner"]
        if carried_out(form, alerts.assign, pk, owner, by=request.actor) is not None:
            return done(request, "alert", f"{owner.label} looks after it." if owner else "Nobody looks after it.", pk)
    return _alert_page(request, shown, assigning=form)


@page("POST")
def note(request: PageRequest, pk: int) -> HttpResponse:
    alerts.note(pk, request.POST.get("note", "").replace("\r\n", "\n"), by=request.actor)
    return done(request, "alert", "The note is kept.", pk)


@page("POST")
def resolve(request: PageRequest, pk: int) -> HttpResponse:
    alerts.resolve(pk, by=request.actor, reason=_reason(request))
    return done(request, "alert", "It is resolved; if it still breaches, it fires again after its time.", pk)


@page("POST")
def act_on_alerts(request: PageRequest) -> HttpResponse:
    selection, reason = Selection.read(request.POST, AlertList), _reason(request)
    action = request.POST.get("action", "")
    if action == "acknowledge":
        tally = alerts.acknowledge_many(selection, by=request.actor, reason=reason)
    elif action == "resolve":
        tally = alerts.resolve_many(selection, by=request.actor, reason=reason)
    else:
        raise field_error("action", f"Choose one of {', '.join(name for name, *_ in BULK)}.")
    return done_to_many(request, tally, "alerts")


def _of_owner(listing: AlertRows, name: str) -> list[Chip]:
    """What one looks after oneself, as long as nobody else's is asked for."""
    return [] if "owner" in listing.params else [Chip("mine", listing.link(owner=name), current=False)]


def _offered(request: PageRequest) -> list[dict[str, Any]]:
    return [
        {"name": name, "label": label, "says": says, "needs_reason": needs_reason}
        for name, label, says, needs_reason in BULK
        if access.can(request.user, f"alerts.{name}")
    ]


def _found(pk: int) -> Alert:
    found = Alert.objects.select_related("threshold", "owner").filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such alert; go back to the list.")
    return found


def _alert_page(
    request: PageRequest,
    shown: Alert,
    acknowledging: AcknowledgeForm | None = None,
    assigning: OwnerForm | None = None,
) -> HttpResponse:
    now = timezone.now()
    about = {"subject_kind": shown.subject_kind, "subject_id": shown.subject_id}
    like = Alert.objects.filter(**about).exclude(pk=shown.pk).select_related("threshold", "owner").order_by("-pk")
    context: dict[str, Any] = {
        "alert": shown,
        "row": SimpleLazyObject(lambda: alert_rows.read([shown], now)[0]),
        "chart": SimpleLazyObject(lambda: alert_chart.of(shown, now)),
        "story": SimpleLazyObject(lambda: story(shown)),
        "notifications": SimpleLazyObject(lambda: told.of(shown.pk)),
        "like": SimpleLazyObject(lambda: alert_rows.read(list(like[:SHOWN_LIKE]), now)),
        "acknowledge_form": acknowledging or AcknowledgeForm(alert=shown),
        "owner_form": assigning or OwnerForm(alert=shown),
        "may_act": access.can(request.user, "alerts.acknowledge"),
        "may_silence": access.can(request.user, "silences.create"),
        "panels": lambda: fragments.panels("alert", shown, request),
        "panels_id": "alert-panels",
        "panel_topics": f"alert:{shown.pk}",
    }
    return fragments.render(request, "monitoring/alert.html", context, regions=REGIONS)


def _reason(request: PageRequest) -> str:
    return request.POST.get("reason", "")[:MAX_REASON]
