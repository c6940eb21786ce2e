"""Pages of the fleet: the list, an agent, its form, its test."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from agents import agent_charts, fleet, trial
from agents.actions import ACTIONS
from agents.figures import with_recent
from agents.forms import AgentForm, TrialForm
from agents.kinds import KINDS
from agents.kinds.python import FUNCTIONS
from agents.listing import AgentList
from agents.models import Agent, AgentKind
from agents.ports import with_load
from agents.views import bulk
from orchestra.kernel import access, fragments, registry, saved_filters, secrets
from orchestra.kernel.errors import NotFound
from orchestra.kernel.fragments import Shared
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import carried_out, done, page, validation

LIST_REGIONS = {"agents": Shared("agents/parts/list.html")}
AGENT_REGIONS = {
    "agent-head": "agents/parts/head.html",
    "agent-health": "agents/parts/health.html",
    "agent-figures": "agents/parts/figures.html",
    "agent-process": "agents/parts/process.html",
    "agent-panels": "parts/panels.html",
}


@page()
def agents(request: PageRequest) -> HttpResponse:
    if to := saved_filters.opening(request, "agents"):
        return HttpResponseRedirect(to)
    listing = AgentList(request.GET.dict())
    shown = listing.page()
    context = {
        "listing": listing,
        "shelf": lambda: saved_filters.shelf(request, "agents"),
        "agents": shown.rows,
        "now": timezone.now(),
        "may_add": access.can(request.user, "agents.create"),
        "bulk_actions": bulk.offered(request),
        "bulk_url": reverse("agents-bulk"),
        "previous_url": shown.previous and listing.page_link(shown.previous),
        "next_url": shown.next and listing.page_link(shown.next),
    }
    return fragments.render(request, "agents/list.html", context, regions=LIST_REGIONS)


@page()
def agent(request: PageRequest, pk: int) -> HttpResponse:
    shown, now = with_recent([_found(pk)])[0], timezone.now()
    chosen, compares = agent_charts.range_of(request.GET.get("range", "")), request.GET.get("compare") == "week"
    context = {
        "agent": shown,
        "now": now,
        "range": chosen,
        "ranges": agent_charts.RANGES.values(),
        "compares": compares,
        "charts": lambda: agent_charts.of(shown, chosen, now, compares=compares),
        "figures_url": registry.link("figures of agent", str(pk)),
        "is_measured": shown.kind != AgentKind.HUMAN,
        "has_process": shown.kind in agent_charts.OWN_PROCESS,
        "config": secrets.mask(shown.config),
        "secret_names": sorted(shown.secrets or {}),
        "breaker_word": f"breaker {shown.health.get_circuit_display()}",
        "may_change": access.can(request.user, "agents.change"),
        "may_test": shown.kind != AgentKind.HUMAN and access.can(request.user, "agents.test"),
        "actions": [
            action
            for action in ACTIONS.values()
            if action.is_offered(shown) and access.can(request.user, action.permission)
        ],
        "panels": lambda: fragments.panels("agent", shown, request),
        "panels_id": "agent-panels",
        "panel_topics": f"agent:{pk} step",
    }
    return fragments.render(request, "agents/agent.html", context, regions=AGENT_REGIONS)


@page("POST")
def act(request: PageRequest, pk: int, action: str) -> HttpResponse:
    chosen, shown = ACTIONS[action], _found(pk)
    chosen.perform(pk, request.actor, request.POST.get("reason", "")[:1000])
    return done(request, "agent", f"{shown.name} {chosen.done}", pk)


@page("GET", "POST", permission="agents.create")
def add(request: PageRequest) -> HttpResponse:
    kind = request.GET.get("kind", AgentKind.PYTHON)
    if kind not in KINDS:
        raise NotFound(f"There is no kind of agent named {kind[:50]}; choose one of {', '.join(KINDS)}.")
    form = AgentForm(request.POST or None, kind=kind)
    if "X-Validate" in request.headers:
        return _validation(form, kind)
    if form.is_valid():
        made = form.carried_out(lambda: fleet.create(kind, *_arguments(form), **_signed(request, form)))
        if made is not None:
            return done(request, "agent", f"{made.name} was added.", made.pk)
    return _form_page(request, form, kind)


@page("GET", "POST", permission="agents.change")
def edit(request: PageRequest, pk: int) -> HttpResponse:
    shown = _found(pk)
    form = AgentForm(request.POST or None, kind=shown.kind, agent=shown)
    if "X-Validate" in request.headers:
        return _validation(form, shown.kind)
    if form.is_valid():
        made = form.carried_out(lambda: fleet.change(pk, *_arguments(form), **_signed(request, form)))
        if made is not None:
            return done(request, "agent", f"{made.name} was changed.", pk)
    return _form_page(request, form, shown.kind, agent=shown)


@page("POST")
def remove(request: PageRequest, pk: int) -> HttpResponse:
    shown = _found(pk)
    fleet.remove(pk, by=request.actor, reason=request.POST.get("reason", "")[:1000])
    return done(request, "agents", f"{shown.name} was removed.")


@page("GET", "POST", permission="agents.test")
def test(request: PageRequest, pk: int) -> HttpResponse:
    form = TrialForm(request.POST or None, initial={"input": trial.last_input(pk)})
    tried = carried_out(form, trial.run, pk, form.cleaned_data["input"], by=request.actor) if form.is_valid() else None
    return render(request, "agents/test.html", {"agent": _found(pk), "form": form, "trial": tried})


def _found(pk: int) -> Agent:
    agents = Agent.objects.select_related("health", "process", "pool").prefetch_related("capabilities")
    found = agents.filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such agent; it may have been removed, so go back to the list.")
    return with_load([found])[0]


def _arguments(form: AgentForm) -> tuple[dict[str, Any], list[str]]:
    return form.values(), form.cleaned_data["capabilities"]


def _signed(request: PageRequest, form: AgentForm) -> dict[str, Any]:
    return {"by": request.actor, "reason": form.cleaned_data["reason"]}


def _validation(form: AgentForm, kind: str) -> HttpResponse:
    if form.is_valid():
        form.carried_out(lambda: fleet.check(kind, *_arguments(form)))
    return validation(form)


def _form_page(request: HttpRequest, form: AgentForm, kind: str, **more: Any) -> HttpResponse:
    context = {
        "form": form,
        "kind": AgentKind(kind),
        "kinds": [choice for choice in AgentKind if choice in KINDS],
        "about": f"agents/about/{kind}.html",
        "functions": FUNCTIONS.values(),
        **more,
    }
    return render(request, "agents/form.html", context)
