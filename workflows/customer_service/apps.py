from django.apps import AppConfig
from django.urls import reverse


class CustomerServiceConfig(AppConfig):
    name = "workflows.customer_service"
    label = "customer_service"
    verbose_name = "Customer service"

    def ready(self) -> None:
        from orchestra.kernel import events
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
        from workflows import ports, ticker
        from workflows.customer_service import agents, desk, observe, search, sentences
        from workflows.customer_service import panels as ours
        from workflows.customer_service.listing import DeskList

        assert agents  # importing it registers the functions that agents of kind python may name
        events.TELEMETRY.add("customer_service_drafttext")
        ports.observers.register("inquiry", observe.observe)
        ports.retries.register("inquiry", observe.why_not_retried)
        ticker.ticks.register("expired claims", desk.lapse_expired)
        rooms.register("desk", Room("Work", 100, "Desk", "message", "desk", badge=ours.waiting, topics=("inquiry",)))
        rooms.register("knowledge", Room("Work", 320, "Knowledge", "book-2", "knowledge"))
        links.register("inquiry", lambda pk: reverse("inquiry", args=[pk]) if pk.isdigit() else None)
        links.register("article", lambda pk: reverse("article", args=[pk]) if pk.isdigit() else None)
        lists.register("desk", lambda params: DeskList(params, 0))  # whose desk it is makes no filter valid or not
        commands.register("new inquiry", Command("New inquiry", "plus", "inquiry-add", "inquiries.create"))
        commands.register("new article", Command("New article", "plus", "article-add", "knowledge.change"))
        searches.register("inquiries", search.INQUIRIES)
        searches.register("articles", search.ARTICLES)
        panels.register(
            "served inquiry", ("run", Panel("customer_service/parts/served_inquiry.html", ours.served_inquiry))
        )
        for action, phrase in sentences.PHRASES.items():
            phrases.register(action, phrase)
