"""Pages of the engine: runs, a run, workflows."""

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.http import urlencode

from orchestra.kernel import access, fragments, registry, secrets
from orchestra.kernel.errors import NotFound
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import done, page
from workflows import definitions, engine, progress
from workflows.models import RUN_ENDS, Run, Step, Workflow, WorkflowVersion
from workflows.progress import RunProgress
from workflows.runs import RunList, rows_of

LIST_REGIONS = {"runs": "workflows/parts/runs.html"}
RUN_REGIONS = {
    "run-head": "workflows/parts/run_head.html",
    "run-graph": "workflows/parts/run_graph.html",
    "run-steps": "workflows/parts/run_steps.html",
    "run-side": "workflows/parts/run_side.html",
    "run-panels": "parts/panels.html",
}


@page()
def runs(request: PageRequest) -> HttpResponse:
    listing = RunList(request.GET.dict())
    found = listing.page()
    context = {
        "listing": listing,
        "rows": lambda: rows_of(found.rows, timezone.now()),
        "is_empty": not found.rows,
        "workflows": lambda: Workflow.objects.values_list("name", flat=True)[:200],
        "previous_url": found.previous and listing.page_link(found.previous),
        "next_url": found.next and listing.page_link(found.next),
    }
    return fragments.render(request, "workflows/runs.html", context, regions=LIST_REGIONS)


@page()
def run(request: PageRequest, pk: int) -> HttpResponse:
    shown = _found(pk)
    steps: Any = SimpleLazyObject(lambda: progress.of_run(shown))
    context = {
        "run": shown,
        "progress": steps,
        "statuses": lambda: {step.name: step.status for step in steps.steps},
        "chosen": SimpleLazyObject(lambda: _chosen(steps, request.GET.get("step", ""))),
        "serves_url": registry.link(shown.serves_kind, shown.serves_id),
        "may_cancel": shown.status not in RUN_ENDS and access.can(request.user, "runs.cancel"),
        "run_input": secrets.mask(shown.input),
        "run_output": secrets.mask(shown.output),
        "panels": lambda: fragments.panels("run", shown, request),
        "panels_id": "run-panels",
        "panel_topics": f"run:{pk}",
    }
    return fragments.render(request, "workflows/run.html", context, regions=RUN_REGIONS)


@page("POST")
def cancel(request: PageRequest, pk: int) -> HttpResponse:
    engine.cancel(pk, by=request.actor, reason=request.POST.get("reason", "")[:1000])
    return done(request, "run", f"Run #{pk} is cancelled.", pk)


@page()
def step(request: PageRequest, pk: int) -> HttpResponse:
    """A step's own address, for links from the audit trail: its run's page with the step chosen."""
    found = Step.objects.filter(pk=pk).values_list("run_id", "name").first()
    if found is None:
        raise NotFound("There is no such step; its run may have been removed.")
    return HttpResponseRedirect(f"{reverse('run', args=[found[0]])}?{urlencode({'step': found[1]})}")


@page()
def workflows(request: PageRequest) -> HttpResponse:
    versions = WorkflowVersion.objects.order_by("workflow__name", "number").select_related("workflow")
    newest = {version.workflow_id: version for version in versions.defer("definition")}
    return render(request, "workflows/workflows.html", {"versions": newest.values()})


@page()
def workflow(request: PageRequest, name: str, number: int | None = None) -> HttpResponse:
    version = definitions.newest(name, number)
    parsed = definitions.parsed([version.pk])[version.pk]
    context = {
        "version": version,
        "definition": parsed,
        "no_statuses": {},
        "versions": version.workflow.versions.defer("definition")[:50],
        "panels": lambda: fragments.panels("workflow", version.workflow, request),
        "panels_id": "workflow-panels",
        "panel_topics": f"workflow:{version.workflow_id}",
    }
    return fragments.render(
        request, "workflows/workflow.html", context, regions={"workflow-panels": "parts/panels.html"}
    )


def _found(pk: int) -> Run:
    found = Run.objects.select_related("version__workflow").defer("version__definition").filter(pk=pk).first()
    if found is None:
        raise NotFound(f"There is no run #{pk}; it may have been removed, so go back to the list.")
    return found


def _chosen(steps: RunProgress, name: str) -> dict[str, Any]:
    """The step beside the table, with what it was given and gave masked by key name."""
    chosen = steps.step(name) or steps.most_telling
    row = chosen.row
    return {
        "step": chosen,
        "input": secrets.mask(row.input) if row else None,
        "output": secrets.mask(row.output) if row else None,
        "agent_url": registry.link("agent", str(row.agent_id)) if row and row.agent_id else None,
    }
