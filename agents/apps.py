from django.apps import AppConfig
from django.urls import reverse


class AgentsConfig(AppConfig):
    name = "agents"

    def ready(self) -> None:
        from agents import search, sentences
        from agents.listing import AgentList
        from orchestra.kernel.registry import Command, Room, commands, links, lists, phrases, rooms, searches

        rooms.register("agents", Room("Fleet", 500, "Agents", "robot", "agents", topics=("agent",)))
        links.register("agent", lambda pk: reverse("agent", args=[pk]) if pk.isdigit() else None)
        lists.register("agents", AgentList)
        commands.register("add agent", Command("Add agent", "plus", "agent-add", "agents.create"))
        searches.register("agents", search.SEARCH)
        for action, phrase in sentences.PHRASES.items():
            phrases.register(action, phrase)
