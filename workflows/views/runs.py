"""Pages of the engine: runs, a run, workflows."""

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from orchestra.kernel import access, fragments, saved_filters
from orchestra.kernel.fragments import Shared
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import page
from workflows import definitions, partials, payloads, progress, run_page
from workflows.models import Step, StepStatus, Workflow
from workflows.runs import RunList, rows_of

STOP_POLLING = 286
"""What htmx takes for the end of an element's asking again and again."""
LIST_REGIONS = {"runs": Shared("workflows/parts/runs.html")}
BULK_ACTIONS = [
    {
        "name": "retry",
        "label": "Retry",
        "icon": "refresh",
        "says": "Each that has ended begins anew from its first step. Effects keep their keys, so none is had twice.",
    },
    {
        "name": "pause",
        "label": "Pause",
        "icon": "player-pause-filled",
        "needs_reason": True,
        "says": "No further step of them begins; calls in flight end, and their answers are kept.",
    },
    {
        "name": "resume",
        "label": "Resume",
        "icon": "player-play-filled",
        "says": "Those that are paused go on where they stopped.",
    },
    {
        "name": "cancel",
        "label": "Cancel",
        "icon": "ban",
        "danger": True,
        "needs_reason": True,
        "says": "They end now. What had succeeded and can be undone is undone; late answers are refused.",
    },
]


@page()
def runs(request: PageRequest) -> HttpResponse:
    if to := saved_filters.opening(request, "runs"):
        return HttpResponseRedirect(to)
    listing = RunList(request.GET.dict()).holding(fragments.seen(request, "runs"))
    found = listing.page()
    context = {
        "listing": listing,
        "shown": found,
        "shelf": lambda: saved_filters.shelf(request, "runs"),
        "bulk_actions": BULK_ACTIONS if access.can(request.user, "runs.cancel") else [],
        "bulk_url": reverse("runs-bulk"),
        "may_start": access.can(request.user, "runs.start"),
        "rows": lambda: rows_of(found.rows, timezone.now()),
        "is_empty": not found.rows,
        "workflows": lambda: Workflow.objects.values_list("name", flat=True)[:200],
        "previous_url": found.previous and listing.page_link(found.previous),
        "next_url": found.next and listing.page_link(found.next),
    }
    return fragments.render(request, "workflows/runs.html", context, regions=LIST_REGIONS)


@page()
def run(request: PageRequest, pk: int) -> HttpResponse:
    return run_page.render(request, run_page.found(pk))


@page()
def step(request: PageRequest, pk: int) -> HttpResponse:
    """A step's own address, for links from the audit trail: its run's page with the step chosen."""
    run_id, name = run_page.found_step(pk)
    return HttpResponseRedirect(f"{reverse('run', args=[run_id])}?{urlencode({'step': name})}")


@page()
def run_payload(request: PageRequest, pk: int, side: str) -> HttpResponse:
    """The whole input or output of a run as a file, masked as everywhere."""
    return _as_file(getattr(run_page.found(pk), side), f"run-{pk}-{side}.json")


@page()
def step_payload(request: PageRequest, pk: int, side: str) -> HttpResponse:
    """The whole input or output of a step as a file."""
    run_id, name = run_page.found_step(pk)
    row = Step.objects.get(pk=pk)
    run = run_page.found(run_id)
    spec = definitions.parsed([run.version_id])[run.version_id].step(name)
    value = row.output if side == "output" else progress.input_of(run, spec, row)
    return _as_file(value, f"run-{run_id}-{name}-{side}.json")


@page()
def step_text(request: PageRequest, pk: int) -> HttpResponse:
    """What the step's call has written so far; nothing while it has not, and the end of the asking when it is over."""
    step = Step.objects.filter(pk=pk).only("status", "token").first()
    partial = partials.of_steps([step]).get(pk) if step is not None else None
    is_over = step is None or step.status != StepStatus.RUNNING
    if not is_over and partial is None:
        return HttpResponse(status=204)
    context = {"step_id": pk, "partial": partial, "polls": not is_over}
    response = render(request, "workflows/parts/run_text.html", context, status=STOP_POLLING if is_over else 200)
    response["Cache-Control"] = "no-store"
    return response


def _as_file(value: Any, name: str) -> HttpResponse:
    response = HttpResponse(payloads.as_text(value) or "null", content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
