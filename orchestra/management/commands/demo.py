"""``manage.py demo``: loads the example system; again is harmless."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from monitoring.alerting import thresholds
from monitoring.alerting.usual import USUAL
from monitoring.notification import defaults
from orchestra.kernel.access import Actor
from workflows.customer_service import demo as customer_service


class Command(BaseCommand):
    help = (
        "Loads the example system: agents, resources, workflows, knowledge base, thresholds. "
        "Again is harmless: only what is missing is added."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--inquiries", action="store_true", help="also a few inquiries of invented customers")

    def handle(self, *args: Any, **options: Any) -> None:
        demo = Actor.system("demo")
        made = customer_service.load(demo, inquiries=options["inquiries"])
        for kind in made:
            self.stdout.write(f"{kind.what}: {kind.added} added, {kind.total - kind.added} there already")
        added = len(thresholds.install_usual(by=demo))
        self.stdout.write(f"thresholds: {added} added, {len(USUAL) - added} there already")
        begun = defaults.install(demo)
        self.stdout.write(f"routes and inhibitions: {', '.join(begun) or 'there are some already'}")
