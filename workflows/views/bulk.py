"""Actions on many runs: asked for from the list of runs, followed on a page of their own while they take longer."""

from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from orchestra.kernel import access, fragments
from orchestra.kernel.errors import NotFound
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.lists import Selection
from orchestra.kernel.pages import done, done_to_many, page
from workflows import bulk
from workflows.models import BulkAction
from workflows.runs import RunList

REGIONS = {"bulk-progress": "workflows/parts/bulk_progress.html"}


@page("POST")
def act_on_runs(request: PageRequest) -> HttpResponse:
    selection = Selection.read(request.POST, RunList)
    action, reason = request.POST.get("action", ""), request.POST.get("reason", "")[:1000]
    asked = bulk.begin(selection, action, by=request.actor, reason=reason)
    if asked.finished_at is None:
        return done(request, "bulk-action", "It goes on in the background; this page shows how far it is.", asked.pk)
    back = f"{reverse('runs')}?{request.POST.get('query', '').lstrip('?')}".rstrip("?")
    return done_to_many(request, bulk.tally_of(asked), back)


@page()
def bulk_action(request: PageRequest, pk: int) -> HttpResponse:
    access.check(request.actor, "runs.view")
    asked = BulkAction.objects.filter(pk=pk).first()
    if asked is None:
        raise NotFound("There is no such action; it may have been removed.")
    context: dict[str, Any] = {
        "asked": asked,
        "tally": bulk.tally_of(asked),
        "dealt_with": asked.done + asked.skipped + asked.refused,
        "list_url": f"{reverse('runs')}?{asked.query}",
    }
    return fragments.render(request, "workflows/bulk_action.html", context, regions=REGIONS)
