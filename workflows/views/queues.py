"""Pages of queues: the list with the routing rules, a queue, and what can be done to it."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from orchestra.kernel import access, fragments
from orchestra.kernel.errors import NotFound
from orchestra.kernel.fragments import Shared
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import carried_out, done, page, validation
from workflows import queue_rows, queues, routing_trial
from workflows.models import RoutingRule, TaskQueue
from workflows.queue_forms import NewQueueForm, QueueForm
from workflows.queue_rows import QueueList

LIST_REGIONS = {"queues": Shared("workflows/parts/queues.html"), "routing": "workflows/parts/routing.html"}
QUEUE_REGIONS = {
    "queue-head": "workflows/parts/queue_head.html",
    "queue-figures": "workflows/parts/queue_figures.html",
    "queue-panels": "parts/panels.html",
}


@page()
def all_queues(request: PageRequest) -> HttpResponse:
    listing = QueueList(request.GET.dict())
    found = listing.page()
    asked = routing_trial.Asked.read(request.GET)
    context = {
        "listing": listing,
        "rows": lambda: queue_rows.rows_of(found.rows, timezone.now()),
        "is_empty": not found.rows,
        "rules": RoutingRule.objects.all,
        "asked": asked,
        "trial": lambda: routing_trial.run(asked),
        "offered": routing_trial.offered,
        "may_change": access.can(request.user, "queues.change"),
        "may_route": access.can(request.user, "routing.change"),
        "previous_url": found.previous and listing.page_link(found.previous),
        "next_url": found.next and listing.page_link(found.next),
    }
    return fragments.render(request, "workflows/queues.html", context, regions=LIST_REGIONS)


@page("GET", "POST")
def queue(request: PageRequest, name: str) -> HttpResponse:
    if request.method == "POST":
        access.check(request.actor, "queues.change")
    shown = queues.found(name)
    form = QueueForm(request.POST or None, initial=QueueForm.filled(shown))
    if "X-Validate" in request.headers:
        return _validation(form, name)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        changed = carried_out(form, queues.change, name, form.values(), by=request.actor, reason=reason)
        if changed is not None:
            return done(request, "queue", f"Queue {name} was changed.", name)
    return _queue_page(request, shown, form)


@page("GET", "POST", permission="queues.change")
def add(request: PageRequest) -> HttpResponse:
    form = NewQueueForm(request.POST or None)
    if "X-Validate" in request.headers:
        return _validation(form, form.data.get("name", ""))
    if form.is_valid():
        name, reason = form.cleaned_data["name"], form.cleaned_data["reason"]
        made = carried_out(form, queues.create, name, form.values(), by=request.actor, reason=reason)
        if made is not None:
            return done(request, "queue", f"Queue {name} is there.", name)
    return render(request, "workflows/queue_form.html", {"form": form})


@page("POST")
def switch(request: PageRequest, name: str, paused: bool) -> HttpResponse:
    verb = queues.pause if paused else queues.resume
    verb(queues.found(name).name, by=request.actor, reason=request.POST.get("reason", "")[:1000])
    said = "is paused; what runs ends as usual." if paused else "goes on."
    return done(request, "queue", f"Queue {name} {said}", name)


@page()
def queue_by_number(request: PageRequest, pk: int) -> HttpResponse:
    """A queue's address for links from the audit trail, which know its number."""
    name = TaskQueue.objects.filter(pk=pk).values_list("name", flat=True).first()
    if name is None:
        raise NotFound("There is no such queue; go back to the list.")
    return redirect("queue", name)


def _queue_page(request: PageRequest, shown: TaskQueue, form: QueueForm) -> HttpResponse:
    context: dict[str, Any] = {
        "queue": shown,
        "row": lambda: queue_rows.rows_of([shown], timezone.now())[0],
        "rules": lambda: RoutingRule.objects.filter(queue=shown.name),
        "form": form,
        "may_change": access.can(request.user, "queues.change"),
        "may_operate": access.can(request.user, "queues.operate"),
        "panels": lambda: fragments.panels("queue", shown, request),
        "panels_id": "queue-panels",
        "panel_topics": f"queue:{shown.pk}",
        "panels_every": fragments.PANELS_EVERY_S,
    }
    return fragments.render(request, "workflows/queue.html", context, regions=QUEUE_REGIONS)


def _validation(form: QueueForm, name: str) -> HttpResponse:
    if form.is_valid():
        carried_out(form, queues.check, name, form.values())
    return validation(form)
