"""Conditions on labels: what they hold of, what is wrong with them, how they read."""

import pytest

from monitoring.notification import matchers

LABELS = {"severity": "critical", "agent": "Billing bot", "pool": "billing", "metric": "response_time"}


def one(label, operator, value):
    return [{"label": label, "operator": operator, "value": value}]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (one("severity", "=", "critical"), True),
        (one("severity", "=", "Critical"), False),
        (one("severity", "!=", "warning"), True),
        (one("severity", "!=", "critical"), False),
        (one("severity", "in", ["warning", "critical"]), True),
        (one("severity", "in", ["warning"]), False),
        (one("agent", "contains", "BOT"), True),
        (one("agent", "contains", "cat"), False),
        (one("agent", "starts with", "billing"), True),
        (one("agent", "starts with", "bot"), False),
        (one("queue", "=", "default"), False),
        (one("queue", "!=", "default"), True),
        (one("queue", "contains", "d"), False),
    ],
)
def test_a_condition_is_held_against_one_label(condition, holds):
    assert matchers.matches(condition, LABELS) is holds


def test_all_conditions_must_hold_and_none_hold_of_everything():
    both = one("severity", "=", "critical") + one("pool", "=", "billing")
    assert matchers.matches(both, LABELS)
    assert not matchers.matches(both, LABELS | {"pool": "support"})
    assert matchers.matches([], {})


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("severity=critical", "matchers"),
        (None, "matchers"),
        (one("severity", "=", "x") * 21, "matchers"),
        (["severity"], "matchers[0]"),
        (one("colour", "=", "red"), "matchers[0].label"),
        (one(["agent"], "=", "red"), "matchers[0].label"),
        (one("agent", "=~", ".*"), "matchers[0].operator"),
        (one("agent", "=", ""), "matchers[0].value"),
        (one("agent", "=", 3), "matchers[0].value"),
        (one("agent", "=", "a\x00"), "matchers[0].value"),
        (one("agent", "=", "x" * 201), "matchers[0].value"),
        (one("agent", "in", "a,b"), "matchers[0].value"),
        (one("agent", "in", []), "matchers[0].value"),
        (one("agent", "in", ["a", ""]), "matchers[0].value"),
        (one("agent", "in", ["a"] * 51), "matchers[0].value"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(given, path):
    assert [fault["path"] for fault in matchers.faults_of(given)] == [path]


def test_good_ones_have_no_faults_and_are_kept_without_anything_else():
    given = [{"label": "agent", "operator": "in", "value": ["a", "b", "a"], "colour": "red"}, *one("pool", "=", "x")]
    assert matchers.faults_of(given) == []
    assert matchers.cleaned(given) == one("agent", "in", ["a", "b"]) + one("pool", "=", "x")


def test_they_read_as_a_sentence():
    assert matchers.words([]) == "every alert"
    two = one("severity", "in", ["warning", "critical"]) + one("agent", "=", "Billing bot")
    assert matchers.words(two) == "severity is one of warning or critical and agent is “Billing bot”"


def test_an_alert_s_own_labels_make_the_conditions_that_fit_it():
    made = matchers.for_labels(LABELS, ["threshold", "agent", "pool"])
    assert made == one("agent", "=", "Billing bot") + one("pool", "=", "billing")
    assert matchers.matches(made, LABELS)


def test_many_asked_together_answer_as_each_asked_alone():
    sets = [
        {"agent": name, "severity": severity}
        for name in ("Billing bot", "support", "")
        for severity in ("info", "critical")
    ] + [{}]
    conditions = [
        one("agent", operator, value)
        for operator, value in (("=", "support"), ("!=", "support"), ("in", ["support", "x"]), ("contains", "B"))
    ]
    every = [*conditions, *(each + one("severity", "=", "critical") for each in conditions), []]

    labelled = matchers.Labelled(sets)

    for asked in every:
        alone = [place for place, labels in enumerate(sets) if matchers.matches(asked, labels)]
        assert labelled.fitting(asked) == alone
