"""What a threshold may say: every fault is named by its field, every other spelling is read."""

import math

import pytest

from monitoring.alerting import limit_words, limits
from monitoring.metrics.catalogue import METRICS, SCOPES
from monitoring.models import NoData, Operator, ScopeKind, Severity, Threshold

GOOD = {"metric": "response_time", "value": 5}


def faults(**values):
    return {fault["path"]: fault["message"] for fault in limits.faults_of({**GOOD, **values})}


def test_metric_and_value_are_all_that_must_be_given():
    assert limits.faults_of(GOOD) == []
    assert {fault["path"] for fault in limits.faults_of({})} == {"metric", "value"}


def test_what_is_left_out_has_the_defaults_of_the_table():
    whole = limits.completed(GOOD)
    row = Threshold(name="x", **whole)

    assert {name: getattr(Threshold(), name) for name in limits.DEFAULTS} == dict(limits.DEFAULTS)
    assert (row.recovery_value, row.for_s, row.no_data) == (5, 60, "keep")


def test_the_choices_are_those_of_the_table():
    assert tuple(limits.OPERATORS) == tuple(Operator.values) == tuple(limit_words.WORDS)
    assert [limit_words.WORDS[value] for value in Operator.values] == [choice.label for choice in Operator]
    assert limits.CHOICES["no_data"] == tuple(NoData.values)
    assert limits.CHOICES["severity"] == tuple(Severity.values)
    assert tuple(ScopeKind.values) == limits.SCOPE_KINDS


@pytest.mark.parametrize(
    ("values", "path", "said"),
    [
        ({"metric": "response_tim"}, "metric", "Did you mean response_time?"),
        ({"metric": "zzz"}, "metric", "Choose one of response_time,"),
        ({"metric": 5}, "metric", "There is no metric 5."),
        ({"scope": {"queue": "mail"}}, "scope", "give all, agent, pool or capability"),
        ({"metric": "queue_dead", "scope": {"agent": 3}}, "scope", "give all or queue"),
        ({"metric": "disk_free", "value": 0.1, "scope": {"pool": "x"}}, "scope", "no other scope than all"),
        ({"scope": {"agent": ""}}, "scope", "Say which agent."),
        ({"scope": {"agent": 1, "pool": 2}}, "scope", "with its name"),
        ({"scope": {"all": False}}, "scope", "with its name"),
        ({"scope": {"agent": [1]}}, "scope", "with its name"),
        ({"scope": "every"}, "scope", "with its name"),
        ({"scope": None}, "scope", "with its name"),
        ({"scope_kind": "all", "scope_value": "x"}, "scope", "All has no name"),
        ({"operator": "sideways"}, "operator", "Choose one of > >= < <= == !="),
        ({"operator": ["gt"]}, "operator", "Choose one of"),
        ({"operator": "belo"}, "operator", "Choose one of"),
        ({"value": "5"}, "value", "Give a number."),
        ({"value": True}, "value", "Give a number."),
        ({"value": math.nan}, "value", "finite"),
        ({"value": math.inf}, "value", "finite"),
        ({"value": 10**400}, "value", "finite"),
        ({"recovery_value": -math.inf}, "recovery_value", "finite"),
        ({"recovery_value": 5.01}, "recovery_value", "limit of 5 s: give no more"),
        ({"operator": "<", "recovery_value": 4.9}, "recovery_value", "limit of 5 s: give no less"),
        ({"operator": "==", "recovery_value": 4}, "recovery_value", "give 5 s, or nothing"),
        ({"metric": "error_rate", "value": 5}, "value", "between 0"),
        ({"metric": "error_rate", "value": -0.1}, "value", "between 0"),
        ({"metric": "error_rate", "value": 0.5, "recovery_value": -1}, "recovery_value", "between 0"),
        ({"for_s": -1}, "for_s", "from 0 to 2,592,000"),
        ({"for_s": "31d"}, "for_s", "30 days"),
        ({"for_s": 0.5}, "for_s", "whole seconds"),
        ({"for_s": True}, "for_s", "whole seconds"),
        ({"for_s": "soon"}, "for_s", "whole seconds"),
        ({"keep_firing_s": 2_592_001}, "keep_firing_s", "30 days"),
        ({"no_data_after_s": 0}, "no_data_after_s", "from 30"),
        ({"no_data_after_s": 21_601}, "no_data_after_s", "6 hours"),
        ({"flap_window_s": 86_401}, "flap_window_s", "24 hours"),
        ({"flap_changes": 1}, "flap_changes", "from 2"),
        ({"flap_window_s": 10}, "flap_window_s", "from 60"),
        ({"no_data": "okay"}, "no_data", "Did you mean ok?"),
        ({"severity": "criticl"}, "severity", "Did you mean critical?"),
        ({"enabled": "yes"}, "enabled", "true or false"),
        ({"name": "  "}, "name", "at most 100"),
        ({"name": "x" * 101}, "name", "at most 100"),
        ({"instruction": "x" * 5001}, "instruction", "at most 5,000"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(values, path, said):
    found = faults(**values)

    assert said in found[path]
    assert set(found) == {path}


def test_all_faults_are_named_at_once():
    found = faults(metric="nothing", value=math.nan, for_s=-1, severity="red")

    assert set(found) == {"metric", "value", "for_s", "severity"}


@pytest.mark.parametrize(
    ("word", "symbol"), [("gt", ">"), ("GTE", ">="), ("below", "<"), ("at most", "<="), ("=", "==")]
)
def test_operators_may_be_words(word, symbol):
    assert limits.completed({**GOOD, "operator": word})["operator"] == symbol


@pytest.mark.parametrize(
    ("word", "policy"),
    [
        *[(word, "alert") for word in ("alert", "Alerting", "FIRING", "breaching")],
        *[(word, "no_data") for word in ("no_data", "NoData", "No Data", "missing")],
        *[(word, "ok") for word in ("OK", "notBreaching", "Normal", "resolve", "resolved")],
        *[(word, "keep") for word in ("ignore", "keep_last", "keepLast", "Keep Last State", "keep_state", "last")],
    ],
)
def test_what_to_do_without_data_may_be_said_as_others_say_it(word, policy):
    assert faults(no_data=word) == {}
    assert limits.completed({**GOOD, "no_data": word})["no_data"] == policy


def test_no_word_for_what_to_do_without_data_stands_for_two():
    words = [word for policy, others in limits.WITHOUT_DATA.items() for word in (policy, *others)]

    assert len(words) == len(set(words))


@pytest.mark.parametrize("operator", limits.OPERATORS)
def test_recovery_at_the_limit_itself_is_never_beyond_it(operator):
    assert faults(operator=operator, recovery_value=5) == {}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("2m", 120), ("1 h 30 m", 5400), ("1h30m", 5400), ("500ms", 0.5), (30, 30), ("1.5m", 90)],
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert limits.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "2 weeks", "-5", "5m!", "1e3", None, True, [5]])
def test_what_is_no_duration_says_how_to_write_one(text):
    with pytest.raises(ValueError, match="30s"):
        limits.seconds(text)


