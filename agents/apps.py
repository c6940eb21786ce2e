from django.apps import AppConfig
from django.urls import reverse


class AgentsConfig(AppConfig):
    name = "agents"

    def ready(self) -> None:
        from agents import (
            measures,
            panels,
            pool_listing,
            pools,
            reservations,
            resource_listing,
            resource_search,
            search,
            sentences,
            spending,
        )
        from agents.listing import AgentList
        from agents.pool_listing import PoolList
        from orchestra.kernel import events, housekeeping, registry
        from orchestra.kernel.registry import Command, Room, commands, links, lists, phrases, rooms, searches

        rooms.register("agents", Room("Fleet", 500, "Agents", "robot", "agents", topics=("agent",)))
        links.register("agent", lambda pk: reverse("agent", args=[pk]) if pk.isdigit() else None)
        lists.register("agents", AgentList)
        commands.register("add agent", Command("Add agent", "plus", "agent-add", "agents.create"))
        searches.register("agents", search.SEARCH)
        rooms.register("pools", Room("Fleet", 510, "Pools", "users-group", "pools", topics=("pool",)))
        links.register("pool", lambda pk: reverse("pool", args=[pk]) if pk.isdigit() else None)
        lists.register("pools", PoolList)
        commands.register("add pool", Command("Add a pool", "users-group", "pool-add", "pools.create"))
        searches.register("pools", pool_listing.FOUND)
        events.TELEMETRY.add("agents_agentprocess")
        events.TELEMETRY.update({"agents_modelcall", "agents_spendingday"})
        housekeeping.chores.register("old calls of models", spending.forget_old)
        registry.panels.register("spending", ("agent", registry.Panel("agents/parts/spending.html", panels.spending)))
        events.TELEMETRY.add("agents_agentmeasure")
        housekeeping.chores.register("old measures of agents", measures.forget_old)
        events.TELEMETRY.update({"agents_pooldecision", "agents_poolsample"})
        launching = ("launched", "launch_at", "launch_failed_for", "launch_failures")
        events.TELEMETRY.update(f"agents_pool.{name}" for name in launching)
        housekeeping.chores.register("old samples and decisions of pools", pools.forget_old)
        rooms.register(
            "resources", Room("Fleet", 520, "Resources", "package", "resources", topics=("resource", "reservation"))
        )
        links.register("resource", lambda pk: reverse("resource", args=[pk]) if pk.isdigit() else None)
        links.register("reservation", lambda pk: reverse("reservation", args=[pk]) if pk.isdigit() else None)
        housekeeping.chores.register("old reservations", reservations.remove_old)
        lists.register("resources", resource_listing.ResourceList)
        commands.register("add resource", Command("Add resource", "package", "resource-add", "resources.create"))
        searches.register("resources", resource_search.SEARCH)
        for action, phrase in sentences.PHRASES.items():
            phrases.register(action, phrase)
