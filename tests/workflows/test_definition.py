"""A definition is read strictly, and every fault is named by its path at once."""

from typing import Any

import pytest

from orchestra.kernel.errors import Invalid
from workflows.definition import MAX_STEPS, parse, seconds


def step(name: str = "one", **rest: Any) -> dict[str, Any]:
    return {"name": name, "capabilities": ["work"], **rest}


def faults(definition: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        parse(definition)
    return {fault["path"]: fault["message"] for fault in caught.value.errors}


def test_steps_follow_the_one_before_unless_they_say_what_they_need() -> None:
    read = parse({"name": "flow", "steps": [step("a"), step("b"), step("c", needs=["a"]), step("d", needs=[])]})
    assert {one.name: one.needs for one in read.steps} == {"a": (), "b": ("a",), "c": ("a",), "d": ()}


def test_a_step_has_the_contract_s_defaults() -> None:
    one = parse({"name": "flow", "steps": [step()]}).step("one")
    assert (one.timeout_s, one.critical, one.effects, one.retry.attempts, one.when) == (30.0, True, False, 1, "")


def test_every_fault_is_named_at_once() -> None:
    found = faults(
        {
            "name": "Flow",
            "colour": "red",
            "steps": [
                {"name": "a"},
                step("b", needs=["nobody"], timeout="soon", when="1 +", input={"x": "[["}),
                step("b", retry={"attempts": 0, "delay": "-1s", "wait": 3}, critical="yes"),
                "c",
                step("d", human={"role": "king"}, capabilities=["{{ [[ }}"]),
            ],
        }
    )
    assert set(found) == {
        "name",
        "colour",
        "steps[0].capabilities",
        "steps[1].needs",
        "steps[1].timeout",
        "steps[1].when",
        "steps[1].input.x",
        "steps[2].name",
        "steps[2].retry.attempts",
        "steps[2].retry.delay",
        "steps[2].retry.wait",
        "steps[2].critical",
        "steps[3]",
        "steps[4].human.role",
        "steps[4].capabilities[0]",
    }


def test_steps_that_wait_for_each_other_are_named() -> None:
    found = faults({"name": "flow", "steps": [step("a", needs=["b"]), step("b", needs=["a"])]})
    assert "a" in found["steps"] and "b" in found["steps"] and "wait for each other" in found["steps"]


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        ([], ""),
        ({"name": "flow"}, "steps"),
        ({"name": "flow", "steps": []}, "steps"),
        ({"name": "flow", "steps": [step(f"s{n}") for n in range(MAX_STEPS + 1)]}, "steps"),
        ({"name": "flow", "steps": [step()], "title": "x" * 300_000}, ""),
        ({"name": "flow", "steps": [step(timeout=0)]}, "steps[0].timeout"),
        ({"name": "flow", "steps": [step(when="[1].all(x, x > 0)")]}, "steps[0].when"),
        ({"name": "flow", "steps": [step()], "output": {"a": "b["}}, "output.a"),
        ({"name": "flow", "steps": [step()], "input_schema": {"type": "thing"}}, "input_schema"),
        ({"name": "flow", "steps": [step()], "input_schema": "text"}, "input_schema"),
    ],
)
def test_bad_definitions_are_refused(definition: Any, path: str) -> None:
    assert path in faults(definition)


@pytest.mark.parametrize(
    ("text", "expected"), [("500ms", 0.5), ("30s", 30), ("1.5m", 90), ("2h", 7200), ("1d", 86400), (4, 4), (0.25, 0.25)]
)
def test_durations(text: Any, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "-1s", "1w", True, None, -1, float("inf"), float("nan")])
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(ValueError, match="seconds"):
        seconds(text)
