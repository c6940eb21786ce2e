"""Pages of allocation: what the queue would get, a plan before it runs, and plans that were carried out."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from orchestra.kernel import access, fragments
from orchestra.kernel.errors import BadRequest, Invalid, TooMany
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import done, page
from workflows import allocation_list, allocation_requests, allocations, what_if
from workflows.allocation_forms import (
    EXAMPLES,
    ProblemForm,
    assignments_of,
    table_of,
    text_of,
)
from workflows.allocation_list import AllocationList
from workflows.allocation_requests import Planned

LIST_REGIONS = {
    "allocations": "workflows/parts/allocations.html",
    "what-if": "workflows/parts/allocation_what_if.html",
}
REGIONS = {
    "allocation-head": "workflows/parts/allocation_head.html",
    "allocation-tasks": "workflows/parts/allocation_tasks.html",
    "allocation-panels": "parts/panels.html",
}
MAX_REASON = 1000


@page()
def all_allocations(request: PageRequest) -> HttpResponse:
    listing = AllocationList(request.GET.dict())
    found = listing.page()
    context = {
        "listing": listing,
        "allocations": found.rows,
        "may_plan": access.can(request.user, "allocations.plan"),
        "what_if": SimpleLazyObject(lambda: what_if.of_queues(timezone.now())),
        "previous_url": found.previous and listing.page_link(found.previous),
        "next_url": found.next and listing.page_link(found.next),
    }
    return fragments.render(request, "workflows/allocations.html", context, regions=LIST_REGIONS)


@page("GET", "POST", permission="allocations.plan")
def plan(request: PageRequest) -> HttpResponse:
    """A problem, and what its plan would be; nothing is begun."""
    if request.method != "POST":
        example = EXAMPLES.get(request.GET.get("example", ""))
        return _plan_page(request, ProblemForm(initial={"problem": example() if example else ""}), None)
    form = ProblemForm(request.POST, request.FILES)
    if not form.is_valid():
        return _plan_page(request, form, None)
    given = form.given()
    planned = _planned(form, given)
    if planned is not None and form.cleaned_data.get("file"):  # a browser sends no file twice, so it goes on as text
        form = ProblemForm({"problem": text_of(given)})
    return _plan_page(request, form, planned, given)


@page("POST", permission="allocations.run")
def run(request: PageRequest) -> HttpResponse:
    """Carry out the plan that was shown, if it still holds."""
    form = ProblemForm({"problem": request.POST.get("problem", "")})
    if not form.is_valid():
        return _plan_page(request, form, None)
    problem = form.given()
    given = {**problem, "assignments": _assignments(request)}
    try:
        terms = allocation_requests.terms({**given, "reason": request.POST.get("reason", "")})
    except Invalid as error:
        _place(form, error)
        return _plan_page(request, form, None)
    try:
        started = allocations.start(allocation_requests.plan(given), terms, by=request.actor)
    except Invalid as error:
        _place(form, error)
        form.add_error(None, "The fleet has changed since this plan was made; look at the new one and run that.")
        return _plan_page(request, form, _planned(form, problem), problem)
    except TooMany as error:
        form.add_error(None, error.detail)
        return _plan_page(request, form, None)
    return done(request, "allocation", f"{started.total} tasks have begun.", started.pk)


@page()
def allocation(request: PageRequest, pk: int) -> HttpResponse:
    shown = allocation_list.found(pk)
    rows = list(shown.tasks.all())
    context = {
        "allocation": shown,
        "tasks": rows,
        "waiting": sum(
            1 for row in rows if not row.outcome and not row.released and row.status in ("queued", "waiting")
        ),
        "moved": sum(1 for row in rows if row.has_moved),
        "may_run": access.can(request.user, "allocations.run"),
        "panels": lambda: fragments.panels("allocation", shown, request),
        "panels_id": "allocation-panels",
        "panel_topics": f"allocation:{pk}",
    }
    return fragments.render(request, "workflows/allocation.html", context, regions=REGIONS)


@page("POST")
def release(request: PageRequest, pk: int) -> HttpResponse:
    reason = request.POST.get("reason", "")[:MAX_REASON]
    count = allocations.release(pk, by=request.actor, reason=reason)
    return done(request, "allocation", f"{count} tasks may go to any agent now.", pk)


def _planned(form: ProblemForm, given: Any) -> Planned | None:
    """The plan of what the form holds, or None after the faults were put beside it."""
    try:
        return allocation_requests.plan(given)
    except Invalid as error:
        _place(form, error)
    except TooMany as error:  # what was typed stays there to be sent again
        form.add_error(None, error.detail)
    return None


def _place(form: ProblemForm, error: Invalid) -> None:
    field = "file" if form.cleaned_data.get("file") else "problem"
    for fault in error.errors:
        form.add_error(field, f"{fault['path']}: {fault['message']}" if fault["path"] else fault["message"])
    if not error.errors:
        form.add_error(None, error.detail)


def _assignments(request: PageRequest) -> Any:
    try:
        return json.loads(request.POST.get("assignments", ""))
    except ValueError:
        raise BadRequest("The plan did not come with the form; plan again.") from None


def _plan_page(request: HttpRequest, form: ProblemForm, planned: Planned | None, given: Any = None) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "may_run": access.can(request.user, "allocations.run")}
    if planned is not None:
        problem = planned.asked.problem
        context |= {
            "planned": planned,
            "problem": problem,
            "best": table_of(problem, planned.plan, planned.greedy),
            "simple": table_of(problem, planned.greedy, planned.plan),
            "problem_text": text_of(given),
            "assignments": assignments_of(planned),
        }
    return render(request, "workflows/allocation_plan.html", context)
