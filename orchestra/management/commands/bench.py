"""``manage.py bench NAME``: one benchmark on a scratch database; prints one JSON object a line."""

import importlib
import json
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from orchestra.bench import scratch

NAMES = (
    "engine",
    "latency",
    "inflight",
    "pages",
    "chaos",
    "web-writes",
    "allocation",
    "dispatch",
    "live",
    "live-writes",
    "monitor",
    "preview",
)
WRITERS = ("web-writes", "live-writes")  # processes of other benchmarks
WITHOUT_DATABASE = ("allocation", "dispatch")
BENCHES = {name: f"orchestra.bench.{name.replace('-', '_')}" for name in NAMES}


class Command(BaseCommand):
    help = "Run one benchmark on a database of its own and print its figures as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
        for name, path in BENCHES.items():
            bench = importlib.import_module(path)
            bench.add_arguments(names.add_parser(name, help=(bench.__doc__ or "").splitlines()[0]))

    def handle(self, *args: Any, **options: Any) -> None:
        if scratch.is_scratch() or options["name"] in WITHOUT_DATABASE:
            self._measure(options)
        else:
            self._start_on_scratch()

    def _measure(self, options: dict[str, Any]) -> None:
        name = options["name"]
        if name not in (*WRITERS, *WITHOUT_DATABASE):
            call_command("migrate", verbosity=0)
        figures = importlib.import_module(BENCHES[name]).run(Namespace(**options))
        for line in figures if isinstance(figures, list) else [figures]:
            if line is not None:
                self.stdout.write(json.dumps(line))

    def _start_on_scratch(self) -> None:
        """The same command again, in a process that knows only the scratch database."""
        with scratch.environment(settings.ENV["DATABASE_URL"], settings.ENV["REDIS_URL"]) as environment:
            command = [sys.executable, *sys.argv]
            result = subprocess.run(command, env=environment, cwd=settings.BASE_DIR, check=False)
        if result.returncode:
            raise CommandError("The benchmark failed; the lines above say why.")
