"""Actions on several agents at once, in the one request: a fleet has some hundreds of them at most."""

from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from agents.actions import ACTIONS, Action
from agents.listing import AgentList
from agents.models import Agent
from orchestra.kernel import access, events
from orchestra.kernel.errors import field_error
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.lists import Selection
from orchestra.kernel.pages import done_to_many, page
from orchestra.kernel.tally import Tally

MOST = 500
DONE = {"enable": "enabled", "drain": "draining", "disable": "disabled", "reset-circuit": "reset"}


@page("POST")
def act_on_agents(request: PageRequest) -> HttpResponse:
    action, reason = ACTIONS.get(request.POST.get("action", "")), request.POST.get("reason", "").strip()[:1000]
    if action is None:
        raise field_error("action", f"Choose one of {', '.join(ACTIONS)}.")
    access.check(request.actor, action.permission)
    if action.is_dangerous and not reason:
        raise field_error("reason", "Say why, so that others can understand it later.")
    selection = Selection.read(request.POST, AgentList)
    if selection.count(limit=MOST) > MOST:
        raise field_error("ids", f"Choose at most {MOST} agents at a time; a filter makes them fewer.")
    agents = selection.queryset().order_by("name").distinct()
    tally = Tally(DONE[action.name])
    with events.correlating():
        for agent in agents:
            _act(agent, action, request, reason, tally)
    return done_to_many(request, tally, "agents")


def offered(request: PageRequest) -> list[dict[str, Any]]:
    """The actions as the bar of chosen rows wants them, for who may do them."""
    return [
        {
            "name": action.name,
            "label": action.label,
            "danger": action.is_dangerous,
            "needs_reason": action.is_dangerous,
            "says": SAYS[action.name],
        }
        for action in ACTIONS.values()
        if access.can(request.user, action.permission)
    ]


SAYS = {
    "enable": "They take calls again at once.",
    "drain": "They begin no more calls; those in flight end as usual.",
    "disable": "They begin no more calls until somebody enables them; those in flight end as usual.",
    "reset-circuit": "Their breakers close without a probe; those that are closed already are skipped.",
}


def _act(agent: Agent, action: Action, request: PageRequest, reason: str, tally: Tally) -> None:
    """Do it to one agent, in a unit of its own; one that was so already is skipped."""
    done_before = tally.done
    with tally.trying(agent.name, reverse("agent", args=[agent.pk])):
        action.perform(agent.pk, request.actor, reason)
    if tally.done > done_before and not action.is_offered(agent):
        tally.done, tally.skipped = done_before, tally.skipped + 1
