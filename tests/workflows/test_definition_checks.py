"""What only shows across steps: names that lead nowhere, order, effects that nothing would undo."""

from typing import Any

import pytest

from orchestra.kernel.errors import Invalid
from workflows.definition_checks import MAX_FAULTS, Known
from workflows.reader import parse

KNOWN = Known(frozenset({"work", "undo"}), frozenset({"send_notification", "flow"}))


def step(name: str, **rest: Any) -> dict[str, Any]:
    return {"name": name, "capabilities": ["work"], **rest}


def faults(*steps: dict[str, Any], known: Known | None = None, **rest: Any) -> dict[str, str]:
    try:
        parse({"name": "flow", "steps": list(steps), **rest}, known)
    except Invalid as error:
        return {fault["path"]: fault["message"] for fault in error.errors}
    return {}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"when": "steps.paymint.output.ok"}, "when"),
        ({"input": {"a": ["steps.paymint.output"]}}, "input.a[0]"),
        ({"for_each": "steps.paymint.output.lines"}, "for_each"),
        ({"repeat": {"until": "steps.paymint.output.ok"}}, "repeat.until"),
        ({"concurrency": {"key": "steps.paymint.output.id"}}, "concurrency.key"),
        ({"concurrency": {"key": "x-{{ steps.paymint.output.id }}"}}, "concurrency.key"),
        ({"compensate": {"capabilities": ["undo"], "input": "steps.paymint.output"}}, "compensate.input"),
        ({"compensate": {"capabilities": ["{{ steps.paymint.output }}"]}}, "compensate.capabilities[0]"),
        ({"capabilities": ["{{ steps.paymint.output }}"]}, "capabilities[0]"),
        ({"prefers": ["{{ steps.paymint.output }}"]}, "prefers[0]"),
        ({"actions": [{"entity": "order:{{ steps.paymint.output }}"}]}, "actions[0].entity"),
        ({"needs": ["paymint"]}, "needs"),
        ({"cancels": ["paymint"]}, "cancels"),
    ],
)
def test_a_step_that_does_not_exist_is_named_where_it_is_read_with_the_one_that_was_meant(
    given: dict[str, Any], path: str
) -> None:
    found = faults(step("payment"), step("ship", **given))

    assert found == {f"steps[1].{path}": "There is no step named paymint. Did you mean payment?"}


def test_the_output_of_a_workflow_reads_steps_that_exist() -> None:
    assert list(faults(step("a"), output={"x": "steps.b.output", "y": "steps.a.output"})) == ["output.x"]


def test_a_step_may_read_its_own_output_and_what_is_named_like_steps_elsewhere() -> None:
    assert faults(step("poll", repeat={"until": "steps.poll.output.done"}, input={"a": "order.steps.first"})) == {}


def test_steps_are_put_in_an_order_in_which_each_follows_what_it_needs() -> None:
    steps = [step("c", needs=["b"]), step("b", needs=["a"]), step("a", needs=[])]

    assert [one.name for one in parse({"name": "flow", "steps": steps}).steps] == ["a", "b", "c"]


def test_a_circle_is_named_by_its_steps() -> None:
    found = faults(step("a", needs=["c"]), step("b"), step("c"))

    assert set(found) == {"steps"}
    assert all(name in found["steps"] for name in "abc")


def test_capabilities_and_workflows_that_do_not_exist_are_named_with_those_that_were_meant() -> None:
    found = faults(
        step("a", capabilities=["work", "wrok"]),
        step("b", compensate={"capabilities": ["xyz"]}),
        {"name": "c", "workflow": "send_notifications"},
        known=KNOWN,
    )

    assert found == {
        "steps[0].capabilities[1]": "No agent has the capability wrok. Did you mean work?",
        "steps[1].compensate.capabilities[0]": "No agent has the capability xyz. Add an agent first.",
        "steps[2].workflow": "There is no workflow send_notifications. Did you mean send_notification?",
    }


def test_names_that_only_a_run_knows_are_not_looked_up() -> None:
    assert faults(step("a", capabilities=["{{ kind }}"], prefers=["nobody"]), known=KNOWN) == {}
    assert faults(step("a", capabilities=["nobody_yet"]), {"name": "b", "workflow": "not_yet"}) == {}


def test_a_definition_full_of_strangers_is_answered_soon_with_the_first_of_them() -> None:
    steps = [step(f"s{n}", needs=[f"t{n}_{m}" for m in range(40)]) for n in range(300)]

    with pytest.raises(Invalid) as caught:
        parse({"name": "flow", "steps": steps})

    assert len(caught.value.errors) == MAX_FAULTS


PAY = step("pay", effects=True)


@pytest.mark.parametrize(
    ("steps", "paths"),
    [
        ([PAY], []),
        ([step("before"), PAY], []),
        ([PAY, step("ship")], ["steps[0].compensate"]),
        ([PAY, step("ship", critical=False)], []),
        ([{**PAY, "compensate": {"capabilities": ["undo"]}}, step("ship")], []),
        ([PAY, step("note", critical=False), step("ship")], ["steps[0].compensate"]),
        ([step("first"), PAY, step("beside", needs=["first"])], ["steps[1].compensate"]),
        ([{**PAY, "needs": []}, step("apart", needs=[])], ["steps[0].compensate"]),
        ([PAY, {**PAY, "name": "again"}], ["steps[0].compensate"]),
    ],
)
def test_effects_must_be_undone_where_a_critical_step_may_fail_after_them(
    steps: list[dict[str, Any]], paths: list[str]
) -> None:
    assert list(faults(*steps)) == paths
