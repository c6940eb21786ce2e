"""Web and workers in one supervised tree: what ``make run`` and a service manager start."""

import http.client
import os
import secrets
import threading
import time
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand

from orchestra.kernel import accounts
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Role, User
from orchestra.supervisor import premises
from orchestra.supervisor.tree import Tree

FIRST_USER = "admin"
EVERY_INTERFACE = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to
START_S = 120  # nobody waits longer for the first answer


class Command(BaseCommand):
    requires_system_checks = ()  # make_ready runs them, with the database
    help = "Start web and workers, supervised; Ctrl-C stops everything."

    def add_arguments(self, parser: ArgumentParser) -> None:
        port = os.environ.get("PORT", "8000")
        parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, for a proxy on this host")
        parser.add_argument("--port", type=int, default=port, help="default: PORT from the environment, else 8000")
        parser.add_argument("--prepare", action="store_true", help="migrate first; the first time, load the examples")
        premises.add_executors_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        began_at = time.monotonic()
        with (
            premises.hold_folder(settings.DATA_DIR),
            premises.open_listener(options["host"], options["port"]) as listener,
        ):
            host = "localhost" if options["host"] in EVERY_INTERFACE else options["host"]
            address = f"http://{host}:{options['port']}/"
            if options["prepare"]:
                self._prepare(address)
            premises.make_ready(self)
            threading.Thread(target=self._announce, args=(address, began_at), daemon=True).start()
            Tree(executors=options["executors"], listener=listener).run()

    def _prepare(self, address: str) -> None:
        """Bring the database up to date; the first time, load the examples and add an administrator."""
        if premises.missing_migrations():
            self.stdout.write("Bringing the database up to date:")
            call_command("migrate", interactive=False)
        if User.objects.exists():
            return
        if "demo" in get_commands():
            self.stdout.write("Loading the examples:")
            call_command("demo")
        self._add_administrator(address)

    def _add_administrator(self, address: str) -> None:
        password = "-".join(secrets.token_hex(3) for _ in range(3))
        accounts.create_user(Actor.system("set-up"), username=FIRST_USER, role=Role.ADMIN, password=password)
        lines = [
            f"Sign in at  {address}",
            f"User        {FIRST_USER}",
            f"Password    {password}",
            "The password is shown this once. Change it after you have signed in.",
        ]
        width = max(map(len, lines))
        edge = f"+{'-' * (width + 4)}+"
        self.stdout.write("\n".join(["", edge, *(f"|  {line:<{width}}  |" for line in lines), edge, ""]))

    def _announce(self, address: str, began_at: float) -> None:
        """Say that Orchestra answers once it does: the request waits on the socket until the pages are there."""
        pages = http.client.HTTPConnection(urlsplit(address).netloc, timeout=START_S)
        try:
            pages.request("GET", "/healthz")
            pages.getresponse()
        except OSError:
            self.stderr.write(f"The pages have not answered for {START_S} s; the lines above say why.")
        else:
            self.stdout.write(f"Orchestra runs at {address} ({time.monotonic() - began_at:.1f} s). Ctrl-C stops it.")
        finally:
            pages.close()
