from django.apps import AppConfig
from django.urls import reverse


class KernelConfig(AppConfig):
    name = "orchestra.kernel"
    label = "kernel"
    verbose_name = "People and audit"

    def ready(self) -> None:
        from orchestra.kernel.registry import Room, links, rooms

        people = Room("Settings", 900, "People", "user", "people", topics=("user",), role="admin")
        rooms.register("people", people)
        links.register("user", lambda pk: reverse("person", args=[pk]) if pk else None)
