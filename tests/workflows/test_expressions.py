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


@pytest.mark.parametrize(
    ("query", "steps"),
    [
        ("steps.triage.output.category", {"triage"}),
        ("steps.lines[0].output || steps.draft.output", {"lines", "draft"}),
        ("{a: length(steps.lines.output[]), b: [steps.draft]}", {"lines", "draft"}),
        ("steps.lines.output[?steps.inner].x | steps.later", {"lines"}),
        ("order.steps.first", set()),
        ("map(&steps.inner, order.lines)", set()),
        ("steps.*.output", set()),
        ("steps", set()),
    ],
)
def test_a_query_says_which_steps_it_reads(query: str, steps: set[str]) -> None:
    assert expressions.steps_of_query(query) == steps


def test_conditions_and_templates_say_which_steps_they_read() -> None:
    condition = "steps.a.output.name.startsWith('steps.b') && has(steps.c.output)"

    assert expressions.steps_of_condition(condition) == {"a", "c"}
    assert expressions.steps_of_template("{{ steps.a.output }}-{{ order.id }}-{{ steps.b.status }}") == {"a", "b"}


def test_a_condition_may_call_a_method_of_what_it_reads() -> None:
    assert expressions.holds("steps.triage.output.category.startsWith('billing')", CONTEXT)


@pytest.mark.parametrize(
    "query",
    [
        "[" * 60 + "a" + "]" * 60,
        "a" + "|a" * 60,
        "!" * 1500 + "a",
        "(" * 600 + "a" + ")" * 600,
        "a" * 2001,
        " | ".join(["[@, @]"] * 11),
    ],
)
def test_queries_that_would_exhaust_the_process_are_refused(query: str) -> None:
    assert expressions.fault_of_query(query) != ""


@pytest.mark.parametrize("condition", ["(" * 60 + "a" + ")" * 60, "[" * 240 + "]" * 240, "a" + ".b" * 249])
def test_conditions_that_are_nested_too_deeply_are_refused(condition: str) -> None:
    assert "nested" in expressions.fault_of_condition(condition)


@pytest.mark.parametrize("template", ["{{ a", "a }}", "{{ }}", "{{ a. }}", "{{ a }} {{"])
def test_templates_that_cannot_be_filled_are_refused(template: str) -> None:
    assert expressions.fault_of_template(template) != ""
