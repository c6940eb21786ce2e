"""``manage.py rotate_keys``: encrypts every stored secret with the newest key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestra.kernel import keys
from orchestra.kernel.access import Actor
from orchestra.kernel.secrets import UnreadableSecret


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret with the first of ENCRYPTION_KEYS. Put a new key in front of the old ones first."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = keys.rotate(Actor.system("command line"))
        except UnreadableSecret as error:
            raise CommandError(f"{error.detail} Nothing was changed.") from None
        self.stdout.write(f"{count} secrets are encrypted with the newest key; the others may be taken out of .env.")
