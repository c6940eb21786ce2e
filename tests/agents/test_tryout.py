"""Policies tried over recorded samples: by the production decisions, on a pool that was not there."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from agents import tryout
from agents.scaling_policy import Minimum, Policy
from agents.tryout import Limits, Sample

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
LIMITS = Limits(min_size=1, max_size=6, slots_each=4, call_s=10)
STEADY = Policy(cooldown_up_s=0, cooldown_down_s=0)


def samples(*points, size=2):
    """One sample every ten seconds: calls in flight, what waits, how long the oldest has."""
    return [Sample(MONDAY + timedelta(seconds=10 * n), size, *point) for n, point in enumerate(points)]


def test_nothing_recorded_is_nothing_to_tell():
    assert tryout.replay(Policy(), samples((1, 0, 0.0)), LIMITS, UTC) is None


def test_a_pool_that_was_too_large_costs_less_with_a_policy():
    tried = tryout.replay(STEADY, samples(*[(2, 0, 0.0)] * 361, size=5), LIMITS, UTC)

    assert tried.hours == pytest.approx(1)
    assert tried.then == tryout.Course(agent_hours=pytest.approx(5), p95_wait_s=0, largest=5)
    assert tried.with_this.agent_hours == pytest.approx(1, abs=0.05)
    assert tried.with_this.p95_wait_s == 0
    first, *_ = tried.decisions
    assert (first.size_before, first.decision.target) == (5, 4)
    assert first.decision.reason == "2 of 20 slots are in use, less than 35 %, and nothing waits: 1 fewer, down to 4."


def test_a_pool_that_was_too_small_would_have_let_nobody_wait():
    """One member of four slots, six calls a minute more than it could do: what waits grows without end."""
    recorded = [(4, n, 10.0 * n) for n in range(60)]

    tried = tryout.replay(STEADY, samples(*recorded, size=1), LIMITS, UTC)

    assert tried.then.p95_wait_s == 570
    assert tried.with_this.p95_wait_s < 60
    assert tried.with_this.largest >= 2
    assert tried.with_this.agent_hours > tried.then.agent_hours


def test_the_same_policy_over_its_own_course_changes_little():
    """What was recorded is what the same size does with the same work."""
    busy = [(8, max(0, 40 - abs(n - 40)), float(max(0, 40 - abs(n - 40)))) for n in range(100)]
    fixed = Limits(min_size=2, max_size=2, slots_each=4, call_s=10)

    tried = tryout.replay(Policy(), samples(*busy), fixed, UTC)

    assert tried.with_this.agent_hours == pytest.approx(tried.then.agent_hours)
    assert tried.with_this.p95_wait_s == pytest.approx(tried.then.p95_wait_s, rel=0.5)
    assert tried.decisions == []


def test_time_without_samples_counts_for_neither():
    early, late = samples((2, 0, 0.0), (2, 0, 0.0)), samples((2, 0, 0.0), (2, 0, 0.0))
    late = [Sample(each.at + timedelta(hours=5), each.size, 2, 0, 0.0) for each in late]

    tried = tryout.replay(Policy(), early + late, LIMITS, UTC)

    assert tried.hours == pytest.approx(20 / 3600)
    assert tried.then.agent_hours == pytest.approx(40 / 3600)


def test_limits_hold_from_the_first_moment():
    tried = tryout.replay(Policy(), samples((2, 0, 0.0), (2, 0, 0.0), size=9), LIMITS, UTC)

    assert tried.with_this.largest == 6


def test_a_minimum_by_time_of_day_is_read_in_the_given_zone():
    berlin, after_midnight = ZoneInfo("Europe/Berlin"), Minimum(frozenset(), 0, 30, 3)
    policy = Policy(minimums=(after_midnight,))

    assert tryout.replay(policy, samples((0, 0, 0.0), (0, 0, 0.0)), LIMITS, UTC).with_this.largest == 3
    assert tryout.replay(policy, samples((0, 0, 0.0), (0, 0, 0.0)), LIMITS, berlin).with_this.largest == 2


@pytest.mark.parametrize(("calls", "rate"), [(0.0, 0.1), (3.0, 0.3), (4.0, 2.0), (30.0, 0.1)])
@pytest.mark.parametrize("call_s", [0.05, 10.0, 900.0])
def test_what_came_in_is_read_back_from_two_samples(calls, rate, call_s):
    slots = 4
    after = tryout._calls_after(calls, rate, 10, call_s, slots)
    first = Sample(MONDAY, 1, min(slots, round(calls)), max(0, round(calls) - slots), 0.0)
    in_use = min(float(slots), after)
    second = Sample(MONDAY, 1, in_use, max(0.0, after - slots), 0.0)
    is_full_throughout = calls >= slots and after > slots
    is_free_throughout = calls < slots and after <= slots

    if is_full_throughout or is_free_throughout:
        assert tryout._rate(first, second, 10, call_s) == pytest.approx(rate, rel=0.05)
