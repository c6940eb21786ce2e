"""Pages of the routing rules: each one's form, and moving and removing them. The list is on the page of queues."""

from django.http import HttpResponse
from django.shortcuts import render

from orchestra.kernel.errors import NotFound
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import carried_out, done, page, validation
from workflows import routing, routing_trial
from workflows.models import RoutingRule
from workflows.queue_forms import RuleForm


@page("GET", "POST", permission="routing.change")
def add(request: PageRequest) -> HttpResponse:
    form = RuleForm(request.POST or None, initial={"queue": request.GET.get("queue", ""), "enabled": True})
    if "X-Validate" in request.headers:
        return _validation(form)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        made = carried_out(form, routing.create, form.values(), by=request.actor, reason=reason)
        if made is not None:
            return done(request, "queues", f"Rule {made.position} was added: {made}.")
    return render(request, "workflows/rule_form.html", {"form": form, "offered": routing_trial.offered})


@page("GET", "POST", permission="routing.change")
def edit(request: PageRequest, pk: int) -> HttpResponse:
    rule = _found(pk)
    form = RuleForm(request.POST or None, initial=RuleForm.filled(rule))
    if "X-Validate" in request.headers:
        return _validation(form)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        changed = carried_out(form, routing.change, pk, form.values(), by=request.actor, reason=reason)
        if changed is not None:
            return done(request, "queues", f"Rule {changed.position} was changed: {changed}.")
    return render(request, "workflows/rule_form.html", {"form": form, "rule": rule, "offered": routing_trial.offered})


@page("POST")
def move(request: PageRequest, pk: int, by: int) -> HttpResponse:
    moved = routing.change(pk, {"position": _found(pk).position + by}, by=request.actor)
    return done(request, "queues", f"{moved} is rule {moved.position} now.")


@page("POST")
def remove(request: PageRequest, pk: int) -> HttpResponse:
    said = str(_found(pk))
    routing.remove(pk, by=request.actor, reason=request.POST.get("reason", "")[:1000])
    return done(request, "queues", f"The rule {said} was removed.")


def _found(pk: int) -> RoutingRule:
    rule = RoutingRule.objects.filter(pk=pk).first()
    if rule is None:
        raise NotFound("There is no such rule; it may have been removed, so go back to the queues.")
    return rule


def _validation(form: RuleForm) -> HttpResponse:
    if form.is_valid():
        carried_out(form, routing.check, form.values())
    return validation(form)
