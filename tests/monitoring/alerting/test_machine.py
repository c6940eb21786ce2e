"""The state machine of alerts, row by row as docs/alerting.md shows it, and what no table shows: clocks, flapping."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from monitoring.alerting import machine
from monitoring.alerting.machine import Change, Found, Rule, State, step
from monitoring.models import ALERT_STATES, AlertStatus

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "alerting.md"
RULE = Rule(">", 5, 4, for_s=60, keep_firing_s=120, no_data_after_s=300, flap_changes=4, flap_window_s=1800)
NOW = 1_000_000.0
VALUES = {"breach": 6.0, "zone": 4.5, "recovered": 4.0, "lost": None, "nothing": None}
CONDITIONS = {
    "": ({}, 30),
    "`for_s` > 0": ({"for_s": 60}, 30),
    "`for_s` = 0": ({"for_s": 0}, 30),
    "`keep_firing_s` > 0": ({"keep_firing_s": 120}, 30),
    "`keep_firing_s` = 0": ({"keep_firing_s": 0}, 30),
    "clock < `for_s`": ({"for_s": 60}, 59),
    "clock ≥ `for_s`": ({"for_s": 60}, 60),
    "clock < `keep_firing_s`": ({"keep_firing_s": 120}, 119),
    "clock ≥ `keep_firing_s`": ({"keep_firing_s": 120}, 120),
    "absence is unusual": ({"absent_is_usual": False}, 30),
    "absence is usual": ({"absent_is_usual": True}, 30),
}
"""What each condition of the document means: what the rule says, and how long the state has lasted."""


def documented() -> list[tuple[str, str, str, str, str]]:
    body = DOCUMENT.read_text().split("\n## What follows\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line[:1] == "|"]
    return [(state, found, condition, then, happens) for state, found, condition, then, happens in rows[2:]]


def state_named(name: str, lasted_s: float) -> State | None:
    status, _, was = name.partition(", was ")
    if status == "inactive":
        return None
    began = NOW - lasted_s
    return State(status, began, began, NOW - 30, was="" if was == "inactive" else was)


@pytest.mark.parametrize(("name", "found", "condition", "then", "happens"), documented())
def test_the_machine_does_what_the_document_says(name, found, condition, then, happens):
    values, lasted_s = CONDITIONS[condition]
    rule = replace(RULE, no_data="no_data" if found == "lost" else "keep", **values)

    state, changes = step(rule, state_named(name, lasted_s), NOW, VALUES[found])

    assert (state.status if state else "inactive") == then
    assert ", ".join(changes) == happens


def test_the_document_has_a_row_for_every_state_and_everything_found():
    states = {
        "inactive",
        *(status for status in ALERT_STATES.transitions if status != "no_data"),
        *(f"no_data, was {was}" for was in ("inactive", "pending", "firing", "recovering")),
    }

    assert {(row[0], row[1]) for row in documented()} == {(state, str(found)) for state in states for found in Found}


def test_every_transition_of_the_document_is_one_that_alerts_may_make_and_no_other():
    moves = {(row[0].partition(",")[0], row[3]) for row in documented()}
    changing = {(before, after) for before, after in moves if before not in ("inactive", after)}

    assert changing == {(before, after) for before, follow in ALERT_STATES.transitions.items() for after in follow}


def test_the_document_tells_of_every_change_but_flapping():
    told = {change for row in documented() for change in re.findall(r"\w+", row[4])}

    assert told == set(Change) - {Change.STARTED_FLAPPING, Change.STOPPED_FLAPPING}


@pytest.mark.parametrize(
    ("symbol", "value", "recovery", "found"),
    [
        (">", 5, 4, {6: "breach", 5: "zone", 4.5: "zone", 4: "recovered"}),
        (">=", 5, 4, {5: "breach", 4: "zone", 3.9: "recovered"}),
        ("<", 5, 6, {4: "breach", 5: "zone", 5.5: "zone", 6: "recovered"}),
        ("<=", 5, 6, {5: "breach", 6: "zone", 6.1: "recovered"}),
        ("==", 0, 0, {0: "breach", 1: "recovered", -1: "recovered"}),
        ("!=", 3, 3, {2: "breach", 3: "recovered", 4: "breach"}),
        (">", 5, 5, {5.1: "breach", 5: "recovered"}),
    ],
)
def test_values_breach_recover_or_lie_between(symbol, value, recovery, found):
    rule = Rule(symbol, value, recovery)

    assert {given: rule.found(given) for given in found} == found


@pytest.mark.parametrize(
    ("policy", "found"), [("keep", "nothing"), ("no_data", "lost"), ("alert", "breach"), ("ok", "recovered")]
)
def test_missing_data_are_what_the_policy_says(policy, found):
    assert replace(RULE, no_data=policy).found(None) == found


def course(rule: Rule, *seen: tuple[float, float | None], state: State | None = None) -> list[str]:
    """The status after each of ``seen``, which are seconds after NOW and values."""
    statuses = []
    for at, value in seen:
        state, _ = step(rule, state, NOW + at, value)
        statuses.append(state.status if state else "inactive")
    return statuses


def steadily(value: float | None, first: int, last: int, every: int = 30) -> list[tuple[float, float | None]]:
    return [(at, value) for at in range(first, last + 1, every)]


def test_an_alert_from_its_first_breach_to_its_end():
    seen = [*steadily(6, 0, 60), *steadily(3, 90, 210)]

    statuses = course(RULE, *seen)

    assert statuses == ["pending"] * 2 + ["firing"] + ["recovering"] * 4 + ["resolved"]


def test_a_breach_shorter_than_the_pending_time_never_fires():
    assert course(RULE, (0, 6), (30, 6), (59, 3), (60, 6), (119, 6), (120, 6)) == [
        "pending", "pending", "resolved", "pending", "pending", "firing",
    ]  # fmt: skip


def test_the_zone_between_ends_a_pending_alert_but_not_one_that_fires():
    assert course(RULE, (0, 6), (30, 4.5), (60, 6), (120, 6), (150, 4.5)) == [
        "pending", "resolved", "pending", "firing", "firing",
    ]  # fmt: skip


def test_a_value_that_goes_back_while_recovering_has_the_keep_firing_time_begin_anew():
    seen = [*steadily(6, 0, 60), *steadily(3, 90, 180), (210, 6), *steadily(3, 240, 360)]

    assert course(RULE, *seen)[-6:] == ["firing", "recovering", "recovering", "recovering", "recovering", "resolved"]


def test_a_pending_alert_stands_still_without_data():
    seen = [(0, 6), (30, 6), *steadily(None, 60, 600), (630, 6), (631, 6)]

    assert course(RULE, *seen)[-3:] == ["pending", "firing", "firing"]
    assert "firing" not in course(RULE, *seen[:-2])


def test_a_recovering_alert_is_never_resolved_without_data():
    firing = State("firing", NOW, NOW, NOW)

    assert set(course(RULE, (30, 3), *steadily(None, 60, 6000), state=firing)) == {"recovering"}


def test_only_the_time_with_data_counts_towards_recovery():
    firing = State("firing", NOW, NOW, NOW)
    seen = [(30, 3), *steadily(None, 60, 600), *steadily(3, 630, 750)]

    assert course(RULE, *seen, state=firing)[-3:] == ["recovering", "resolved", "resolved"]


def test_after_a_gap_in_which_nobody_looked_the_pending_time_begins_anew():
    assert course(RULE, (0, 6), (30, 6), (331, 6), (361, 6), (391, 6)) == [
        "pending", "pending", "pending", "pending", "firing",
    ]  # fmt: skip


def test_a_gap_as_long_as_a_value_counts_changes_nothing():
    assert course(RULE, (0, 6), (300, 6)) == ["pending", "firing"]


def test_after_a_gap_in_which_nobody_looked_the_keep_firing_time_begins_anew():
    recovering = State("recovering", NOW - 100, NOW - 500, NOW)

    assert course(RULE, (301, 3), (420, 3), (421, 3), state=recovering) == ["recovering", "recovering", "resolved"]


def test_an_alert_that_fires_still_fires_after_a_gap():
    assert course(RULE, (90_000, 6), state=State("firing", NOW, NOW, NOW)) == ["firing"]


@pytest.mark.parametrize("at", [NOW, NOW - 1, NOW - 86_400])
@pytest.mark.parametrize("value", [6.0, 4.5, 3.0, None])
@pytest.mark.parametrize("status", [*AlertStatus.values])
def test_what_is_not_later_than_the_last_evaluation_changes_nothing(status, value, at):
    state = State(status, NOW - 3600, NOW - 3600, NOW)

    assert step(replace(RULE, no_data="no_data"), state, at, value) == (state, ())


def test_a_state_of_a_clock_that_was_ahead_is_taken_back():
    ahead = State("pending", NOW + 80_000, NOW + 79_000, NOW + 86_400, changes=(NOW + 70_000,))

    back = machine.rebased(ahead, NOW)

    assert (back.since, back.began_at, back.seen_at, back.changes) == (NOW, NOW, NOW, (NOW,))
    assert course(RULE, (30, 6), (60, 6), state=back) == ["pending", "firing"]


@pytest.mark.parametrize(("status", "value", "after"), [("pending", 6, "firing"), ("recovering", 3, "resolved")])
def test_what_a_clock_ahead_did_not_see_does_not_keep_a_state_for_days(status, value, after):
    ahead = step(RULE, State(status, NOW - 30, NOW - 30, NOW), NOW + 2 * 86_400, value).state
    assert ahead is not None and ahead.unseen_s > 86_400

    back = machine.rebased(ahead, NOW)

    assert back.lasted_s(NOW) == 0
    assert course(RULE, (30, value), (120, value), state=back) == [status, after]


def test_fractions_of_a_second_do_not_keep_an_alert_from_firing():
    begun = 1_700_000_000.1
    state, _ = step(replace(RULE, for_s=300), None, begun, 6)

    later, changes = step(replace(RULE, for_s=300), state, begun + 300, 6)

    assert later is not None and later.status == "firing" and changes == (Change.FIRED,)


# --- Which alert it is, and flapping ---


def test_a_resolved_alert_is_forgotten_after_the_flapping_window():
    resolved = State("resolved", NOW, NOW - 600, NOW, changes=(NOW - 500, NOW))

    within, _ = step(RULE, resolved, NOW + 1800, 6)
    after, _ = step(RULE, resolved, NOW + 1801, 6)

    assert within is not None and within.changes == (NOW,) and after is not None and after.changes == ()
    assert step(RULE, resolved, NOW + 1801, 3).state is None


def test_an_alert_that_goes_on_began_with_its_new_breach():
    resolved = State("resolved", NOW, NOW - 600, NOW)

    state, _ = step(RULE, resolved, NOW + 60, 6)

    assert state is not None and state.began_at == NOW + 60


def toggling(rule: Rule, times: int, every: int = 30) -> list[tuple[State | None, tuple[Change, ...]]]:
    """Fires and resolves in turn, once every so many seconds."""
    steps, state = [], None
    for number in range(times):
        state, changes = step(rule, state, NOW + number * every, 3 if number % 2 else 6)
        steps.append((state, changes))
    return steps


AT_ONCE = replace(RULE, for_s=0, keep_firing_s=0)


def test_more_changes_than_allowed_are_flapping():
    steps = toggling(AT_ONCE, 6)

    assert [state.flapping for state, _ in steps] == [False, False, False, False, True, True]
    assert [Change.STARTED_FLAPPING in changes for _, changes in steps] == [False] * 4 + [True, False]


def test_changes_further_apart_than_the_window_are_not_flapping():
    assert not any(state.flapping for state, _ in toggling(AT_ONCE, 40, every=601))


def test_flapping_ends_when_half_of_the_changes_are_left_in_the_window():
    state = toggling(AT_ONCE, 5)[-1][0]
    first_three = [NOW, NOW + 30, NOW + 60]

    still, none = step(AT_ONCE, state, first_three[2] + 1800, 6)
    calm, told = step(AT_ONCE, still, first_three[2] + 1801, 6)

    assert (still.flapping, none) == (True, ())
    assert (calm.flapping, told, calm.changes) == (False, (Change.STOPPED_FLAPPING,), (NOW + 90, NOW + 120))


def test_an_alert_that_flapped_and_is_resolved_calms_down_as_well():
    state = toggling(AT_ONCE, 6)[-1][0]

    calm, told = step(AT_ONCE, state, NOW + 10_000, 3)

    assert state.status == "resolved" and told == (Change.STOPPED_FLAPPING,)
    assert calm is not None and not calm.flapping


def test_no_more_changes_are_kept_than_any_threshold_counts():
    rule = replace(AT_ONCE, flap_changes=1_000, flap_window_s=86_400)

    steps = toggling(rule, 1_100, every=6)

    assert [state.flapping for state, _ in steps].index(True) == 1_000
    assert steps[-1][0].changes == tuple(NOW + number * 6 for number in range(99, 1_100))


def test_data_that_come_and_go_are_flapping():
    rule, state = replace(RULE, no_data="no_data"), None
    for number in range(5):
        state, _ = step(rule, state, NOW + number * 30, 3 if number % 2 else None)

    assert state is not None and state.flapping


def test_recovering_and_firing_again_is_no_change():
    state = State("firing", NOW, NOW, NOW)
    for number in range(1, 50):
        state, _ = step(RULE, state, NOW + number * 30, 3 if number % 2 else 6)

    assert not state.flapping and state.changes == ()


def test_a_person_resolves_an_alert_and_that_is_a_change():
    firing = State("firing", NOW - 60, NOW - 60, NOW, unseen_s=20, changes=(NOW - 60,))

    resolved = machine.resolved(firing, NOW + 10)

    assert resolved == State("resolved", NOW + 10, NOW - 60, NOW + 10, changes=(NOW - 60, NOW + 10))
    assert course(RULE, (30, 6), (60, 6), (90, 6), state=resolved) == ["pending", "pending", "firing"]


# --- Edited rules: the new one applies to the state as it is ---


def test_a_shorter_pending_time_fires_at_the_next_evaluation():
    state, _ = step(replace(RULE, for_s=600), None, NOW, 6)

    assert step(replace(RULE, for_s=30), state, NOW + 30, 6).changes == (Change.FIRED,)


def test_a_higher_limit_lets_an_alert_recover_that_fires():
    firing = State("firing", NOW, NOW, NOW)

    assert course(replace(RULE, value=10, recovery_value=8), (30, 6), state=firing) == ["recovering"]


@pytest.mark.parametrize(("policy", "then"), [("keep", "no_data"), ("alert", "firing"), ("ok", "recovering")])
def test_another_policy_applies_to_an_alert_without_data(policy, then):
    state = State("no_data", NOW, NOW, NOW, was="firing")

    assert course(replace(RULE, no_data=policy), (30, None), state=state) == [then]


@pytest.mark.parametrize("policy", ["keep", "no_data", "alert", "ok"])
@pytest.mark.parametrize("usual", [True, False])
@pytest.mark.parametrize("value", [6.0, 4.5, 4.0, None])
def test_the_short_question_agrees_with_the_step(policy, usual, value):
    rule = replace(RULE, no_data=policy, absent_is_usual=usual)

    assert rule.begins(value) == (step(rule, None, NOW, value).state is not None)


@pytest.mark.parametrize(
    ("symbol", "values", "worst"), [(">", (6, 9, 7), 9), ("<=", (3, 1, 2), 1), ("!=", (6, 1, 8), 1), ("==", (5, 5), 5)]
)
def test_the_worst_value_lies_furthest_beyond_the_limit(symbol, values, worst):
    rule, seen = Rule(symbol, 5, 5), None
    for value in (None, *values, None):
        seen = rule.worse(value, seen)

    assert seen == worst
