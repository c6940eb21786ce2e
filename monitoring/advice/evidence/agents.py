"""What the rules about agents go by: those that fail, and those that nobody calls. So many queries for any fleet."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Count, F, Q, Sum
from django.urls import reverse

from agents.models import Agent, AgentKind, AgentMeasure, AgentStatus, Capability, Circuit
from agents.models.measures import Span
from monitoring.advice.rules.agents import IDLE_DAYS, OPENINGS, FailingFacts, IdleFacts
from orchestra.kernel.models import Event

DAY = timedelta(days=1)
HEALTHY = 0.8
"""The share of calls that succeed from which on an agent may stand in for another."""
MOST_FAILING, MOST_IDLE = 200, 100
MOST_OPENINGS = 2_000


def failing(now: datetime) -> list[FailingFacts]:
    """Agents that take work and whose calls of late failed, or whose breaker opened often; at most 200."""
    openings = _openings(now - DAY)
    often = [agent for agent, times in openings.items() if times >= OPENINGS]
    worrying = Q(health__success_rate__lt=HEALTHY) | Q(pk__in=often)
    agents = Agent.objects.filter(worrying, status=AgentStatus.ONLINE, health__last_called_at__gt=now - DAY)
    agents = agents.exclude(kind=AgentKind.HUMAN).select_related("health").order_by("health__success_rate", "pk")
    found = list(agents.defer("config", "secrets")[:MOST_FAILING])
    if not found:
        return []
    pks = [agent.pk for agent in found]
    calls, abilities = _calls(pks, now - DAY), _abilities(pks)
    healthy = _healthy({name for names in abilities.values() for name in names})
    return [
        _failing(agent, calls.get(agent.pk, (0, 0)), openings[agent.pk], _rarest(agent, abilities, healthy))
        for agent in found
    ]


def idle(now: datetime) -> list[IdleFacts]:
    """Agents of no pool that are online, were not changed, and not called either, for long; at most 100."""
    since = now - timedelta(days=IDLE_DAYS)
    uncalled = Q(health__last_called_at__isnull=True) | Q(health__last_called_at__lt=since)
    agents = Agent.objects.filter(
        uncalled, status=AgentStatus.ONLINE, pool__isnull=True, created_at__lt=since, updated_at__lt=since
    )
    agents = agents.exclude(kind=AgentKind.HUMAN).select_related("health").order_by("updated_at", "pk")
    found = list(agents.defer("config", "secrets")[:MOST_IDLE])
    abilities = _abilities([agent.pk for agent in found])
    return [
        IdleFacts(
            agent.pk,
            agent.name,
            (now - max(agent.updated_at, agent.health.last_called_at or agent.created_at)).days,
            agent.health.last_called_at is not None,
            tuple(abilities.get(agent.pk, ())),
            reverse("agent", args=[agent.pk]),
        )
        for agent in found
    ]


def _openings(since: datetime) -> Counter[int]:
    """How often the breaker of each agent opened, as the last 2,000 such events tell."""
    opened = Event.objects.filter(action="CircuitOpened").order_by("-number")
    rows = opened.values_list("target_id", "happened")[:MOST_OPENINGS]
    return Counter(int(agent) for agent, happened in rows if happened >= since)


def _calls(agents: Collection[int], since: datetime) -> dict[int, tuple[int, int]]:
    """Calls that count for or against each agent, and those that failed."""
    rows = AgentMeasure.objects.filter(agent__in=agents, span=Span.MINUTE, at__gte=since).order_by()
    counted = F("calls") - F("failed_caller") - F("failed_lost")
    failed = F("failed_agent") + F("failed_timeout")
    sums = rows.values_list("agent").annotate(calls=Sum(counted), failed=Sum(failed))
    return {agent: (calls, failures) for agent, calls, failures in sums}


def _abilities(agents: Collection[int]) -> dict[int, list[str]]:
    abilities: dict[int, list[str]] = {}
    if agents:
        for agent, name in Capability.objects.filter(agent__in=agents).order_by("name").values_list("agent", "name"):
            abilities.setdefault(agent, []).append(name)
    return abilities


def _healthy(names: Iterable[str]) -> dict[str, int]:
    """How many agents that take calls and mostly succeed have each capability."""
    rows = Capability.objects.filter(
        name__in=list(names),
        agent__status=AgentStatus.ONLINE,
        agent__health__circuit=Circuit.CLOSED,
        agent__health__success_rate__gte=HEALTHY,
    )
    return dict(rows.order_by().values_list("name").annotate(Count("agent")))


def _rarest(agent: Agent, abilities: Mapping[int, Iterable[str]], healthy: Mapping[str, int]) -> tuple[int, str]:
    """How many others there are for the capability of ``agent`` that fewest have, and its name."""
    itself = agent.health.circuit == Circuit.CLOSED and agent.health.success_rate >= HEALTHY
    others = ((healthy.get(name, 0) - itself, name) for name in abilities.get(agent.pk, ()))
    return min(others, default=(0, ""))


def _failing(agent: Agent, calls: tuple[int, int], openings: int, others: tuple[int, str]) -> FailingFacts:
    audit = urlencode({"target": f"agent:{agent.pk}", "action": "CircuitOpened", "since": "24h"})
    return FailingFacts(
        agent.pk,
        agent.name,
        calls[0],
        calls[1],
        openings,
        others[0],
        others[1],
        agent.health.last_error[:200],
        reverse("agent", args=[agent.pk]),
        f"{reverse('audit')}?{audit}",
        f"{reverse('agents')}?{urlencode({'capability': others[1], 'status': 'online'})}",
    )
