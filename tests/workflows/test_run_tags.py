"""Template tags of runs: steps as marks, items as one bar, the graph's boxes in words."""

from workflows.items import Items
from workflows.reader import parse
from workflows.runs import Pip
from workflows.templatetags.runs import item_shares, step_graph, step_pips


def test_few_steps_are_squares_of_their_own():
    drawn = step_pips([Pip("a", "succeeded"), Pip("b", "succeeded"), Pip("c", "pending")])

    assert [(x, width, name) for x, width, _, name in drawn["pips"]] == [(0, 10, "a"), (13, 10, "b"), (26, 10, "c")]
    assert (drawn["width"], drawn["words"]) == (39, "2 of 3 done")


def test_many_steps_are_one_bar_that_is_no_wider():
    pips = [Pip(f"s{number}", "succeeded" if number < 300 else "pending") for number in range(500)]

    drawn = step_pips(pips)

    assert [(x, width, name) for x, width, _, name in drawn["pips"]] == [
        (0, 124.8, "s0 to s299"),
        (124.8, 83.2, "s300 to s499"),
    ]
    assert (drawn["width"], drawn["words"]) == (208, "300 of 500 done")


def test_items_are_said_in_words_with_those_that_have_not_begun():
    drawn = item_shares(Items(10, {"succeeded": 3, "failed": 1, "running": 2}))

    assert drawn["words"] == "3 succeeded, 2 running, 1 failed, 4 not begun"


def test_a_box_of_the_graph_says_its_kind_and_state():
    steps = parse({"name": "flow", "steps": [{"name": "ask", "human": {}}, {"name": "stop", "end": "failed"}]}).steps

    drawn = step_graph(steps, {"ask": "waiting"}, "ask", "?step=")

    assert [node.words for node in drawn["nodes"]] == ["ask: waiting, a person", "stop: pending, the end"]
    assert drawn["swaps"]
    assert not step_graph(steps, {}, "", "#step-")["swaps"]
