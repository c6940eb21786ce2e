"""Template tags of the fleet's figures."""

from datetime import datetime
from typing import Any

from django import template

from agents.models import Agent
from agents.pool_figures import Standing
from agents.resource_rows import ResourceRow
from orchestra.kernel.templatetags.ui import meter
from orchestra.kernel.wording import percent

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


@register.inclusion_tag("parts/meter.html")
def pool_load(standing: Standing) -> dict[str, Any]:
    """The slots of a pool that are in use, as a bar."""
    share, used, slots = standing.load, standing.in_use, standing.slots
    tone = "waiting" if share is not None and share > standing.policy.target_utilisation else "running"
    words = f"{used} of {slots} slots in use" if slots else "no slots"
    return meter(share, words, tone=tone, text=percent(share))


@register.simple_tag
def throughput_of(agent: Agent, now: datetime) -> str:
    """Calls a minute, or a dash for one that was never called."""
    return f"{agent.health.throughput_per_min(now):,.0f}" if agent.health.calls else "–"


@register.inclusion_tag("agents/parts/load.html")
def use_of(row: ResourceRow) -> dict[str, Any]:
    """A resource's units, filled ones first; more than a dozen as a bar, and more than it has as full."""
    units, used = row.resource.capacity, row.used
    pips = [(index * (PIP + GAP), index < used) for index in range(units)] if units <= MOST_PIPS else []
    return {
        "pips": pips,
        "width": len(pips) * (PIP + GAP),
        "size": PIP,
        "share": min(1.0, used / units),
        "tone": "waiting" if used >= units else "running",
        "text": f"{used}/{units}",
        "words": f"{used} of {units} units in use",
    }


@register.filter
def spec(value: Any) -> str:
    """A property of a resource as people read it."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
