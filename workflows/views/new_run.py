"""Pages that begin runs: a new one of a workflow, and one that repeats another with other input."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from orchestra.kernel.errors import Conflict
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import done, page, validation
from workflows import beginning, definitions, engine, run_forms, run_page
from workflows.beginning import Order, Terms
from workflows.definition import Definition
from workflows.models import Run, Workflow, WorkflowVersion
from workflows.run_forms import ReplayForm, RunForm

MOST_WORKFLOWS = 500


@page("GET", permission="runs.start")
def choose(request: PageRequest) -> HttpResponse:
    """Of which workflow a run shall begin."""
    names = list(Workflow.objects.order_by("name").values_list("name", flat=True)[:MOST_WORKFLOWS])
    return render(request, "workflows/run_add.html", {"names": names})


@page("GET", "POST", permission="runs.start")
def add(request: PageRequest, name: str) -> HttpResponse:
    version, definition = _newest(name)
    if definition.serves:
        raise Conflict(f"Runs of {name} belong to an object of kind {definition.serves}, whose pages begin them.")
    form = run_forms.new_run(definition, request.POST or None)
    if "X-Validate" in request.headers:
        return _validation(form, definition)
    if form.is_valid():
        run = form.carried_out(lambda: engine.start(name, form.value(), by=request.actor, **form.terms()))
        if run is not None:
            return done(request, "run", f"Run #{run.pk} of {name} has begun.", run.pk)
    return _form_page(request, form, version, heading=f"Run {name}", back_url=reverse("workflow", args=[name]))


@page("GET", "POST", permission="runs.start")
def replay(request: PageRequest, pk: int) -> HttpResponse:
    """The run again with another input: a run of its own, which names this one."""
    shown = run_page.found(pk)
    if shown.serves_kind:
        raise Conflict(f"This run serves {shown.serves_kind} {shown.serves_id}, whose pages begin another one for it.")
    version, _ = _newest(shown.version.workflow.name)
    form = ReplayForm(request.POST or None, run=shown, newest=version.number)
    if "X-Validate" in request.headers:
        return validation(form)
    if form.is_valid() and (run := form.carried_out(lambda: _repeat(request, shown, form))) is not None:
        return done(request, "run", f"Run #{run.pk} repeats run #{pk}.", run.pk)
    return _form_page(
        request, form, version, heading=f"Repeat run #{pk}", back_url=reverse("run", args=[pk]), repeated=shown
    )


def _repeat(request: PageRequest, shown: Run, form: ReplayForm) -> Run:
    return engine.start(
        shown.version.workflow.name,
        form.value(),
        by=request.actor,
        version=form.cleaned_data["version"],
        priority=shown.priority,
        tier=shown.tier,
        replays=shown.pk,
        reason=form.cleaned_data["reason"],
    )


def _newest(name: str) -> tuple[WorkflowVersion, Definition]:
    version = definitions.newest(name)
    return version, definitions.parsed([version.pk])[version.pk]


def _validation(form: RunForm, definition: Definition) -> HttpResponse:
    """Every fault of the form as it is now, for the field that is being left."""
    if form.is_valid():
        terms = {name: value for name, value in form.terms().items() if name != "reason"}
        order = Order(form.value(), correlation="")
        form.carried_out(lambda: beginning.check(definition, [order], Terms(**terms), timezone.now()))
    return validation(form)


def _form_page(request: HttpRequest, form: Any, version: WorkflowVersion, **context: Any) -> HttpResponse:
    context |= {"form": form, "version": version, "of_schema": [form[name] for name in form.of_schema]}
    context["terms"] = [form[name] for name in form.fields if name not in form.of_schema]
    status = 422 if form.is_bound else 200
    return render(request, "workflows/run_form.html", context, status=status)
