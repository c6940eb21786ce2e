"""Pages of pools: the list, a pool with its policy and try-out, its form, its decisions."""

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from agents import pool_figures, pool_history, pools
from agents.models import Pool, PoolKind
from agents.pool_forms import PolicyForm, PoolForm, ScaleForm
from agents.pool_listing import DecisionList, PoolList
from agents.tryout import TryOut
from orchestra.kernel import access, fragments, registry, saved_filters, secrets
from orchestra.kernel.errors import NotFound
from orchestra.kernel.fragments import Shared
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import carried_out, done, page, validation

LIST_REGIONS = {"pools": Shared("agents/parts/pools.html")}
REGIONS = {
    "pool-head": "agents/parts/pool_head.html",
    "pool-figures": "agents/parts/pool_figures.html",
    "pool-course": "agents/parts/pool_course.html",
    "pool-members": "agents/parts/pool_members.html",
    "pool-decisions": "agents/parts/pool_decisions.html",
    "pool-panels": "parts/panels.html",
}
DECISION_REGIONS = {"decisions": "agents/parts/decisions.html"}
USUAL_SPAN = "3h"
SHOWN_DECISIONS, SHOWN_MADE = 8, 5
MAX_REASON = 1000


@page()
def all_pools(request: PageRequest) -> HttpResponse:
    if to := saved_filters.opening(request, "pools"):
        return HttpResponseRedirect(to)
    listing = PoolList(request.GET.dict())
    found = listing.page()
    context = {
        "listing": listing,
        "shelf": lambda: saved_filters.shelf(request, "pools"),
        "standings": SimpleLazyObject(lambda: pool_figures.read(found.rows, timezone.now())),
        "is_empty": not found.rows,
        "may_add": access.can(request.user, "pools.create"),
        "previous_url": found.previous and listing.page_link(found.previous),
        "next_url": found.next and listing.page_link(found.next),
    }
    return fragments.render(request, "agents/pools.html", context, regions=LIST_REGIONS)


@page("GET", "POST")
def pool(request: PageRequest, pk: int) -> HttpResponse:
    """The page; a POST is its policy, to be tried or saved."""
    shown = _found(pk)
    form = PolicyForm(request.POST or None, pool=shown)
    if "X-Validate" in request.headers:
        return _validated_policy(request, form)
    tried = None
    if form.is_valid():
        if "try" in request.POST:
            tried = form.carried_out(lambda: pool_history.try_out(shown, form.values(), by=request.actor))
        else:
            given = {"by": request.actor, "reason": form.cleaned_data["reason"]}
            changed = form.carried_out(lambda: pools.change(pk, form.values(), **given))
            if changed is not None:
                return done(request, "pool", f"The policy of {changed.name} was changed.", pk)
    return _pool_page(request, shown, form, tried)


@page("POST", permission="pools.try")
def try_policy(request: PageRequest, pk: int) -> HttpResponse:
    """What the policy being typed would have done: a part of the pool's page."""
    shown = _found(pk)
    form = PolicyForm(request.POST, pool=shown)
    tried = None
    if form.is_valid():
        tried = form.carried_out(lambda: pool_history.try_out(shown, form.values(), by=request.actor))
    return render(request, "agents/parts/pool_tried.html", {"pool": shown, **_tried(form, tried)})


@page("GET", "POST", permission="pools.create")
def add(request: PageRequest) -> HttpResponse:
    kind = request.GET.get("kind", PoolKind.PROCESS)
    if kind not in PoolKind.values:
        raise NotFound(f"There is no pool of the kind {kind[:50]}; choose one of {', '.join(PoolKind.values)}.")
    form = PoolForm(request.POST or None, kind=kind)
    if "X-Validate" in request.headers:
        return _validated(form)
    if form.is_valid():
        given = {"by": request.actor, "reason": form.cleaned_data["reason"]}
        made = form.carried_out(lambda: pools.create(kind, form.values(), **given))
        if made is not None:
            return done(request, "pool", f"The pool {made.name} was added.", made.pk)
    return _form_page(request, form)


@page("GET", "POST", permission="pools.change")
def edit(request: PageRequest, pk: int) -> HttpResponse:
    shown = _found(pk)
    form = PoolForm(request.POST or None, kind=shown.kind, pool=shown)
    if "X-Validate" in request.headers:
        return _validated(form)
    if form.is_valid():
        given = {"by": request.actor, "reason": form.cleaned_data["reason"]}
        changed = form.carried_out(lambda: pools.change(pk, form.values(), **given))
        if changed is not None:
            return done(request, "pool", f"The pool {changed.name} was changed, and its members with it.", pk)
    return _form_page(request, form)