@pytest.mark.parametrize("seconds", [0, 30, 90, 120, 3600, 5400, 86_400, 90_061, 0.5])
def test_a_length_of_time_is_read_as_it_was_said(seconds):
    assert limits.seconds(limit_words.span(seconds)) == seconds


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_every_metric_can_be_looked_at_everywhere_and_at_each_of_its_scopes(metric):
    for kind in SCOPES[metric.kind]:
        scope = {kind: True if kind == "all" else "x"}
        assert limits.faults_of({"metric": metric.name, "scope": scope, "value": 0.5}) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "above 5 s for 1 m"),
        ({"value": 5.25, "for_s": 0}, "above 5.25 s"),
        ({"metric": "error_rate", "value": 0.055, "for_s": 90}, "above 5.5 % for 1 m 30 s"),
        ({"metric": "error_rate", "value": 0.07, "operator": "at least", "for_s": 0}, "at least 7 %"),
        ({"metric": "disk_free", "value": 0.1, "operator": "<", "for_s": 300}, "below 10 % for 5 m"),
        ({"metric": "memory_bytes", "value": 1.5e9, "for_s": 0}, "above 1.5 GB"),
        ({"metric": "database_bytes", "value": 999, "for_s": 0}, "above 999 B"),
        ({"metric": "queue_waiting", "value": 12_000, "for_s": 0}, "above 12,000"),
        ({"metric": "cpu_percent", "value": 180, "for_s": 0}, "above 180 %"),
        ({"metric": "executors", "value": 0, "operator": "==", "for_s": 0}, "exactly 0"),
    ],
)
def test_a_limit_reads_as_exactly_as_it_is(values, said):
    assert limit_words.sentence(limits.completed({**GOOD, **values})) == said


def test_a_threshold_without_a_name_is_named_after_its_limit():
    rule = limits.completed(GOOD)

    assert limit_words.name(rule, "") == "Response time of all agents above 5 s"
    assert limit_words.name(rule, "the pool billing") == "Response time of the pool billing above 5 s"
    assert (
        limit_words.name({**rule, "metric": "disk_free", "value": 0.1, "operator": "<"}, "") == "Disk free below 10 %"
    )
    assert len(limit_words.name(rule, "x" * 200)) == 100
