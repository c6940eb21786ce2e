"""Template tags of the fleet's figures."""

from datetime import datetime
from typing import Any

from django import template

from agents.models import Agent

register = template.Library()

MOST_PIPS = 12
PIP, GAP = 7, 2


@register.inclusion_tag("agents/parts/load.html")
def load_of(agent: Agent) -> dict[str, Any]:
    """The agent's slots, filled ones first; more than a dozen as a bar."""
    slots, used = agent.max_concurrency, agent.in_flight
    pips = [(index * (PIP + GAP), index < used) for index in range(slots)] if slots <= MOST_PIPS else []
    return {
        "pips": pips,
        "width": len(pips) * (PIP + GAP),
        "size": PIP,
        "share": used / slots,
        "tone": "waiting" if used >= slots else "running",
        "text": f"{used}/{slots}",
        "words": f"{used} of {slots} slots in use",
    }


@register.simple_tag
def throughput_of(agent: Agent, now: datetime) -> str:
    """Calls a minute, or a dash for one that was never called."""
    return f"{agent.health.throughput_per_min(now):,.0f}" if agent.health.calls else "–"
