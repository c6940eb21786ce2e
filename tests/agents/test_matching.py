"""What a resource must be like: each comparison, what fits it, what is wrong with it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.matching import faults_of_specs, faults_of_wants, matches, say, waste

values = st.one_of(st.booleans(), st.integers(-10, 10), st.floats(-10, 10), st.sampled_from(["a", "b", "large"]))
numbers = st.integers(-10, 10)
comparisons = st.one_of(
    values,
    st.builds(lambda bound: {"at_least": bound}, numbers),
    st.builds(lambda bound: {"at_most": bound}, numbers),
    st.builds(lambda choices: {"in": choices}, st.lists(values, min_size=1, max_size=4)),
    st.builds(lambda low, more: {"range": [low, low + abs(more)]}, numbers, numbers),
)
names = st.sampled_from(["size", "pages", "zone"])


@pytest.mark.parametrize(
    ("want", "value", "fits"),
    [
        ("large", "large", True),
        ("large", "small", False),
        (5, 5.0, True),
        (1, True, False),
        (True, True, True),
        (False, 0, False),
        ({"at_least": 5}, 5, True),
        ({"at_least": 5}, 4.9, False),
        ({"at_least": 0}, True, False),
        ({"at_most": 5}, 5, True),
        ({"at_most": 5}, 6, False),
        ({"at_most": 5}, "4", False),
        ({"in": ["a", 2]}, 2, True),
        ({"in": ["a", 2]}, "b", False),
        ({"in": [1]}, True, False),
        ({"range": [2, 8]}, 2, True),
        ({"range": [2, 8]}, 8, True),
        ({"range": [2, 8]}, 8.1, False),
    ],
)
def test_each_comparison_says_what_fits(want: Any, value: Any, fits: bool) -> None:
    assert matches({"it": want}, {"it": value, "other": 1}) is fits


def test_what_a_resource_does_not_say_it_does_not_have() -> None:
    assert not matches({"size": {"at_least": 0}}, {"pages": 1})
    assert matches({}, {})


def test_a_tighter_fit_wastes_less() -> None:
    want = {"pages": {"at_least": 10}}
    exact, larger, special = {"pages": 10}, {"pages": 40}, {"pages": 10, "colour": True}
    assert waste(want, exact) < waste(want, larger) < waste(want, special)


def test_wants_read_as_words() -> None:
    wants = {"size": "large", "pages": {"at_least": 5}, "zone": {"in": ["a", "b"]}, "w": {"range": [2, 8]}, "dry": True}
    assert say(wants) == "size large, pages at least 5, zone one of a, b, w from 2 to 8, dry yes"


@pytest.mark.parametrize(
    ("wants", "path"),
    [
        (["large"], "specs"),
        ({"size": None}, "specs.size"),
        ({"size": []}, "specs.size"),
        ({"size": {}}, "specs.size"),
        ({"size": {"above": 5}}, "specs.size"),
        ({"size": {"at_least": 1, "at_most": 2}}, "specs.size"),
        ({"size": {"at_least": "5"}}, "specs.size.at_least"),
        ({"size": {"at_most": True}}, "specs.size.at_most"),
        ({"size": {"at_most": float("nan")}}, "specs.size.at_most"),
        ({"size": {"in": "ab"}}, "specs.size.in"),
        ({"size": {"in": []}}, "specs.size.in"),
        ({"size": {"in": [[1]]}}, "specs.size.in"),
        ({"size": {"range": [8, 2]}}, "specs.size.range"),
        ({"size": {"range": [2]}}, "specs.size.range"),
        ({f"s{n}": 1 for n in range(51)}, "specs"),
        ({"size": "x" * 201}, "specs.size"),
    ],
)
def test_what_is_wrong_is_named_with_its_path(wants: Any, path: str) -> None:
    assert [fault["path"] for fault in faults_of_wants(wants)] == [path]


@pytest.mark.parametrize(
    ("specs", "path"),
    [([1], "specs"), ({"a b": 1}, "specs.a b"), ({"a": {"at_least": 1}}, "specs.a"), ({"a": ""}, "specs.a")],
)
def test_a_resource_has_plain_values_only(specs: Any, path: str) -> None:
    assert [fault["path"] for fault in faults_of_specs(specs)] == [path]


@given(st.dictionaries(names, comparisons), st.dictionaries(names, values))
def test_whatever_is_without_fault_can_be_matched_weighed_and_said(wants: Any, specs: Any) -> None:
    assert list(faults_of_wants(wants)) == []
    assert matches(wants, specs) in (True, False)
    assert waste(wants, specs) >= (0, 0)
    assert isinstance(say(wants), str)
