"""What the search across everything finds of the fleet: agents by name, by what they can do, by number."""

from typing import Any

from django.db.models import Case, Q, Value, When
from django.urls import reverse
from django.utils.http import urlencode

from agents.models import Agent
from orchestra.kernel.lists import number_in
from orchestra.kernel.registry import Found, Search


def find(text: str, _user: Any, limit: int) -> list[Found]:
    """Agents whose name begins with the text first; a fleet is small, so every name is looked at."""
    able = Agent.objects.filter(capabilities__name__icontains=text).values("pk")
    wanted = Q(name__icontains=text) | Q(pk__in=able)
    if (number := number_in(text)) is not None:
        wanted |= Q(pk=number)
    rank = Case(
        When(name__istartswith=text, then=Value(0)), When(name__icontains=text, then=Value(1)), default=Value(2)
    )
    rows = Agent.objects.filter(wanted).order_by(rank, "name").prefetch_related("capabilities")[:limit]
    return [Found(row.name, _detail(row), reverse("agent", args=[row.pk])) for row in rows]


def _detail(agent: Agent) -> str:
    can = ", ".join(sorted(capability.name for capability in agent.capabilities.all())[:4])
    return f"{agent.get_status_display()}, can do {can}" if can else str(agent.get_status_display())


def more(text: str) -> str:
    return f"{reverse('agents')}?{urlencode({'search': text})}"


SEARCH = Search(400, "Agents", "robot", find, more)
