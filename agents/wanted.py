"""Which processes of agents are to run, and which of them nobody has: what keepers read. Writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from agents import snapshot
from agents.models import Agent, AgentKind, AgentStatus
from orchestra.kernel import pulses

FOLLOWED = (AgentStatus.STARTING, AgentStatus.ONLINE, AgentStatus.DRAINING)
"""Agents of other statuses have no process, or one that its keeper is about to end."""
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """A process agent as its keeper needs to know it."""

    id: int
    name: str
    status: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """The fleet's revision, all its process agents if that has changed, and those whose process nobody has."""

    revision: int
    agents: Mapping[int, Wanted] | None
    unheld: list[int]


def look(known_revision: int, *, any_known: bool) -> Look:
    """Look again; one statement while there are no such agents, two while nothing has changed."""
    number, agents = snapshot.revision(), None
    if number != known_revision:
        rows = Agent.objects.filter(kind=AgentKind.PROCESS).order_by("pk")
        agents = {row[0]: Wanted(*row) for row in rows.values_list("pk", "name", "status", "config")}
    return Look(number, agents, _unheld() if agents or (agents is None and any_known) else [])


def others(holder: str) -> list[frozenset[str]]:
    """The executors beside ``holder`` that share the processes, by the commands that they know; not those that stop."""
    beating = pulses.alive(f"{pulses.EXECUTOR}:", within_s=settings.LEASE_S).values_list("name", "detail")
    return [
        frozenset(detail.get("commands", ()))
        for name, detail in beating
        if not holder.startswith(f"{name}:") and not detail.get("stopping")
    ]


def _unheld() -> list[int]:
    rows = Agent.objects.filter(
        Q(process__isnull=True) | Q(process__holder="") | Q(process__lease_expires_at__lte=Now()),
        kind=AgentKind.PROCESS,
        status__in=FOLLOWED,
    )
    return list(rows.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
