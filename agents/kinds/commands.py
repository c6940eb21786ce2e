"""The programs that agents may be: those of the setting COMMANDS, and those that come with Orchestra."""

import os
import sys
from collections.abc import Mapping, Sequence

from django.conf import settings

from agents.kinds.pipes import Command

BUILT_IN: Mapping[str, Sequence[str]] = {"echo": (sys.executable, "-m", "agents.examples.echo_worker")}
SHARED = frozenset({"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV"})
SHARED_FAMILIES = ("LC_", "PYTHON")
"""Of our own environment a program needs no more; the rest may hold keys, of ours or of others on this host."""


def names() -> list[str]:
    return sorted({*BUILT_IN, *settings.COMMANDS})


def find(name: str) -> Command | None:
    """The command of this name as it is run here, or None: other hosts may have other commands."""
    words = settings.COMMANDS.get(name) or BUILT_IN.get(name)
    return Command(list(words), str(settings.BASE_DIR), environment()) if words else None


def environment() -> dict[str, str]:
    """What a program is given of our own environment: what it takes to run, and nothing that only some may know."""
    return {name: value for name, value in os.environ.items() if name in SHARED or name.startswith(SHARED_FAMILIES)}
