"""System checks of what no single setting can tell. ``check --deploy`` runs those about serving strangers as well.

``orchestra.E…`` stop every command, ``orchestra.W…`` are advice. docs/deployment.md lists them.
"""

from collections.abc import Sequence
from typing import Any

from channels.layers import get_channel_layer
from cryptography.fernet import Fernet
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core import checks
from django.db import DatabaseError

from orchestra.kernel import keys

VENDOR_FILES = ("vendor/htmx.min.js", "vendor/tabler.min.css", "vendor/icons.svg", "vendor/inter/index.css")


def register_all() -> None:
    """Register every check of this module; called by ``OrchestraConfig.ready``."""
    checks.register(encryption_keys_are_keys, checks.Tags.security)
    checks.register(channel_layer_exists)
    checks.register(sqlite_stays_on_one_machine, checks.Tags.compatibility)
    checks.register(browser_files_are_there, checks.Tags.staticfiles)
    checks.register(debug_and_https_exclude_each_other, checks.Tags.security)
    checks.register(https_is_on, checks.Tags.security, deploy=True)
    checks.register(no_key_is_missing, checks.Tags.database)


def encryption_keys_are_keys(**_: Any) -> list[checks.CheckMessage]:
    faults: list[checks.CheckMessage] = []
    for number, key in enumerate(settings.ENCRYPTION_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            faults.append(
                checks.Error(
                    f"Key {number} of ENCRYPTION_KEYS is not a Fernet key.",
                    hint="A key is 32 bytes in URL-safe base64; `make setup` writes one into .env where none is.",
                    id="orchestra.E001",
                )
            )
    return faults


def no_key_is_missing(*, databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """Runs only where a command names its databases: ``up``, ``worker`` and ``check --database default``."""
    if not databases:
        return []
    try:
        missing = keys.missing()
    except DatabaseError:
        return []  # not migrated yet: then nothing was encrypted, and the commands say so themselves
    return [
        checks.Error(
            f"Secrets were stored with the key {fingerprint}, which ENCRYPTION_KEYS does not hold.",
            hint="Put that key back into .env behind the new one, then run `manage.py rotate_keys`.",
            id="orchestra.E002",
        )
        for fingerprint in missing
    ]


def channel_layer_exists(**_: Any) -> list[checks.CheckMessage]:
    """A wrong key in CHANNEL_LAYERS makes the layer None without a word."""
    if getattr(settings, "CHANNEL_LAYERS", None) and get_channel_layer() is None:
        return [
            checks.Error(
                "CHANNEL_LAYERS is set, but gives no channel layer.",
                hint="Name the layer `default` and its BACKEND by a full path.",
                id="orchestra.E003",
            )
        ]
    return []


def debug_and_https_exclude_each_other(**_: Any) -> list[checks.CheckMessage]:
    if not (settings.DEBUG and settings.HTTPS):
        return []
    return [
        checks.Error(
            "DEBUG and HTTPS are both true: errors would be shown in full to strangers.",
            hint="Set DEBUG=false in production; HTTPS=false on a machine of your own.",
            id="orchestra.E004",
        )
    ]


def browser_files_are_there(**_: Any) -> list[checks.CheckMessage]:
    missing = [name for name in VENDOR_FILES if finders.find(name) is None]
    if not missing:
        return []
    return [
        checks.Warning(
            f"Files that every page needs are missing from static: {', '.join(missing)}.",
            hint="Run `make setup`, which fetches them.",
            id="orchestra.W001",
        )
    ]


def sqlite_stays_on_one_machine(**_: Any) -> list[checks.CheckMessage]:
    if not settings.IS_SQLITE:
        return []
    advice: list[checks.CheckMessage] = []
    if settings.REDIS_URL:
        sentence = "REDIS_URL is set beside SQLite, which only one machine can use."
        hint = "Set DATABASE_URL to PostgreSQL, or take REDIS_URL out: on one machine SQLite needs no broker."
        advice.append(checks.Warning(sentence, hint=hint, id="orchestra.W002"))
    if settings.EXECUTORS > 1:
        sentence = "Several executors take turns at SQLite's one write lock."
        hint = "Set EXECUTORS=1, or DATABASE_URL to PostgreSQL."
        advice.append(checks.Warning(sentence, hint=hint, id="orchestra.W003"))
    return advice


def https_is_on(**_: Any) -> list[checks.CheckMessage]:
    if settings.HTTPS or set(settings.ALLOWED_HOSTS) <= {"localhost", "127.0.0.1", "[::1]"}:
        return []
    return [
        checks.Warning(
            "HTTPS is false while ALLOWED_HOSTS names hosts that others can reach: passwords would travel in the open.",
            hint="Put a TLS proxy in front and set HTTPS=true; docs/deployment.md shows how.",
            id="orchestra.W004",
        )
    ]
