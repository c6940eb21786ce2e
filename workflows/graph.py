"""The graph of a definition as geometry: a column for each rank, curves from what a step needs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from workflows.definition import StepSpec

MARGIN = 16
NODE_HEIGHT = 34
LETTER_WIDTH = 7
NARROWEST, WIDEST = 96, 220
COLUMN_GAP, ROW_GAP = 44, 14
ICON_ROOM = 44


@dataclass(frozen=True, slots=True)
class Node:
    """A step as a box; ``x`` and ``y`` are its upper left corner."""

    name: str
    x: int
    y: int
    width: int
    height: int = NODE_HEIGHT

    @property
    def middle(self) -> int:
        return self.y + self.height // 2


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes, and edges as the ``d`` of SVG paths, in pixels."""

    nodes: tuple[Node, ...]
    edges: tuple[str, ...]
    width: int
    height: int


def layout(steps: Sequence[StepSpec]) -> Graph:
    """Place ``steps``, which come in an order in which each stands after what it needs."""
    columns = _columns(steps)
    rows = max(len(column) for column in columns)
    height = 2 * MARGIN + rows * (NODE_HEIGHT + ROW_GAP) - ROW_GAP
    nodes: dict[str, Node] = {}
    x = MARGIN
    for column in columns:
        width = min(WIDEST, max(NARROWEST, ICON_ROOM + LETTER_WIDTH * max(len(step.name) for step in column)))
        y = (height - len(column) * (NODE_HEIGHT + ROW_GAP) + ROW_GAP) // 2
        for row, step in enumerate(column):
            nodes[step.name] = Node(step.name, x, y + row * (NODE_HEIGHT + ROW_GAP), width)
        x += width + COLUMN_GAP
    edges = tuple(_edge(nodes[need], nodes[step.name]) for step in steps for need in step.needs)
    return Graph(tuple(nodes.values()), edges, x - COLUMN_GAP + MARGIN, height)


def _columns(steps: Sequence[StepSpec]) -> list[list[StepSpec]]:
    rank: dict[str, int] = {}
    for step in steps:
        rank[step.name] = 1 + max((rank[need] for need in step.needs), default=-1)
    return [[step for step in steps if rank[step.name] == column] for column in range(max(rank.values()) + 1)]


def _edge(start: Node, end: Node) -> str:
    left, right = start.x + start.width, end.x
    bend = (left + right) // 2
    return f"M{left} {start.middle}C{bend} {start.middle} {bend} {end.middle} {right} {end.middle}"
