"""Pages of recommendations: the list, one of them with its evidence, and what can be done with it."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from monitoring.advice import actions, recommendations, shown
from monitoring.advice.families import RULES
from monitoring.advice.listing import OpenFirst
from monitoring.audit.entries import trail
from monitoring.models import AdviceStatus, Recommendation
from orchestra.kernel import access, fragments, saved_filters
from orchestra.kernel.errors import Invalid, NotFound
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import done, page

LIST_REGIONS = {"recommendations": "monitoring/parts/recommendations.html"}
REGIONS = {
    "recommendation-head": "monitoring/parts/recommendation_head.html",
    "recommendation-why": "monitoring/parts/recommendation_why.html",
    "recommendation-charts": "monitoring/parts/recommendation_charts.html",
    "recommendation-earlier": "monitoring/parts/recommendation_earlier.html",
    "recommendation-trail": "monitoring/parts/recommendation_trail.html",
}
DIALOGS = ("apply", "dismiss", "undo")
MAX_REASON = 1000


@page()
def all_recommendations(request: PageRequest) -> HttpResponse:
    if to := saved_filters.opening(request, "recommendations"):
        return HttpResponseRedirect(to)
    listing = OpenFirst(request.GET.dict()).holding(fragments.seen(request, "recommendations"))
    found: Any = SimpleLazyObject(listing.page)
    context = {
        "listing": listing,
        "shelf": lambda: saved_filters.shelf(request, "recommendations"),
        "found": found,
        "rows": SimpleLazyObject(lambda: [shown.shown(row) for row in found.rows]),
        "may_decide": access.can(request.user, "recommendations.dismiss"),
        "rules": len(RULES),
        "previous_url": lambda: found.previous and listing.page_link(found.previous),
        "next_url": lambda: found.next and listing.page_link(found.next),
    }
    return fragments.render(request, "monitoring/recommendations.html", context, regions=LIST_REGIONS)


@page()
def recommendation(request: PageRequest, pk: int) -> HttpResponse:
    return _page(request, _found(pk), opened=request.GET.get("do", ""))


@page("GET", "POST")
def apply(request: PageRequest, pk: int) -> HttpResponse:
    """A GET is the address of a dialog that was refused, loaded again."""
    return _decided(request, pk, "apply", recommendations.apply, "It was applied: {}.")


@page("GET", "POST")
def dismiss(request: PageRequest, pk: int) -> HttpResponse:
    return _decided(request, pk, "dismiss", recommendations.dismiss, "It was dismissed.")


@page("GET", "POST")
def undo(request: PageRequest, pk: int) -> HttpResponse:
    return _decided(request, pk, "undo", recommendations.undo, "It was undone.")


@page(permission="recommendations.try")
def try_out(request: PageRequest, pk: int) -> HttpResponse:
    """What it would have done with the last week: a part of its page."""
    row = _found(pk)
    if not shown.can_be_tried(row):
        raise NotFound("There is nothing to replay for this recommendation.")
    tried = shown.tried(row, timezone.now(), by=request.actor)
    context = {"row": row, "tried": tried, "was_tried": True, "is_of_threshold": row.subject_kind == "threshold"}
    return render(request, "monitoring/parts/recommendation_tried.html", context)


def _decided(request: PageRequest, pk: int, name: str, verb: Callable[..., Recommendation], said: str) -> HttpResponse:
    if request.method != "POST":
        return redirect("recommendation", pk)
    reason = request.POST.get("reason", "")[:MAX_REASON]
    try:
        row = verb(pk, by=request.actor, reason=reason)
    except Invalid as fault:
        message = " ".join(each["message"] for each in fault.errors) or fault.detail
        return _page(request, _found(pk), opened=name, reason_error=message, status=422)
    return done(request, "recommendation", said.format(row.action["label"][:1].lower() + row.action["label"][1:]), pk)


def _found(pk: int) -> Recommendation:
    row = Recommendation.objects.filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such recommendation; the list shows those there are.")
    return row


def _page(
    request: PageRequest, row: Recommendation, *, opened: str = "", reason_error: str = "", status: int = 200
) -> HttpResponse:
    may_apply = access.can(request.user, "recommendations.apply")
    is_allowed = may_apply and actions.is_allowed(row.action, request.user)
    context = {
        "shown": shown.shown(row),
        "row": row,
        "may_dismiss": access.can(request.user, "recommendations.dismiss") and row.status == AdviceStatus.OPEN,
        "may_apply": is_allowed and row.status == AdviceStatus.OPEN,
        "may_undo": is_allowed and row.status == AdviceStatus.APPLIED,
        "for_others": may_apply and not is_allowed and actions.can_be_applied(row.action),
        "effects": SimpleLazyObject(lambda: actions.explain(row.action, undo=row.status == AdviceStatus.APPLIED)),
        "can_be_tried": shown.can_be_tried(row) and access.can(request.user, "recommendations.try"),
        "charts": SimpleLazyObject(lambda: shown.charts(row, timezone.now())),
        "earlier": SimpleLazyObject(lambda: shown.earlier(row)),
        "events": SimpleLazyObject(lambda: trail("recommendation", row.pk)),
        **{f"opened_{name}": opened == name for name in DIALOGS},
        **{f"error_{name}": reason_error if opened == name else "" for name in DIALOGS},
    }
    return fragments.render(request, "monitoring/recommendation.html", context, regions=REGIONS, status=status)
