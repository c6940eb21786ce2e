"""The graph of a definition as geometry: a column for each rank, curves from what a step needs. Pure.

Edges that pass columns get a place of their own in each, so that they run between the boxes and not through them; the
order within a column follows the neighbours' (barycentres), which leaves few crossings.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from workflows.definition import StepSpec, undo

MARGIN = 16
NODE_HEIGHT = 34
UNDO_HEIGHT = 24
LANE_HEIGHT = 6
LETTER_WIDTH = 7
NARROWEST, WIDEST = 96, 240
COLUMN_GAP, ROW_GAP = 44, 14
ICON_ROOM, MARK_ROOM, COUNT_ROOM = 44, 18, 62
STACK = 4
SWEEPS = 4
MOST_LANES = 4000
"""Places for passing edges; a graph that would need more is drawn with straight curves."""

Place = str | tuple[str, str]
"""A step, or the lane of an edge (from, to) that passes."""
Lanes = dict[tuple[str, str], list[tuple[int, int, int]]]
"""For each lane where it enters and leaves each column, and at which height."""

SHAPES = {"wait": "pill", "signal": "pill", "end": "pill", "workflow": "framed", "first_of": "hexagon"}
ICONS = {
    "human": "hand-stop",
    "wait": "hourglass",
    "signal": "bell",
    "workflow": "sitemap",
    "first_of": "route",
    "end": "flag",
}
WORDS = {
    "human": "a person",
    "wait": "a timer",
    "signal": "a signal",
    "workflow": "a workflow",
    "first_of": "the first of several events",
    "end": "the end",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A step as a box; ``x`` and ``y`` are its upper left corner. ``marks`` are icons at its right end."""

    name: str
    x: int
    y: int
    width: int
    height: int = NODE_HEIGHT
    shape: str = "box"
    marks: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    fans_out: bool = False

    @property
    def middle(self) -> int:
        return self.y + self.height // 2

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def rounding(self) -> int:
        return self.height // 2 if self.shape == "pill" else 6

    @property
    def outline(self) -> str:
        """The path of a shape that is no rectangle."""
        cut, top, bottom = 10, self.y, self.y + self.height
        corners = [(self.x + cut, top), (self.right - cut, top), (self.right, self.middle)]
        corners += [(self.right - cut, bottom), (self.x + cut, bottom), (self.x, self.middle)]
        return "M" + "L".join(f"{x} {y}" for x, y in corners) + "Z"

    @property
    def marks_at(self) -> list[tuple[str, int]]:
        """The icons with where each begins, from the right end."""
        return [(mark, self.right - 6 - MARK_ROOM * (place + 1)) for place, mark in enumerate(self.marks)]

    @property
    def sheets(self) -> list[tuple[int, int]]:
        """Where the boxes behind a fan-out's begin."""
        return [(self.x + 2 * STACK, self.y - 2 * STACK), (self.x + STACK, self.y - STACK)] if self.fans_out else []

    @property
    def text_length(self) -> int:
        """How many letters of the name it has room for."""
        room = self.width - ICON_ROOM + 8 - MARK_ROOM * len(self.marks) - (COUNT_ROOM if self.fans_out else 0)
        return max(4, room // LETTER_WIDTH)


@dataclass(frozen=True, slots=True)
class Edge:
    """A curve: the ``d`` of an SVG path. ``kind`` is ``needs``, ``undo`` or ``cancels``."""

    path: str
    kind: str = "needs"


@dataclass(frozen=True, slots=True)
class Label:
    """A few words beside a box."""

    text: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes, those of what undoes steps, curves between them, and words; in pixels."""

    nodes: tuple[Node, ...]
    undoing: tuple[Node, ...]
    edges: tuple[Edge, ...]
    labels: tuple[Label, ...]
    width: int
    height: int


@dataclass(slots=True)
class _Column:
    """The places of a column, from above to below."""

    places: list[Place] = field(default_factory=list)


def layout(steps: Sequence[StepSpec]) -> Graph:
    """Place ``steps``, which come in an order in which each stands after what it needs."""
    rank = _ranks(steps)
    columns = _columns(steps, rank)
    nodes, lanes, width, height = _placed(columns, {step.name: step for step in steps})
    edges = [Edge(_route(nodes[need], nodes[step.name], lanes)) for step in steps for need in step.needs]
    undoing = tuple(_undo_box(nodes[step.name]) for step in steps if step.compensate is not None)
    edges += [Edge(f"M{box.x + 14} {box.y - 8}V{box.y}", "undo") for box in undoing]
    edges += [Edge(_arc(nodes[step.name], nodes[name]), "cancels") for step in steps for name in step.cancels]
    labels = tuple(
        Label(f"{step.join} of {len(step.needs)}", nodes[step.name].x + 4, nodes[step.name].y - 4)
        for step in steps
        if step.join
    )
    return Graph(tuple(nodes[step.name] for step in steps), undoing, tuple(edges), labels, width, height)


def _ranks(steps: Sequence[StepSpec]) -> dict[str, int]:
    rank: dict[str, int] = {}
    for step in steps:
        rank[step.name] = 1 + max((rank[need] for need in step.needs), default=-1)
    return rank


def _columns(steps: Sequence[StepSpec], rank: Mapping[str, int]) -> list[_Column]:
    columns = [_Column() for _ in range(max(rank.values()) + 1)]
    for step in steps:
        columns[rank[step.name]].places.append(step.name)
    long = [(need, step.name) for step in steps for need in step.needs if rank[step.name] - rank[need] > 1]
    neighbours: dict[Place, list[Place]] = defaultdict(list)
    if sum(rank[end] - rank[start] - 1 for start, end in long) > MOST_LANES:
        long = []
    for start, end in long:
        for column in range(rank[start] + 1, rank[end]):
            columns[column].places.append((start, end))
    for step in steps:
        for need in step.needs:
            is_long = rank[step.name] - rank[need] > 1 and bool(long)
            lane: Place = (need, step.name)
            neighbours[step.name].append(lane if is_long else need)
            neighbours[need].append(lane if is_long else step.name)
            if is_long:
                neighbours[lane] += [need, step.name]
    _untangle(columns, neighbours)
    return columns


def _untangle(columns: Sequence[_Column], neighbours: Mapping[Place, Sequence[Place]]) -> None:
    """Order each column by where its neighbours stand in the column before, then in the one after, and so on."""
    for sweep in range(SWEEPS if len(columns) > 1 else 0):
        inwards = list(columns) if sweep % 2 == 0 else list(reversed(columns))
        for before, column in pairwise(inwards):
            last = max(1, len(before.places) - 1)
            seat: dict[Place, float] = {place: index / last for index, place in enumerate(before.places)}
            mean: dict[Place, float] = {}
            for index, place in enumerate(column.places):
                near = [seat[other] for other in neighbours[place] if other in seat]
                near += [seat[place]] if place in seat else []
                mean[place] = sum(near) / len(near) if near else index / max(1, len(column.places) - 1)
            column.places.sort(key=lambda place, mean=mean: mean[place])  # type: ignore[misc]


def _placed(columns: Sequence[_Column], specs: Mapping[str, StepSpec]) -> tuple[dict[str, Node], Lanes, int, int]:
    """The boxes by name, the lanes, and the size of the whole."""
    stacks = [_stack(column, specs) for column in columns]
    top = min(y for stack in stacks for y, _ in stack.values())
    height = max(y + size for stack in stacks for y, size in stack.values()) - top + 2 * MARGIN
    nodes: dict[str, Node] = {}
    lanes: Lanes = defaultdict(list)
    x = MARGIN
    for stack in stacks:
        width = max([NARROWEST, *(_width_of(specs[place]) for place in stack if isinstance(place, str))])
        for place, (above, _) in stack.items():
            y = above - top + MARGIN
            if isinstance(place, str):
                nodes[place] = _node(specs[place], x, y + _sheets_of(specs[place]), width)
            else:
                lanes[place].append((x, x + width, y + LANE_HEIGHT // 2))
        x += width + COLUMN_GAP
    return nodes, lanes, x - COLUMN_GAP + MARGIN, height


def _stack(column: _Column, specs: Mapping[str, StepSpec]) -> dict[Place, tuple[int, int]]:
    """Where each place of a column begins and how high it is; the middle of the outermost boxes lies at 0."""
    stack: dict[Place, tuple[int, int]] = {}
    middles, y = [], 0
    for place in column.places:
        if isinstance(place, str):
            spec = specs[place]
            size = _sheets_of(spec) + NODE_HEIGHT + (UNDO_HEIGHT + 8 if spec.compensate else 0)
            middles.append(y + _sheets_of(spec) + NODE_HEIGHT // 2)
        else:
            size = LANE_HEIGHT
            middles.append(y + LANE_HEIGHT // 2)
        stack[place] = (y, size)
        y += size + ROW_GAP
    centre = (middles[0] + middles[-1]) // 2
    return {place: (y - centre, size) for place, (y, size) in stack.items()}


def _sheets_of(spec: StepSpec) -> int:
    """The room above the box of a fan-out, for the boxes behind it."""
    return 2 * STACK if spec.for_each else 0


def _marks_of(spec: StepSpec) -> tuple[tuple[str, ...], tuple[str, ...]]:
    marks, words = [], []
    if spec.kind in ICONS:
        marks.append(ICONS[spec.kind])
        words.append(WORDS[spec.kind])
    if spec.repeat is not None:
        marks.append("refresh")
        words.append("repeated")
    if spec.for_each:
        words.append("for each item of a list")
    return tuple(marks), tuple(words)


def _width_of(spec: StepSpec) -> int:
    marks, _ = _marks_of(spec)
    more = MARK_ROOM * len(marks) + (COUNT_ROOM if spec.for_each else 0)
    return min(WIDEST, ICON_ROOM + LETTER_WIDTH * len(spec.name)) + more


def _node(spec: StepSpec, x: int, y: int, width: int) -> Node:
    marks, words = _marks_of(spec)
    shape = SHAPES.get(spec.kind, "box")
    return Node(spec.name, x, y, width, shape=shape, marks=marks, words=words, fans_out=bool(spec.for_each))


def _undo_box(node: Node) -> Node:
    return Node(undo(node.name), node.x + 14, node.y + node.height + 8, node.width - 28, UNDO_HEIGHT)


def _route(start: Node, end: Node, lanes: Lanes) -> str:
    """A curve from box to box, along the edge's lane in each column between."""
    path, x, y = f"M{start.right} {start.middle}", start.right, start.middle
    for enter, leave, height in lanes.get((start.name, end.name), ()):
        path += f"{_bend(x, y, enter, height)}H{leave}"
        x, y = leave, height
    return path + _bend(x, y, end.x, end.middle)


def _bend(x: int, y: int, to_x: int, to_y: int) -> str:
    middle = (x + to_x) // 2
    return f"C{middle} {y} {middle} {to_y} {to_x} {to_y}"


def _arc(start: Node, end: Node) -> str:
    """From the foot of a step to the side of one that it withdraws, with a cross at that end."""
    x, y, to_y = start.x + 16, start.y + start.height, end.middle + 9
    if end.x == start.x:
        return f"M{x} {y}V{to_y}{_CROSS}"
    to_x, reach = (end.right, 30) if end.x < start.x else (end.x, -30)
    return f"M{x} {y}C{x} {max(y, to_y) + 14} {to_x + reach} {to_y} {to_x} {to_y}{_CROSS}"


_CROSS = "m-4 -4l8 8m0 -8l-8 8"
