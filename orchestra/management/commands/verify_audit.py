"""``manage.py verify_audit``: reads the whole audit chain and says whether it is whole."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from orchestra.kernel import chain, verification


class Command(BaseCommand):
    """Exit status 0 if every event is right, 1 otherwise."""

    help = "Verify the audit chain from its first event to its last, and name the first number that is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of a sentence")

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = verification.verify()
        if options["json"]:
            self.stdout.write(json.dumps(verdict.as_dict() | {"head": chain.head()}))
        elif verdict.valid:
            self.stdout.write(
                f"The audit trail is whole: {verdict.events:,} events, {verdict.erased:,} details erased."
            )
        else:
            self.stderr.write(f"The audit trail is broken at event {verdict.first_bad}. {verdict.problem}")
        if not verdict.valid:
            sys.exit(1)
