"""Decisions on the size of a pool: each rule by its figures, and what holds for all of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import scaling, scaling_policy
from agents.scaling import State
from agents.scaling_policy import Minimum, Policy

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CALM = State(
    size=3,
    min_size=1,
    max_size=5,
    slots=12,
    slots_each=4,
    in_use=6,
    waiting=0,
    oldest_s=0,
    local=MONDAY_NOON,
)
POLICY = Policy()


@pytest.mark.parametrize(
    ("figures", "action", "target", "code", "reason"),
    [
        ({}, "stay", 3, "steady", "Load and queue are within its policy."),
        (
            {"waiting": 14},
            "up",
            4,
            "queue",
            "14 wait for 3 agents, more than 4 each: 1 more, up to 4.",
        ),
        ({"waiting": 40}, "up", 5, "queue", "40 wait for 3 agents, more than 4 each: 2 more, up to 5."),
        (
            {"waiting": 2, "oldest_s": 42},
            "up",
            5,
            "wait",
            "The oldest of 2 has waited 42 s, longer than 30 s: 2 more, up to 5.",
        ),
        ({"waiting": 1, "oldest_s": 300}, "up", 5, "wait", "One has waited 5 min, longer than 30 s: 2 more, up to 5."),
        (
            {"in_use": 11},
            "up",
            4,
            "busy",
            "11 of 12 slots are in use, 92 % where 70 % is the aim: 1 more, up to 4.",
        ),
        (
            {"waiting": 40, "oldest_s": 300, "is_broken": True},
            "stay",
            3,
            "broken",
            "The breaker of every agent that it has is open, so more of the same would not help the 40 that wait.",
        ),
        ({"size": 0, "is_broken": True, "waiting": 9}, "up", 1, "below_min", None),
        (
            {"size": 5, "slots": 20, "waiting": 50},
            "stay",
            5,
            "at_max",
            "50 wait for 5 agents, more than 4 each, but 5 is its maximum.",
        ),
        (
            {"waiting": 14, "since_up_s": 12},
            "stay",
            3,
            "cooling",
            "14 wait for 3 agents, more than 4 each, but it grew 12 s ago and rests for 30 s.",
        ),
        (
            {"size": 0, "min_size": 0, "slots": 0, "in_use": 0, "waiting": 3},
            "up",
            1,
            "queue",
            "3 wait and it has no agent: 1 more, up to 1.",
        ),
        (
            {"in_use": 2},
            "down",
            2,
            "idle",
            "2 of 12 slots are in use, less than 35 %, and nothing waits: 1 fewer, down to 2.",
        ),
        (
            {"in_use": 1, "waiting": 1},
            "down",
            2,
            "idle",
            "1 of 12 slots is in use, less than 35 %, and only 1 waits: 1 fewer, down to 2.",
        ),
        (
            {"in_use": 0, "since_up_s": 40},
            "stay",
            3,
            "cooling",
            "0 of 12 slots are in use, but it changed 40 s ago and shrinks only 5 min after that.",
        ),
        ({"size": 1, "slots": 4, "in_use": 0}, "stay", 1, "at_min", "0 of 4 slots are in use, but 1 is its minimum."),
        ({"size": 1, "slots": 4, "min_size": 3}, "up", 3, "below_min", "3 is its minimum: 2 more, up to 3."),
        ({"size": 8, "slots": 32}, "down", 5, "above_max", "It may have at most 5: 3 fewer, down to 5."),
        ({"size": 1, "slots": 0, "min_size": 0, "in_use": 0}, "down", 0, "idle", None),
    ],
)
def test_each_rule_decides_with_its_figures_in_words(figures, action, target, code, reason):
    decision = scaling.decide(POLICY, replace(CALM, **figures))

    assert (decision.action, decision.target, decision.code) == (action, target, code)
    assert reason is None or decision.reason == reason


def test_it_does_not_shrink_if_it_would_have_to_grow_again():
    policy = Policy(target_utilisation=0.7, down_utilisation=0.69)
    two_of_three = replace(CALM, size=2, slots=8, in_use=5)

    assert scaling.decide(policy, two_of_three).code == scaling.STEADY


def test_what_waits_too_long_keeps_it_from_shrinking():
    slow = replace(CALM, in_use=0, waiting=1, oldest_s=31, since_up_s=1)

    assert scaling.decide(POLICY, slow).code == scaling.COOLING
    assert scaling.decide(POLICY, replace(slow, since_up_s=None)).action == scaling.UP


def test_a_bound_of_nothing_never_shrinks():
    idle = replace(CALM, in_use=0)

    assert scaling.decide(Policy(down_utilisation=0), idle).action == scaling.STAY


def test_switched_off_it_stays_whatever_waits_but_never_above_its_maximum():
    decision = scaling.decide(POLICY, replace(CALM, waiting=100), autoscales=False)

    assert decision == scaling.Decision("stay", 3, "off", "Autoscaling is off: 3 stay until somebody scales it.")
    assert scaling.decide(POLICY, replace(CALM, size=6), autoscales=False).target == 5


OFFICE = Minimum(frozenset({0, 1, 2, 3, 4}), 8 * 60, 18 * 60, 4)
NIGHT = Minimum(frozenset({4}), 22 * 60, 2 * 60, 3)


@pytest.mark.parametrize(
    ("local", "least"),
    [
        ("2026-11-23T07:59", 1),
        ("2026-11-23T08:00", 4),
        ("2026-11-23T17:59", 4),
        ("2026-11-23T18:00", 1),
        ("2026-11-28T12:00", 1),  # a Saturday
        ("2026-11-27T22:00", 3),  # Friday night
        ("2026-11-28T01:59", 3),
        ("2026-11-28T02:00", 1),
        ("2026-11-28T22:30", 1),
        ("2026-11-27T01:00", 1),  # the night from Thursday
    ],
)
def test_the_minimum_follows_the_time_of_day_also_over_midnight(local, least):
    at = datetime.fromisoformat(local).replace(tzinfo=UTC)

    assert scaling_policy.floor(Policy(minimums=(OFFICE, NIGHT)), 1, 5, at)[0] == least


def test_a_minimum_of_all_day_holds_all_day():
    whole_day = Minimum(frozenset(), 0, 0, 2)

    assert all(whole_day.holds(MONDAY_NOON.replace(hour=hour)) for hour in range(24))


def test_a_minimum_by_time_of_day_is_named_in_the_reason():
    policy = Policy(minimums=(OFFICE,))

    grown = scaling.decide(policy, CALM)
    kept = scaling.decide(policy, replace(CALM, size=4, slots=16, in_use=0))

    assert grown.reason == "At least 4 are wanted from 08:00 to 18:00: 1 more, up to 4."
    assert kept.reason == "0 of 16 slots are in use, but at least 4 are wanted until 18:00."


# --- What holds for every policy and every state ---------------------------------------------------------------------

shares = st.floats(0.05, 1)
policies = st.builds(
    lambda target, below, **rest: Policy(target_utilisation=target, down_utilisation=target * below, **rest),
    shares,
    st.floats(0, 0.99),
    queue_per_agent=st.floats(0.01, 50),
    max_wait_s=st.floats(0.1, 600),
    step_up=st.integers(1, 10),
    step_down=st.integers(1, 10),
    cooldown_up_s=st.floats(0, 600),
    cooldown_down_s=st.floats(0, 600),
    minimums=st.lists(
        st.builds(
            Minimum, st.frozensets(st.integers(0, 6)), st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 20)
        ),
        max_size=3,
    ).map(tuple),
)
ago = st.none() | st.floats(0, 1000)


@st.composite
def states(draw):
    low = draw(st.integers(0, 8))
    high = draw(st.integers(max(1, low), 20))
    size, each = draw(st.integers(0, 25)), draw(st.integers(1, 16))
    slots = size * each
    return State(
        size=size,
        min_size=low,
        max_size=high,
        slots=slots,
        slots_each=each,
        in_use=draw(st.integers(0, slots)),
        waiting=draw(st.integers(0, 300)),
        oldest_s=draw(st.floats(0, 2000)),
        local=MONDAY_NOON + timedelta(minutes=draw(st.integers(0, 14 * 24 * 60))),
        since_up_s=draw(ago),
        since_down_s=draw(ago),
        is_broken=draw(st.booleans()),
    )


@given(policies, states())
def test_a_changed_size_is_always_within_the_bounds(policy, state):
    decision = scaling.decide(policy, state)
    low, _ = scaling_policy.floor(policy, state.min_size, state.max_size, state.local)

    if decision.action != scaling.STAY or low <= state.size <= state.max_size:
        assert low <= decision.target <= state.max_size
    assert (decision.target > state.size, decision.target < state.size) == (
        decision.action == scaling.UP,
        decision.action == scaling.DOWN,
    )


@given(policies, states())
def test_it_never_shrinks_while_it_cools(policy, state):
    decision = scaling.decide(policy, state)
    changes = [each for each in (state.since_up_s, state.since_down_s) if each is not None]

    if decision.action == scaling.DOWN and decision.code != scaling.ABOVE_MAX:
        assert not changes or min(changes) >= policy.cooldown_down_s


@given(policies, states(), st.integers(0, 50), st.integers(0, 300), st.floats(0, 500))
def test_more_demand_never_means_fewer_members(policy, state, in_use, waiting, longer_s):
    more = replace(
        state,
        in_use=min(state.slots, state.in_use + in_use),
        waiting=state.waiting + waiting,
        oldest_s=state.oldest_s + longer_s,
    )

    assert scaling.decide(policy, more).target >= scaling.decide(policy, state).target


@given(policies, states(), st.integers(0, 200))
def test_on_a_steady_load_it_comes_to_rest(policy, state, load):
    """``load`` calls at a time are asked for: what finds no slot waits."""
    policy = replace(policy, cooldown_up_s=0, cooldown_down_s=0, minimums=())
    size, sizes = min(state.size, state.max_size), []
    for _ in range(100):
        slots = size * state.slots_each
        waiting = max(0, load - slots)
        oldest_s = 10_000 if waiting else 0
        now = replace(state, size=size, slots=slots, in_use=load - waiting, waiting=waiting, oldest_s=oldest_s)
        size = scaling.decide(policy, replace(now, since_up_s=None, since_down_s=None)).target
        sizes.append(size)

    assert len(set(sizes[-20:])) == 1


# --- Policies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "path", "words"),
    [
        ({"target_utilisation": 1.5}, "policy.target_utilisation", "from 0.05 to 1"),
        ({"step_up": 1.5}, "policy.step_up", "whole number"),
        ({"step_up": True}, "policy.step_up", "whole number"),
        ({"cooldown_up_s": -1}, "policy.cooldown_up_s", "from 0"),
        ({"queue_per_agent": 0}, "policy.queue_per_agent", "from 0.01"),
        ({"max_wait_s": "long"}, "policy.max_wait_s", "number"),
        ({"max_wait_s": float("nan")}, "policy.max_wait_s", "number"),
        ({"stepup": 1}, "policy.stepup", "known are"),
        ({"down_utilisation": 0.8}, "policy.down_utilisation", "less than the target"),
        ({"minimums": "all"}, "policy.minimums", "list"),
        ({"minimums": [3]}, "policy.minimums[0]", "table"),
        ({"minimums": [{"from": "8:00", "to": "18:00", "min": 2}]}, "policy.minimums[0].from", "time of day"),
        ({"minimums": [{"from": "08:00", "to": "24:00", "min": 2}]}, "policy.minimums[0].to", "time of day"),
        ({"minimums": [{"from": "08:00", "to": "18:00"}]}, "policy.minimums[0].min", "whole number"),
        ({"minimums": [{"from": "08:00", "to": "18:00", "min": 9}]}, "policy.minimums[0].min", "from 0 to 5"),
        ({"minimums": [{"from": "08:00", "to": "18:00", "min": 2, "days": ["monday"]}]}, "policy.minimums[0].days", ""),
        ({"minimums": [{"from": "08:00", "to": "18:00", "min": 2, "max": 3}]}, "policy.minimums[0].max", "known are"),
        ([], "policy", "table"),
    ],
)
def test_a_bad_policy_is_refused_with_the_field_it_lies_in(given_, path, words):
    (fault,) = scaling_policy.faults(given_, at="policy", max_size=5)

    assert fault["path"] == path
    assert words in fault["message"]


def test_a_policy_reads_back_as_it_was_written():
    given_ = {"step_up": 3, "minimums": [{"days": ["mon"], "from": "22:00", "to": "06:00", "min": 2}]}

    policy = scaling_policy.read(given_)

    assert scaling_policy.read(scaling_policy.whole(policy)) == policy
    assert (policy.step_up, policy.step_down) == (3, 1)
    assert policy.minimums == (Minimum(frozenset({0}), 22 * 60, 6 * 60, 2),)


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.5, "0.5 s"), (3, "3 s"), (42.7, "42 s"), (119, "119 s"), (300, "5 min"), (5400, "1 h 30 min")],
)
def test_lengths_of_time_read_well(value, words):
    assert scaling.seconds(value) == words
