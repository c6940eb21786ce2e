"""Template tags of runs: their graph, their steps as marks, words for codes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django import template
from django.conf import settings

from agents.spent import RunSpending, Spent
from orchestra.kernel.looks import COMPENSATING, FAILED, NEUTRAL, SUCCEEDED, Look, look_of
from workflows import chosen, graph
from workflows.chosen import LeftOut
from workflows.definition import StepSpec, undone_by
from workflows.graph import Node
from workflows.items import Items
from workflows.models import StepStatus
from workflows.progress import StepProgress
from workflows.runs import Pip

register = template.Library()

PARTS = (("match", "match"), ("success", "success"), ("speed", "speed"), ("availability", "free"))
PIP, GAP = 10, 3
MOST_PIPS = 16
"""Steps that a row has room to show one by one."""
ORDINALS = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A box of the graph with what it shows: its state, its name as far as there is room, and all of it in words."""

    node: Node
    look: Look
    text: str
    words: str
    count: str = ""


@register.inclusion_tag("workflows/parts/graph.html")
def step_graph(
    steps: Sequence[StepSpec],
    statuses: Mapping[str, str],
    chosen: str,
    address: str,
    reached: Sequence[StepProgress] = (),
) -> dict[str, Any]:
    """The graph of ``steps``; a click on one goes to ``address`` + its name. ``reached``: how far a run has come."""
    drawn = graph.layout(steps)
    progress = {step.name: step for step in reached}
    nodes = [_drawn(node, statuses.get(node.name, StepStatus.PENDING), progress.get(node.name)) for node in drawn.nodes]
    undoing = [_drawn_undo(node, progress.get(undone_by(node.name))) for node in drawn.undoing]
    return {
        "graph": drawn,
        "nodes": nodes,
        "undoing": undoing,
        "chosen": chosen,
        "address": address,
        "swaps": address.startswith("?"),
    }


def _drawn(node: Node, status: str, step: StepProgress | None) -> Drawn:
    look, count = look_of(status), ""
    words = [f"{node.name}: {look.word}", *node.words]
    if step is not None and step.items is not None:
        count = f"{step.items.done}/{step.items.total}"
        words.append(f"{step.items.done:,} of {step.items.total:,} done")
    if step is not None and step.row is not None and step.row.round and step.spec.repeat is not None:
        words.append(f"{step.row.round + 1}. time")
    return Drawn(node, look, _cut(node.name, node.text_length), ", ".join(words), count)


def _drawn_undo(node: Node, step: StepProgress | None) -> Drawn:
    name = undone_by(node.name)
    status = ""
    if step is not None and step.undo is not None:
        status = step.undo.status
    elif step is not None and step.items is not None and step.items.undoing:
        status = StepStatus.COMPENSATING if step.status == StepStatus.COMPENSATING else StepStatus.COMPENSATED
    look = Look("arrow-back-up", _tone_of_undoing(status), look_of(status).word if status else "not needed so far")
    return Drawn(node, look, _cut("undo", node.text_length), f"what undoes {name}: {look.word}")


def _tone_of_undoing(status: str) -> str:
    """Violet once it is under way or done, red if it failed."""
    if not status:
        return NEUTRAL
    return FAILED if look_of(status).tone == FAILED else COMPENSATING


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


@register.inclusion_tag("workflows/parts/pips.html")
def step_pips(pips: Sequence[Pip]) -> dict[str, Any]:
    """The steps of a run as small squares in the colours of their statuses, in the order of the definition.

    Many are drawn as one bar of the same width, in which those of one status beside each other are one piece.
    """
    looks = [(look_of(pip.status), pip.name) for pip in pips]
    pitch = (PIP + GAP) * min(1.0, MOST_PIPS / max(1, len(pips)))
    if len(pips) <= MOST_PIPS:
        shown = [(index * pitch, float(PIP), look, name) for index, (look, name) in enumerate(looks)]
    else:
        shown = list(_pieces(looks, pitch))
    ended = sum(look.tone == SUCCEEDED for look, _ in looks)
    width = round(min(len(pips), MOST_PIPS) * (PIP + GAP))
    return {"pips": shown, "size": PIP, "width": width, "words": f"{ended} of {len(pips)} done"}


def _pieces(looks: Sequence[tuple[Look, str]], pitch: float) -> Iterator[tuple[float, float, Look, str]]:
    start = 0
    for look, group in groupby(looks, key=lambda each: each[0]):
        names = [name for _, name in group]
        label = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        yield round(start * pitch, 1), round(len(names) * pitch, 1), look, label
        start += len(names)


@register.inclusion_tag("workflows/parts/shares.html")
def item_shares(items: Items) -> dict[str, Any]:
    """The items of a fan-out as one bar, a part for each status, and in words."""
    parts = [(share, look_of(share.status)) for share in items.shares]
    words = [f"{share.count:,} {look.word}" for share, look in parts]
    rest = items.total - sum(items.counts.values())
    words += [f"{rest:,} not begun"] if rest > 0 else []
    return {"parts": parts, "words": ", ".join(words), "items": items}


@register.simple_tag
def score_parts(candidate: dict[str, Any]) -> list[float]:
    """A candidate's weighted parts, in the order of :func:`score_headings`."""
    return [candidate["parts"].get(part, 0.0) for part, _ in PARTS]


@register.simple_tag
def score_headings() -> list[tuple[str, float]]:
    """The parts of a score with their weights."""
    return [(heading, settings.SCORE_WEIGHTS[part]) for part, heading in PARTS]


@register.simple_tag
def cost_of(costs: RunSpending, step: str) -> Spent | None:
    """What a step's calls of models have come to; None if it called none."""
    return costs.steps.get(step)


@register.filter
def because(choice: Mapping[str, Any]) -> str:
    """Why an agent was chosen, as a sentence."""
    return chosen.because(choice)


@register.simple_tag
def left_out(choice: Mapping[str, Any]) -> list[LeftOut]:
    """Who was no candidate, by reason."""
    return chosen.left_out(choice)


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
