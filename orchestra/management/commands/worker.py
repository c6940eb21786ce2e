"""Workers only: what further hosts run beside the one that serves pages."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from orchestra.supervisor import premises
from orchestra.supervisor.tree import Tree


class Command(BaseCommand):
    requires_system_checks = ()  # make_ready runs them, with the database
    help = "Run workers on this host, without pages; Ctrl-C stops them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        premises.add_executors_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        with premises.hold_folder(settings.DATA_DIR):
            premises.make_ready(self)
            self.stdout.write(f"Starting workers: {options['executors']} executor(s). Ctrl-C stops them.")
            Tree(executors=options["executors"]).run()
