from django.apps import AppConfig
from django.urls import reverse


class WorkflowsConfig(AppConfig):
    name = "workflows"

    def ready(self) -> None:
        from agents.ports import in_flight
        from orchestra.kernel.housekeeping import chores
        from orchestra.kernel.jobs import Recurring, recurring
        from orchestra.kernel.registry import (
            Command,
            Panel,
            Room,
            commands,
            links,
            lists,
            panels,
            phrases,
            rooms,
            searches,
        )
        from workflows import dead, queue, retention, schedule_list, schedules, search, sentences
        from workflows import panels as ours
        from workflows.runs import RunList
        from workflows.ticker import ticks

        rooms.register("runs", Room("Work", 300, "Runs", "timeline", "runs", topics=("run",)))
        rooms.register("workflows", Room("Work", 310, "Workflows", "sitemap", "workflows"))
        rooms.register(
            "queues", Room("Work", 315, "Queues", "stack-2", "queues", badge=dead.badge, topics=("queue", "step"))
        )
        rooms.register("schedules", Room("Work", 320, "Schedules", "clock", "schedules"))
        chores.register("old runs", retention.remove_old_runs)
        recurring.register("unfinished bulk actions", Recurring("workflows.jobs.resume_bulk", minutes=1))
        links.register("queue", lambda pk: reverse("queue-by-number", args=[pk]) if pk.isdigit() else None)
        links.register("routing_rule", lambda pk: f"{reverse('queues')}#routing")
        links.register("schedule", lambda pk: reverse("schedule", args=[pk]) if pk.isdigit() else None)
        ticks.register("schedules", schedules.fire_due)
        links.register("run", lambda pk: reverse("run", args=[pk]) if pk.isdigit() else None)
        links.register("step", lambda pk: reverse("step", args=[pk]) if pk.isdigit() else None)
        links.register("workflow", lambda pk: reverse("workflow-by-number", args=[pk]) if pk.isdigit() else None)
        lists.register("runs", RunList)
        lists.register("dead-letters", dead.DeadList)
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
        in_flight.register("steps", queue.in_use)
        panels.register("recent calls", ("agent", Panel("workflows/parts/recent_calls.html", ours.recent_calls)))
        for action, phrase in sentences.PHRASES.items():
            phrases.register(action, phrase)
