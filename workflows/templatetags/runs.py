"""Template tags of runs: their graph, their steps as marks, words for codes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import template
from django.conf import settings
from django.utils.dateparse import parse_datetime

from orchestra.kernel.looks import look_of
from workflows import graph
from workflows.definition import StepSpec
from workflows.models import StepStatus
from workflows.runs import Pip

register = template.Library()

PARTS = (("match", "match"), ("success", "success"), ("speed", "speed"), ("availability", "free"))
OBSTACLES = {"breaker_open": "breaker open"}
CROWDS = {"lacks_capability": "without the capability", "breaker_open": "with an open breaker"}
PIP, GAP = 10, 3
ORDINALS = {1: "st", 2: "nd", 3: "rd"}


@register.inclusion_tag("workflows/parts/graph.html")
def step_graph(steps: Sequence[StepSpec], statuses: dict[str, str], chosen: str, address: str) -> dict[str, Any]:
    """The graph of ``steps``; a click on one goes to ``address`` + its name."""
    drawn = graph.layout(steps)
    nodes = [(node, look_of(statuses.get(node.name, StepStatus.PENDING))) for node in drawn.nodes]
    return {"graph": drawn, "nodes": nodes, "chosen": chosen, "address": address}


@register.inclusion_tag("workflows/parts/pips.html")
def step_pips(pips: Sequence[Pip]) -> dict[str, Any]:
    """The steps of a run as small squares in the colours of their statuses, in the order of the definition."""
    shown = [(index * (PIP + GAP), look_of(pip.status), pip.name) for index, pip in enumerate(pips)]
    ended = sum(look.tone == "succeeded" for _, look, _ in shown)
    return {"pips": shown, "size": PIP, "width": len(pips) * (PIP + GAP), "words": f"{ended} of {len(pips)} done"}


@register.simple_tag
def score_parts(candidate: dict[str, Any]) -> list[float]:
    """A candidate's weighted parts, in the order of :func:`score_headings`."""
    return [candidate["parts"].get(part, 0.0) for part, _ in PARTS]


@register.simple_tag
def score_headings() -> list[tuple[str, float]]:
    """The parts of a score with their weights."""
    return [(heading, settings.SCORE_WEIGHTS[part]) for part, heading in PARTS]


@register.filter
def obstacle(code: str) -> str:
    """Why an agent was excluded, in words: ``busy``, ``draining``, ``breaker open``."""
    return OBSTACLES.get(code) or code.removeprefix("is_")


@register.filter
def crowd(code: str) -> str:
    """Likewise, after a count of agents: ``without the capability``."""
    return CROWDS.get(code) or obstacle(code)


@register.filter
def instant(text: str | None) -> datetime | None:
    """A moment that was stored as ISO text."""
    return parse_datetime(text) if text else None


@register.filter
def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``11th``."""
    ending = "th" if number % 100 in (11, 12, 13) else ORDINALS.get(number % 10, "th")
    return f"{number}{ending}"


@register.filter
def weight(value: float) -> str:
    """A weight in the few characters that a heading has: ``.4``, ``1``."""
    return f"{value:g}".removeprefix("0") or "0"


@register.filter
def part(value: float) -> str:
    """A part of a score in the few characters that a table has: ``.29``, ``1.00``."""
    return f"{value:.2f}".removeprefix("0")
