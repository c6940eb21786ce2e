from django.apps import AppConfig
from django.urls import reverse


class AgentsConfig(AppConfig):
    name = "agents"

    def ready(self) -> None:
        from agents import sentences
        from orchestra.kernel.registry import Room, links, phrases, rooms

        rooms.register("agents", Room("Fleet", 500, "Agents", "robot", "agents", topics=("agent",)))
        links.register("agent", lambda pk: reverse("agent", args=[pk]) if pk.isdigit() else None)
        for action, phrase in sentences.PHRASES.items():
            phrases.register(action, phrase)
