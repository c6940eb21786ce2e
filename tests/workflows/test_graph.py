import itertools
import random
import re
from pathlib import Path

from workflows import graph
from workflows.reader import parse


def layout(*steps):
    named = [{"capabilities": ["work"], **step} for step in steps]
    return graph.layout(parse({"name": "flow", "steps": named}).steps)


DIAMOND = (
    {"name": "a"},
    {"name": "b", "needs": ["a"]},
    {"name": "c", "needs": ["a"]},
    {"name": "d", "needs": ["b", "c"]},
)


def test_each_step_stands_to_the_right_of_all_that_it_needs():
    x = {node.name: node.x for node in layout(*DIAMOND).nodes}

    assert x["a"] < x["b"] == x["c"] < x["d"]


def test_parallel_steps_stand_apart_and_single_ones_in_the_middle():
    nodes = {node.name: node for node in layout(*DIAMOND).nodes}

    assert nodes["b"].y + nodes["b"].height < nodes["c"].y
    assert nodes["a"].middle == nodes["d"].middle == (nodes["b"].middle + nodes["c"].middle) // 2


def test_an_edge_leads_from_each_need_to_its_step():
    drawn = layout({"name": "a"}, {"name": "b"})
    a, b = drawn.nodes

    [edge] = drawn.edges
    assert edge.path.startswith(f"M{a.x + a.width} {a.middle}C")
    assert edge.path.endswith(f" {b.x} {b.middle}")


def test_everything_lies_inside_the_drawing():
    drawn = layout(*DIAMOND, {"name": "a_step_with_quite_a_long_name"}, {"name": "x", "needs": []})

    assert all(node.x > 0 and node.x + node.width < drawn.width for node in drawn.nodes)
    assert all(node.y > 0 and node.y + node.height < drawn.height for node in drawn.nodes)


def test_boxes_are_as_wide_as_the_longest_name_above_one_another():
    short, long = layout({"name": "a", "needs": []}, {"name": "reserve_the_stock", "needs": []}).nodes

    assert short.width == long.width > 7 * len("reserve_the_stock")


def drawn(*steps):
    """By name the boxes, and the whole."""
    graph_ = layout(*steps)
    return {node.name: node for node in graph_.nodes}, graph_


def test_each_kind_has_its_shape_and_mark():
    kinds = [
        {"name": "person", "human": {}},
        {"name": "timer", "wait": "5m"},
        {"name": "event", "signal": "paid"},
        {"name": "sub", "workflow": "other"},
        {"name": "either", "first_of": [{"signal": "paid"}, {"wait": "2d"}]},
        {"name": "poll", "capabilities": ["work"], "repeat": {"until": "true"}},
        {"name": "stop", "end": "failed"},
    ]

    nodes = {node.name: node for node in graph.layout(parse({"name": "flow", "steps": kinds}).steps).nodes}

    assert {name: node.shape for name, node in nodes.items()} == {
        "person": "box", "timer": "pill", "event": "pill", "sub": "framed", "either": "hexagon", "poll": "box",
        "stop": "pill",
    }  # fmt: skip
    assert [nodes[name].marks for name in ("person", "timer", "poll")] == [("hand-stop",), ("hourglass",), ("refresh",)]
    assert nodes["either"].words == ("the first of several events",)
    assert nodes["either"].outline.startswith("M")


def test_every_mark_is_in_the_sprite():
    offered = set((Path(__file__).parents[2] / "static" / "icons.txt").read_text().split())

    assert set(graph.ICONS.values()) | {"refresh", "arrow-back-up"} <= offered


def test_a_fan_out_has_sheets_behind_it_that_lie_inside_the_drawing():
    nodes, whole = drawn({"name": "pick", "for_each": "lines"})

    [first, second] = nodes["pick"].sheets
    assert nodes["pick"].fans_out
    assert 0 < first[1] < second[1] < nodes["pick"].y
    assert first[0] + nodes["pick"].width < whole.width


def test_what_undoes_a_step_is_drawn_below_it_with_an_edge_of_its_own():
    nodes, whole = drawn({"name": "pay", "compensate": {"capabilities": ["refund"]}}, {"name": "send"})

    [box] = whole.undoing
    assert (box.name, box.y) == ("pay.compensate", nodes["pay"].y + nodes["pay"].height + 8)
    assert [edge.kind for edge in whole.edges] == ["needs", "undo"]
    assert nodes["pay"].middle == nodes["send"].middle
    assert box.y + box.height < whole.height


def test_what_a_step_withdraws_is_an_edge_that_ends_in_a_cross():
    _, whole = drawn({"name": "a"}, {"name": "b", "needs": []}, {"name": "c", "needs": ["a"], "cancels": ["b"]})

    [cancels] = [edge for edge in whole.edges if edge.kind == "cancels"]
    assert cancels.path.endswith("m-4 -4l8 8m0 -8l-8 8")


def test_a_join_says_how_many_it_needs():
    _, whole = drawn(*DIAMOND[:3], {"name": "d", "needs": ["b", "c"], "join": 1})

    assert [label.text for label in whole.labels] == ["1 of 2"]


def test_an_edge_that_passes_columns_runs_beside_the_boxes_and_not_through_them():
    nodes, whole = drawn({"name": "a"}, {"name": "b", "needs": ["a"]}, {"name": "c", "needs": ["a", "b"]})

    passing = next(edge.path for edge in whole.edges if "H" in edge.path)
    across = re.search(r" (\d+)H(\d+)", passing)
    assert int(across[2]) == nodes["b"].right
    assert not nodes["b"].y <= int(across[1]) <= nodes["b"].y + nodes["b"].height


def test_neighbours_stand_side_by_side_so_that_edges_do_not_cross():
    nodes, _ = drawn(
        {"name": "a", "needs": []},
        {"name": "b", "needs": []},
        {"name": "of_b", "needs": ["b"]},
        {"name": "of_a", "needs": ["a"]},
    )

    assert (nodes["a"].y < nodes["b"].y) == (nodes["of_a"].y < nodes["of_b"].y)


def test_boxes_never_overlap_in_a_graph_of_500_steps():
    choose = random.Random(3)
    steps = [{"name": "s0", "needs": []}]
    for number in range(1, 500):
        earlier = range(max(0, number - 30), number)
        needs = sorted({f"s{choose.choice(earlier)}" for _ in range(choose.randint(1, 3))})
        steps.append({"name": f"s{number}", "needs": needs} | ({"for_each": "x"} if number % 7 == 0 else {}))

    nodes, whole = drawn(*steps)

    by_column = {}
    for node in nodes.values():
        by_column.setdefault(node.x, []).append(node)
    for column in by_column.values():
        column.sort(key=lambda node: node.y)
        assert all(above.y + above.height < below.y for above, below in itertools.pairwise(column))
    assert all(node.y > 0 and node.y + node.height < whole.height for node in nodes.values())


def test_a_long_name_is_cut_to_the_letters_that_fit():
    nodes, _ = drawn({"name": "a" * 60})

    assert nodes["a" * 60].text_length < 40
