"""``manage.py create_token USER --role operator``: a key to the API, printed once."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from orchestra.kernel import accounts
from orchestra.kernel.access import RANK, Actor
from orchestra.kernel.errors import OrchestraError
from orchestra.kernel.models import Role, User

ACTOR = Actor.system("command line")


class Command(BaseCommand):
    """The last line of the output is the key and nothing else, so that scripts can take it."""

    help = "Make an API token for a person, who is added if need be, and print its key: it cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="the name the person signs in with")
        parser.add_argument("--role", required=True, choices=Role.values, help="what the token may do at most")
        parser.add_argument("--name", default="command line", help="what will use it")
        parser.add_argument("--days", type=int, help="how long it is valid; without end by default")

    def handle(self, *args: Any, **options: Any) -> None:
        expires_at = timezone.now() + timedelta(days=options["days"]) if options["days"] is not None else None
        try:
            user = self._person(options["user"], options["role"])
            name, role = options["name"], options["role"]
            _, key = accounts.create_token(ACTOR, user, name=name, role=role, expires_at=expires_at)
        except OrchestraError as error:
            faults = " ".join(f"{fault['path']}: {fault['message']}" for fault in error.errors)
            raise CommandError(faults or error.detail) from None
        self.stdout.write(key)

    def _person(self, username: str, role: str) -> User:
        user = User.objects.filter(username=username).first()
        if user is None:
            user = accounts.create_user(ACTOR, username=username, role=role)
            self.stderr.write(f"{username} was added with the role {role}; without a password, so for the API only.")
        elif RANK[Role(user.role)] < RANK[Role(role)]:
            raise CommandError(
                f"{username} has the role {user.role}, and a token allows no more than its owner may: "
                f"choose --role {user.role}, or change the role on the page Settings, People."
            )
        return user
