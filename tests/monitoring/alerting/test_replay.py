"""Series of samples through the machine: published timelines, what counts as missing, and what always holds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerting import limits, machine, replay
from monitoring.alerting.machine import Change, Rule, State, step
from monitoring.alerting.replay import Event, Interval, Moments
from monitoring.alerting.usual import USUAL
from monitoring.models import ALERT_STATES

PUBLISHED = Path(__file__).resolve().parents[4] / "shared/data/alerting/promtool_cases.json"
UP = Rule("==", 0, 0, for_s=300, keep_firing_s=0, no_data="ok", no_data_after_s=300)
HIGH = Rule(">", 5, 4, for_s=60, keep_firing_s=120, no_data_after_s=300)
DAY_S = 86_400


def cases() -> dict[str, Any]:
    if not PUBLISHED.exists():
        pytest.skip(f"{PUBLISHED} is not here")
    return json.loads(PUBLISHED.read_text())


def happened(rule: Rule, series: list[replay.Sample], until: float | None = None) -> list[Event]:
    moments = replay.moments_of(series, series[-1][0] if until is None else until, 30)
    return list(replay.events(rule, series, moments, known_since=series[0][0]))


def status_at(rule: Rule, series: list[replay.Sample], at: float) -> str:
    events = [event for event in happened(rule, series, max(at, series[-1][0])) if event.at <= at]
    return events[-1].state.status if events else "none"


def seconds(text: str) -> int:
    """``5m1s`` as Prometheus writes it."""
    total, number = 0, ""
    for letter in text:
        if letter.isdigit():
            number += letter
        else:
            total, number = total + int(number) * {"s": 1, "m": 60, "h": 3600, "d": DAY_S}[letter], ""
    return total + int(number or 0)


USUAL_RULES = [
    Rule.of({**limits.DEFAULTS, "recovery_value": values["value"], **values}, absent_is_usual=True)
    for values in USUAL
    if values["metric"] in ("response_time", "error_rate")
]


@pytest.mark.parametrize("rule", USUAL_RULES)
def test_one_bad_call_of_an_idle_agent_never_fires(rule):
    called = [(0.0, 0.0), (3600.0, 10.0)]

    assert {event.state.status for event in happened(rule, called, 2 * DAY_S)} == {"pending"}


@pytest.mark.parametrize("rule", USUAL_RULES)
@pytest.mark.parametrize(("every_s", "fires_at"), [(30.0, 60.0), (120.0, 120.0), (900.0, 900.0)])
def test_bad_calls_fire_however_seldom_they_are(rule, every_s, fires_at):
    called = [(number * every_s, 10.0) for number in range(20)]

    first = next(event for event in happened(rule, called) if machine.Change.FIRED in event.changes)
    assert first.at == fires_at


@pytest.mark.parametrize("rule", USUAL_RULES)
def test_a_good_call_between_two_bad_ones_keeps_them_from_firing(rule):
    called = [(number * 120.0, 0.0 if number % 2 else 10.0) for number in range(20)]

    assert "firing" not in {event.state.status for event in happened(rule, called)}


def test_the_published_alert_is_pending_and_fires_when_prometheus_says_so():
    rule = replace(UP, for_s=seconds(cases()["rule"]["for"]))
    up = [(60.0 * minute, 0.0) for minute in range(1441)]

    told = {case["t"]: status_at(rule, up, seconds(case["t"])) for case in cases()["expect"]}

    # promtool lists what fires: that nothing does at 0 is "none", although it is pending from then on.
    assert told.pop("0") == "pending"
    assert told == {case["t"]: case["InstanceDown"] for case in cases()["expect"][1:]}


def test_the_published_alert_without_a_pending_time_always_fires():
    always = replace(UP, for_s=0)
    up = [(60.0 * minute, 0.0) for minute in range(1441)]

    told = {status_at(always, up, seconds(case["t"])) for case in cases()["expect"] if "AlwaysFiring" in case}

    assert told == {"firing"}


def parsed(series: str) -> list[replay.Sample]:
    """``0 stale _ 1`` once a minute: a value, one that ends, nothing, a value."""
    words = {"stale": None}
    return [
        (60.0 * minute, words[word] if word in words else float(word))
        for minute, word in enumerate(series.split())
        if word != "_"
    ]


def test_values_go_stale_when_prometheus_says_so():
    for case in cases()["staleness"]:
        at, series = seconds(case["t"]), parsed(case["series"])
        moments = Moments(sorted({*range(0, 420, 30), at}))
        firing = replace(UP, for_s=0)

        events = [one for one in replay.events(firing, series, moments, known_since=0) if one.at <= at]

        assert events[-1].state.status == ("resolved" if case["value"] is None else "firing"), case


def test_it_fires_at_the_first_evaluation_at_which_the_pending_time_is_over():
    series = [(60.0 * minute, 9.0) for minute in range(10)]

    assert replay.intervals(happened(replace(HIGH, for_s=90), series)) == [
        Interval(0, 90, "pending"),
        Interval(90, None, "firing"),
    ]


def test_keep_firing_begins_with_the_first_value_that_has_recovered():
    series = [(0.0, 9.0), (60.0, 9.0), (120.0, 1.0), (600.0, 1.0)]

    assert replay.intervals(happened(HIGH, series)) == [
        Interval(0, 60, "pending"),
        Interval(60, 120, "firing"),
        Interval(120, 240, "recovering"),
    ]


FIVE = [(0.0, 9.0), (30.0, 9.0), (60.0, 9.0), (90.0, None), (390.0, None), (420.0, 9.0), (450.0, 9.0)]
"""It fires at 60, is said to have no data from 90 on, and breaches again at 420."""


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("keep", [Interval(0, 60, "pending"), Interval(60, None, "firing")]),
        ("alert", [Interval(0, 60, "pending"), Interval(60, None, "firing")]),
        (
            "no_data",
            [
                Interval(0, 60, "pending"),
                Interval(60, 90, "firing"),
                Interval(90, 420, "no_data"),
                Interval(420, None, "firing"),
            ],
        ),
        (
            "ok",
            [
                Interval(0, 60, "pending"),
                Interval(60, 90, "firing"),
                Interval(90, 210, "recovering"),
                Interval(420, None, "pending"),
            ],
        ),
    ],
)
def test_what_missing_data_do_to_an_alert_that_fires(policy, expected):
    assert replay.intervals(happened(replace(HIGH, no_data=policy), FIVE)) == expected


@pytest.mark.parametrize(("policy", "status"), [("alert", "firing"), ("no_data", "no_data")])
def test_what_missing_data_do_where_all_was_well(policy, status):
    series = [(0.0, 1.0), (900.0, 1.0)]

    found = replay.intervals(happened(replace(HIGH, no_data=policy, keep_firing_s=0), series))

    assert [(one.start, one.end) for one in found if one.status == status] in ([(330, 900)], [(390, 900)])
    assert found[0].start == 330


@pytest.mark.parametrize("policy", ["keep", "ok"])
def test_missing_data_are_no_alert_of_their_own(policy):
    assert happened(replace(HIGH, no_data=policy), [(0.0, 1.0), (9000.0, 1.0)]) == []


def test_a_value_counts_up_to_and_including_its_time():
    moments = Moments([0, 300, 301])

    events = list(replay.events(replace(UP, for_s=0), [(0.0, 0.0)], moments))

    assert [(event.at, event.state.status) for event in events] == [(0, "firing"), (301, "resolved")]


# --- The collector was away ---


def test_after_the_collector_was_away_a_subject_without_a_value_is_left_as_it_is():
    away = [*range(0, 600, 30), *range(6000, 6900, 30)]
    rule = replace(HIGH, no_data="no_data")

    events = list(replay.events(rule, [(0.0, 1.0), (300.0, 1.0), (570.0, 1.0)], Moments(away)))

    assert [(event.at, event.state.status) for event in events] == [(6300, "no_data")]


def test_a_subject_that_is_younger_than_a_value_counts_is_not_missed_yet():
    rule = replace(HIGH, no_data="alert", for_s=0)

    events = list(replay.events(rule, [], Moments(range(0, 3000, 30)), known_since=1000))

    assert events[0].at == 1320


def test_moments_before_the_start_tell_that_somebody_looked_and_are_not_evaluated():
    rule = replace(HIGH, no_data="alert", for_s=0)

    events = list(replay.events(rule, [(0.0, 9.0)], Moments(range(0, 3000, 30), start=900)))

    assert [event.at for event in events] == [900]


@pytest.mark.parametrize(
    ("instants", "covered"),
    [
        (range(0, 601, 30), True),
        ([300, 600], True),
        ([299, 599, 600], True),
        ([299, 600], False),
        ([301, 600], False),
        ([600], False),
        ([0, 30, 600], False),
    ],
)
def test_somebody_looked_for_so_long_if_there_is_no_longer_gap(instants, covered):
    assert Moments(list(instants)).covers(600, 300) == covered


# --- Samples of one's own ---


def test_samples_are_taken_in_their_order_and_the_first_of_one_moment_counts():
    assert replay.in_order([(60, 2.0), (0, 1.0), (60, 3.0), (30, None)]) == [(0, 1.0), (30, None), (60, 2.0)]


def test_samples_are_evaluated_when_they_came_and_every_thirty_seconds():
    moments = replay.moments_of([(0.0, 1.0), (45.0, 1.0), (100.5, 1.0)], 130, 30)

    assert moments.instants == [0, 30, 45, 60, 90, 100.5, 120]


# --- What always holds, whatever the samples ---

RULES = st.builds(
    Rule,
    operator=st.just(">"),
    value=st.just(5),
    recovery_value=st.sampled_from([3, 5]),
    for_s=st.sampled_from([0, 30, 60, 90, 300]),
    keep_firing_s=st.sampled_from([0, 30, 120]),
    no_data=st.sampled_from(["keep", "no_data", "alert", "ok"]),
    no_data_after_s=st.sampled_from([30, 60, 300]),
    flap_changes=st.sampled_from([2, 3, 6]),
    flap_window_s=st.sampled_from([60, 600, 1800]),
    absent_is_usual=st.booleans(),
)
EVALUATIONS = st.lists(
    st.tuples(st.sampled_from([30, 30, 30, 60, 900]), st.sampled_from([1.0, 4.0, 6.0, 6.0, None])), max_size=60
).map(lambda steps: [(sum(gap for gap, _ in steps[: n + 1]), value) for n, (_, value) in enumerate(steps)])


def trace(rule: Rule, seen: list[tuple[int, float | None]], state: State | None = None) -> list[machine.Step]:
    steps = []
    for at, value in seen:
        if state is not None and machine.is_forgotten(rule, state, at):
            state = None
        steps.append(step(rule, state, at, value))
        state = steps[-1].state
    return steps


def stored(state: State | None) -> State | None:
    """As a row of the database gives it back."""
    kept = None if state is None else json.loads(json.dumps(state._asdict()))
    return None if kept is None else State(**kept | {"changes": tuple(kept["changes"])})


@given(RULES, EVALUATIONS)
def test_stored_between_any_two_steps_it_goes_on_as_in_one_go(rule, seen):
    state, steps = None, []
    for at, value in seen:
        if state is not None and machine.is_forgotten(rule, state, at):
            state = None
        steps.append(step(rule, stored(state), at, value))
        state = steps[-1].state

    assert steps == trace(rule, seen)


@given(RULES, EVALUATIONS)
def test_late_and_doubled_evaluations_change_nothing(rule, seen):
    noisy = [pair for index, pair in enumerate(seen) for pair in (pair, pair, seen[index // 2])]
    alone, among = trace(rule, seen), []
    state = None
    for at, value in noisy:
        if state is not None and at <= state.seen_at:
            assert step(rule, state, at, value) == (state, ())
            continue
        if state is None and among and at <= among[-1][0]:
            continue  # the evaluator knows when it evaluated last
        state = trace(rule, [(at, value)], state)[0].state
        among.append((at, state))

    assert [state for _, state in among] == [one.state for one in alone]


@given(RULES, EVALUATIONS)
def test_missing_data_never_resolve_what_fires_unless_that_is_asked_for(rule, seen):
    kept = replace(rule, no_data="keep" if rule.no_data == "ok" else rule.no_data)

    for (_, value), (_, changes) in zip(seen, trace(kept, seen), strict=True):
        assert not (value is None and Change.RESOLVED in changes)


@given(RULES, EVALUATIONS)
def test_what_fires_has_breached_without_a_break_for_the_pending_time(rule, seen):
    steps = trace(rule, seen)
    for index, (_, changes) in enumerate(steps):
        if Change.FIRED not in changes:
            continue
        breached, later = 0.0, seen[index][0]
        for at, value in reversed(seen[: index + 1]):
            found = rule.found(value)
            if found not in ("breach", "nothing") or later - at > rule.no_data_after_s:
                break
            breached, later = seen[index][0] - at, at
        assert breached >= rule.for_s


@given(RULES, EVALUATIONS)
def test_only_moves_that_alerts_may_make_are_made(rule, seen):
    before = None
    for state, _ in trace(rule, seen):
        if before is not None and state is not None and state.status != before.status:
            assert ALERT_STATES.allows(before.status, state.status)
        before = state


@given(RULES, EVALUATIONS)
def test_intervals_follow_each_other_and_cover_what_is_open(rule, seen):
    series = [(float(at), value) for at, value in seen]
    if not series:
        return
    found = replay.intervals(happened(rule, series))

    ends = [one.end for one in found]
    assert None not in ends[:-1]
    assert all(one.start < one.end for one in found if one.end is not None)
    assert all(end <= after.start for end, after in zip(ends, found[1:], strict=False))


@given(RULES, st.lists(st.sampled_from([1.0, 4.0, 6.0]), min_size=1, max_size=80))
def test_flapping_is_too_many_changes_within_the_window(rule, values):
    seen = [(30 * number, value) for number, value in enumerate(values)]
    flapping = False
    for (at, _), (state, _) in zip(seen, trace(rule, seen), strict=True):
        within = [] if state is None else [each for each in state.changes if at - each <= rule.flap_window_s]
        flapping = len(within) > rule.flap_changes or (flapping and len(within) > rule.flap_changes // 2)
        assert flapping == (state is not None and state.flapping)
