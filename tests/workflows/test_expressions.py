"""Expressions pick, decide and fill in; what cannot be evaluated says so."""

from typing import Any

import pytest

from workflows import expressions
from workflows.expressions import ExpressionError

CONTEXT: dict[str, Any] = {
    "order": {"total": 12.5, "lines": [{"sku": "a", "n": 2}, {"sku": "b", "n": 1}]},
    "steps": {
        "triage": {"status": "succeeded", "output": {"category": "billing_question", "sure": True}},
        "draft": {"status": "failed", "output": None},
    },
}


def test_a_mapping_picks_what_its_texts_name_and_keeps_the_rest() -> None:
    picked = expressions.pick({"skus": "order.lines[].sku", "limit": 3, "none": "nobody.home", "word": "'hi'"}, CONTEXT)
    assert picked == {"skus": ["a", "b"], "limit": 3, "none": None, "word": "hi"}


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ("order.total > 10.0", True),
        ("steps.triage.output.category == 'general'", False),
        ("steps.triage.status == 'succeeded' && steps.triage.output.sure", True),
        ("has(steps.triage.output.missing)", False),
        ("steps.draft.status != 'succeeded' || steps.draft.output.text == ''", True),
        ("size(order.lines) == 2", True),
        ("'order.total' == 'order.total'", True),
    ],
)
def test_conditions(condition: str, verdict: bool) -> None:
    assert expressions.fault_of_condition(condition) == ""
    assert expressions.holds(condition, CONTEXT) is verdict


@pytest.mark.parametrize("condition", ["steps.review.output.text == 'x'", "order.total > 'a'", "1 / 0 > 1"])
def test_a_condition_that_cannot_be_decided_says_so(condition: str) -> None:
    with pytest.raises(ExpressionError, match="could not be decided"):
        expressions.holds(condition, CONTEXT)


@pytest.mark.parametrize("condition", ["order.", "a ==", "x" * 501, "order.lines.map(l, l.n)"])
def test_conditions_that_may_not_run(condition: str) -> None:
    assert expressions.fault_of_condition(condition) != ""


def test_templates_fill_in_values_and_leave_other_text() -> None:
    assert expressions.fill("{{ steps.triage.output.category }}", CONTEXT) == "billing_question"
    assert expressions.fill("order:{{ order.nothing }}/x", CONTEXT) == "order:/x"
    assert expressions.fill("plain", CONTEXT) == "plain"