@page("GET", "POST")
def scale(request: PageRequest, pk: int) -> HttpResponse:
    if request.method != "POST":  # the address of a dialog that was refused, loaded again
        return redirect("pool", pk)
    shown = _found(pk)
    form = ScaleForm(request.POST, pool=shown)
    if form.is_valid():
        target, reason = form.cleaned_data["target"], form.cleaned_data["reason"]
        if carried_out(form, pools.scale, pk, target, by=request.actor, reason=reason) is not None:
            return done(request, "pool", f"{shown.name} is to have {target} now.", pk)
    return _pool_page(request, shown, PolicyForm(pool=shown), None, scaling=form)


@page("POST")
def switch(request: PageRequest, pk: int, autoscales: bool) -> HttpResponse:
    changed = pools.switch(pk, autoscales, by=request.actor, reason=_reason(request))
    said = "scales by itself again." if autoscales else f"stays at {changed.target} until somebody scales it."
    return done(request, "pool", f"{changed.name} {said}", pk)


@page("POST")
def remove(request: PageRequest, pk: int) -> HttpResponse:
    name = _found(pk).name
    if pools.remove(pk, by=request.actor, reason=_reason(request)):
        return done(request, "pools", f"The pool {name} was removed.")
    return done(request, "pool", f"{name} has a history, which stays: it is retired to size 0.", pk)


@page()
def decisions(request: PageRequest, pk: int) -> HttpResponse:
    shown = _found(pk)
    listing = DecisionList(request.GET.dict(), pool=pk)
    found = listing.page()
    context = {
        "pool": shown,
        "listing": listing,
        "decisions": found.rows,
        "previous_url": found.previous and listing.page_link(found.previous),
        "next_url": found.next and listing.page_link(found.next),
    }
    return fragments.render(request, "agents/pool_decisions.html", context, regions=DECISION_REGIONS)


def _found(pk: int) -> Pool:
    found = pool_figures.with_last(Pool.objects.all()).filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such pool; it may have been removed, so go back to the list.")
    return found


def _pool_page(
    request: PageRequest, shown: Pool, form: PolicyForm, tried: TryOut | None, scaling: ScaleForm | None = None
) -> HttpResponse:
    now = timezone.now()
    span = request.GET.get("span", USUAL_SPAN)
    span = span if span in pool_history.SPANS else USUAL_SPAN
    context: dict[str, Any] = {
        "pool": shown,
        "standing": SimpleLazyObject(lambda: pool_figures.read([shown], now)[0]),
        "changed": SimpleLazyObject(lambda: pool_figures.last_change(shown)),
        "now": now,
        "span": span,
        "spans": [(name, label) for name, (label, _) in pool_history.SPANS.items()],
        "charts": SimpleLazyObject(lambda: pool_history.charts(shown, span, now)),
        "figures_url": registry.link("figures of pool", str(shown.pk)),
        "decisions": SimpleLazyObject(lambda: list(shown.decisions.all()[:SHOWN_DECISIONS])),
        "template": secrets.mask(shown.template),
        "secret_names": sorted(shown.secrets or {}),
        "scale_form": scaling or ScaleForm(pool=shown),
        "may_change": access.can(request.user, "pools.change"),
        "may_scale": access.can(request.user, "pools.scale"),
        "panels": lambda: fragments.panels("pool", shown, request),
        "panels_id": "pool-panels",
        "panel_topics": f"pool:{shown.pk}",
        **_tried(form, tried),
    }
    return fragments.render(request, "agents/pool.html", context, regions=REGIONS)


def _tried(form: PolicyForm, tried: TryOut | None) -> dict[str, Any]:
    made = tried.decisions[-SHOWN_MADE:][::-1] if tried else []
    return {"form": form, "tried": tried, "made": made, "was_tried": form.is_bound and not form.errors}


def _validated(form: PoolForm) -> HttpResponse:
    if form.is_valid():
        form.carried_out(lambda: pools.check(form.kind, {"name": form.pool.name if form.pool else "", **form.values()}))
    return validation(form)


def _validated_policy(request: PageRequest, form: PolicyForm) -> HttpResponse:
    if form.is_valid():
        form.carried_out(lambda: pools.check_policy(form.values()))
    return validation(form)


def _reason(request: PageRequest) -> str:
    return request.POST.get("reason", "")[:MAX_REASON]


def _form_page(request: PageRequest, form: PoolForm) -> HttpResponse:
    context = {
        "form": form,
        "kind": PoolKind(form.kind),
        "kinds": PoolKind,
        "pool": form.pool,
        "about": f"agents/about/{form.kind}.html",
    }
    return render(request, "agents/pool_form.html", context)
