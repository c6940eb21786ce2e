"""The critical path is the longest path, whatever the graph looks like."""

from collections.abc import Iterator, Mapping
from graphlib import CycleError
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.advice.critical_path import Path, Took, holds, longest

Graph = tuple[dict[str, float], dict[str, list[str]]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Up to eight steps with weights, each needing some of those before it."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 8)))]
    seconds = st.integers(0, 1_000).map(float)
    weights = {name: draw(seconds) for name in names}
    needs = {
        name: draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        for index, name in enumerate(names)
    }
    return weights, needs


def paths(needs: Mapping[str, list[str]], last: str) -> Iterator[tuple[str, ...]]:
    """All paths that end with ``last``, one after the other: as slow as it is plain."""
    yield (last,)
    for need in needs[last]:
        for before in paths(needs, need):
            yield (*before, last)


@given(graphs())
def test_no_path_of_the_graph_is_longer(graph):
    weights, needs = graph

    lengths = [sum(weights[step] for step in path) for last in weights for path in paths(needs, last)]

    assert longest(weights, needs).length == max(lengths)


@given(graphs())
def test_it_is_a_path_of_the_graph_and_as_long_as_it_says(graph):
    weights, needs = graph

    found = longest(weights, needs)

    assert all(before in needs[after] for before, after in pairwise(found.steps))
    assert sum(weights[step] for step in found.steps) == found.length


@given(graphs(), st.data())
def test_it_grows_with_its_steps_and_never_shrinks_with_others(graph, data):
    weights, needs = graph
    before = longest(weights, needs)
    step = data.draw(st.sampled_from(sorted(weights)))

    after = longest({**weights, step: weights[step] + 10}, needs)

    assert after.length == before.length + 10 if step in before.steps else after.length >= before.length


@given(graphs())
def test_the_order_in_which_steps_are_named_does_not_matter(graph):
    weights, needs = graph

    def backwards(table):
        return dict(reversed(table.items()))

    assert longest(backwards(weights), backwards(needs)) == longest(weights, needs)


@given(graphs(), st.data())
def test_paths_lead_on_through_steps_that_did_not_take_place(graph, data):
    weights, needs = graph
    skipped = data.draw(st.sampled_from(sorted(weights)))
    left = {step: seconds for step, seconds in weights.items() if step != skipped}

    found = longest(left, needs)

    assert skipped not in found.steps
    assert found.length == longest({**weights, skipped: 0.0}, needs).length


def test_nothing_has_no_path_and_a_circle_is_refused():
    assert longest({}, {}) == Path((), 0.0)
    with pytest.raises(CycleError):
        longest({"a": 1.0, "b": 1.0}, {"a": ["b"], "b": ["a"]})


def test_the_step_that_holds_runs_up_most_comes_first_with_its_share_and_its_waiting():
    needs = {"take": [], "pay": ["take"], "pick": ["take"], "ship": ["pay", "pick"]}
    slow_payment = {"take": Took(0, 1), "pay": Took(6, 2), "pick": Took(0, 3), "ship": Took(0, 1)}
    slow_picking = {**slow_payment, "pay": Took(0, 1), "pick": Took(0, 3)}

    found = holds([slow_payment, slow_payment, slow_picking], needs)

    worst = found[0]
    assert (worst.step, round(worst.seconds, 2), worst.waited_s) == ("pay", round(16 / 3, 2), 4.0)
    assert round(worst.share, 3) == round(16 / 25, 3)
    assert round(worst.on_path, 3) == round(2 / 3, 3)
    assert [hold.step for hold in found] == ["pay", "pick", "ship", "take"]
    assert abs(sum(hold.share for hold in found) - 1) < 1e-9


@given(graphs(), st.integers(1, 4))
def test_shares_add_up_to_all_of_the_path(graph, runs):
    weights, needs = graph
    took = {step: Took(seconds / 4, seconds * 3 / 4) for step, seconds in weights.items()}

    found = holds([took] * runs, needs)

    total = sum(hold.share for hold in found)
    assert abs(total - 1) < 1e-9 or longest(weights, needs).length == 0
