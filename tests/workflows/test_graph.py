from workflows import graph
from workflows.definition import parse


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
    assert edge.startswith(f"M{a.x + a.width} {a.middle}C")
    assert edge.endswith(f" {b.x} {b.middle}")


def test_everything_lies_inside_the_drawing():
    drawn = layout(*DIAMOND, {"name": "a_step_with_quite_a_long_name"}, {"name": "x", "needs": []})

    assert all(node.x > 0 and node.x + node.width < drawn.width for node in drawn.nodes)
    assert all(node.y > 0 and node.y + node.height < drawn.height for node in drawn.nodes)


def test_boxes_are_as_wide_as_the_longest_name_above_one_another():
    short, long = layout({"name": "a", "needs": []}, {"name": "reserve_the_stock", "needs": []}).nodes

    assert short.width == long.width > 7 * len("reserve_the_stock")
