"""Two versions are compared step by step, by name."""

from typing import Any

import pytest

from workflows.version_changes import Change, changes

A, B, C = ({"name": name, "capabilities": ["work"]} for name in "abc")


def flow(*steps: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"name": "flow", "steps": list(steps), **rest}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (flow(A, B), flow(A, B), []),
        (flow(A), flow({**A, "timeout": 5}), [Change("steps.a.timeout", None, 5, "added")]),
        (flow({**A, "timeout": 5}), flow(A), [Change("steps.a.timeout", 5, None, "removed")]),
        (
            flow({**A, "retry": {"attempts": 2, "delay": 1}}),
            flow({**A, "retry": {"attempts": 3, "delay": 1}}),
            [Change("steps.a.retry.attempts", 2, 3, "changed")],
        ),
        (flow(A, queue="x"), flow(A, queue="y"), [Change("queue", "x", "y", "changed")]),
        (flow({**A, "critical": True}), flow({**A, "critical": 1}), [Change("steps.a.critical", True, 1, "changed")]),
        (
            flow({**A, "prefers": ["x", "y"]}),
            flow({**A, "prefers": ["y", "x"]}),
            [Change("steps.a.prefers", ["x", "y"], ["y", "x"], "changed")],
        ),
    ],
)
def test_a_change_is_named_by_its_path(before: Any, after: Any, expected: list[Change]) -> None:
    assert changes(before, after) == expected


def test_a_step_put_between_two_is_one_more_and_changes_what_the_next_one_needs() -> None:
    assert changes(flow(A, C), flow(A, B, C)) == [
        Change("steps.b", None, {"needs": ["a"], **B}, "added"),
        Change("steps.c.needs", ["a"], ["b"], "changed"),
    ]


def test_a_removed_step_comes_last() -> None:
    assert [(change.path, change.kind) for change in changes(flow(A, B), flow({**B, "title": "x"}))] == [
        ("steps.b.needs", "changed"),
        ("steps.b.title", "added"),
        ("steps.a", "removed"),
    ]


def test_moving_a_step_that_says_what_it_needs_changes_nothing() -> None:
    first, second = {**A, "needs": []}, {**B, "needs": []}

    assert changes(flow(first, second), flow(second, first)) == []


def test_saying_what_was_understood_anyway_changes_nothing() -> None:
    assert changes(flow(A, B), flow(A, {**B, "needs": ["a"]})) == []
