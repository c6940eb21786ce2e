from django.apps import AppConfig
from django.urls import reverse


class WorkflowsConfig(AppConfig):
    name = "workflows"

    def ready(self) -> None:
        from agents.ports import in_flight
        from orchestra.kernel.registry import Panel, Room, links, panels, phrases, rooms
        from workflows import panels as ours
        from workflows import queue, sentences

        rooms.register("runs", Room("Work", 300, "Runs", "timeline", "runs", topics=("run",)))
        rooms.register("workflows", Room("Work", 310, "Workflows", "sitemap", "workflows"))
        links.register("run", lambda pk: reverse("run", args=[pk]) if pk.isdigit() else None)
        links.register("step", lambda pk: reverse("step", args=[pk]) if pk.isdigit() else None)
        in_flight.register("steps", queue.in_use)
        panels.register("recent calls", ("agent", Panel("workflows/parts/recent_calls.html", ours.recent_calls)))
        for action, phrase in sentences.PHRASES.items():
            phrases.register(action, phrase)
