"""Pages of dead letters: the list, and putting them back."""

from django.http import HttpResponse
from django.urls import reverse

from orchestra.kernel import access, fragments
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.lists import Selection
from orchestra.kernel.pages import done_to_many, page
from workflows import dead, routing_trial
from workflows.dead import DeadList

REGIONS = {"dead-letters": "workflows/parts/dead_letters.html"}
BULK_ACTIONS = [
    {
        "name": "requeue",
        "label": "Put back",
        "icon": "refresh",
        "needs_reason": True,
        "says": "Their runs go on from these steps. Effects keep their keys, so none is had twice.",
    }
]


@page()
def dead_letters(request: PageRequest) -> HttpResponse:
    listing = DeadList(request.GET.dict()).holding(fragments.seen(request, "dead-letters"))
    found = listing.page()
    context = {
        "listing": listing,
        "shown": found,
        "steps": found.rows,
        "offered": routing_trial.offered,
        "bulk_actions": BULK_ACTIONS if access.can(request.user, "queues.requeue") else [],
        "bulk_url": reverse("dead-requeue"),
        "previous_url": found.previous and listing.page_link(found.previous),
        "next_url": found.next and listing.page_link(found.next),
    }
    return fragments.render(request, "workflows/dead_letters.html", context, regions=REGIONS)


@page("POST")
def requeue(request: PageRequest) -> HttpResponse:
    selection = Selection.read(request.POST, DeadList)
    tally = dead.requeue(selection, by=request.actor, reason=request.POST.get("reason", "")[:1000])
    back = f"{reverse('dead-letters')}?{request.POST.get('query', '').lstrip('?')}".rstrip("?")
    return done_to_many(request, tally, back)
