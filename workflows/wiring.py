"""What the engine fills of the ports of the floors below, once at the start."""

from functools import partial

from django.urls import reverse

from agents import remote as workers
from agents import work
from agents.autoscaler import Autoscaler
from agents.ports import demand as pool_demand
from agents.ports import in_flight, living, stalled
from orchestra.kernel import events
from orchestra.kernel.housekeeping import chores
from orchestra.kernel.jobs import Recurring, recurring
from orchestra.kernel.registry import Command, Panel, Room, commands, links, lists, panels, phrases, rooms, searches
from workflows import (
    allocations,
    dead,
    demand,
    holders,
    holding,
    partials,
    queue,
    retention,
    schedule_list,
    schedules,
    search,
    sentences,
)
from workflows import panels as ours
from workflows.ports import observers, settlers
from workflows.remote import STEPS
from workflows.runs import RunList
from workflows.stranded import Watch
from workflows.ticker import ticks


def fill_pages() -> None:
    rooms.register("runs", Room("Work", 300, "Runs", "timeline", "runs", topics=("run",)))
    rooms.register("workflows", Room("Work", 310, "Workflows", "sitemap", "workflows"))
    rooms.register(
        "queues", Room("Work", 315, "Queues", "stack-2", "queues", badge=dead.badge, topics=("queue", "step"))
    )
    rooms.register("schedules", Room("Work", 320, "Schedules", "clock", "schedules"))
    rooms.register("allocations", Room("Fleet", 530, "Allocation", "arrows-diff", "allocations"))
    links.register("queue", lambda pk: reverse("queue-by-number", args=[pk]) if pk.isdigit() else None)
    links.register("routing_rule", lambda pk: f"{reverse('queues')}#routing")
    links.register("schedule", lambda pk: reverse("schedule", args=[pk]) if pk.isdigit() else None)
    links.register("allocation", lambda pk: reverse("allocation", args=[pk]) if pk.isdigit() else None)
    links.register("run", lambda pk: reverse("run", args=[pk]) if pk.isdigit() else None)
    links.register("step", lambda pk: reverse("step", args=[pk]) if pk.isdigit() else None)
    links.register("workflow", lambda pk: reverse("workflow-by-number", args=[pk]) if pk.isdigit() else None)
    lists.register("runs", RunList)
    lists.register("dead-letters", dead.DeadList)
    panels.register("recent calls", ("agent", Panel("workflows/parts/recent_calls.html", ours.recent_calls)))
    for action, phrase in sentences.PHRASES.items():
        phrases.register(action, phrase)


def fill_search_and_palette() -> None:
    searches.register("runs", search.RUNS)
    searches.register("workflows", search.WORKFLOWS)
    searches.register("schedules", schedule_list.FOUND)
    new = Command("New workflow", "sitemap", "workflow-add", "workflows.publish")
    commands.register("workflow-add", new)
    commands.register("run-add", Command("Start a run", "player-play", "run-choose", "runs.start"))
    commands.register("queue-add", Command("Add a queue", "stack-2", "queue-add", "queues.change"))
    commands.register("rule-add", Command("Add a routing rule", "route", "rule-add", "routing.change"))
    add = Command("Add a schedule", "clock", "schedule-add", "schedules.change")
    commands.register("schedule-add", add)


def wind_the_clock() -> None:
    chores.register("old runs", retention.remove_old_runs)
    chores.register("old allocations", allocations.remove_old)
    chores.register("texts of calls that broke off", partials.forget_old)
    recurring.register("unfinished bulk actions", Recurring("workflows.jobs.resume_bulk", minutes=1))
    ticks.register("schedules", schedules.fire_due)
    ticks.register("allocations", partial(allocations.release_stranded, Watch()))
    ticks.register("silent workers", workers.mark_offline)
    ticks.register("pools", Autoscaler().tick)


def join_the_fleet() -> None:
    """What agents and resources want to know of runs, and what follows runs."""
    events.TELEMETRY.add("workflows_partialtext")
    living.register("runs and steps", holding.living)
    stalled.register("runs and steps", holders.stalled)
    settlers.register("resources", holding.settle)
    observers.register("allocation", allocations.follow)
    work.tasks.register("steps", STEPS)
    pool_demand.register("steps", demand.of_pools)
    in_flight.register("steps", queue.in_use)
