"""The place in the queue: what raises it, and that nobody waits for ever."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from workflows import urgency
from workflows.urgency import rank_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PRIORITIES = range(-100, 101)
LONGEST = (PRIORITIES[-1] - PRIORITIES[0] + max(urgency.TIER_POINTS.values())) * urgency.POINT

moments = st.integers(0, 10**6).map(lambda seconds: NOW + timedelta(seconds=seconds))
priorities = st.sampled_from(PRIORITIES)
tiers = st.sampled_from(["", *urgency.TIER_POINTS])
leads = st.none() | st.integers(1, 10**6).map(lambda seconds: timedelta(seconds=seconds))


def deadline(created, lead):
    return None if lead is None else created + lead


@given(moments, priorities, priorities, tiers, leads)
def test_a_higher_priority_never_stands_further_back(created, one, other, tier, lead):
    higher, lower = max(one, other), min(one, other)

    assert rank_of(created, higher, tier, deadline(created, lead)) <= rank_of(
        created, lower, tier, deadline(created, lead)
    )


@given(moments, priorities, leads)
def test_a_better_tier_never_stands_further_back(created, priority, lead):
    ranks = [
        rank_of(created, priority, tier, deadline(created, lead)) for tier in ("enterprise", "premium", "standard")
    ]

    assert ranks == sorted(ranks)


@given(moments, priorities, tiers, leads, leads)
def test_an_earlier_deadline_never_stands_further_back_and_none_is_the_latest(created, priority, tier, one, other):
    leads_in_order = sorted([one, other], key=lambda lead: timedelta.max if lead is None else lead)

    ranks = [rank_of(created, priority, tier, deadline(created, lead)) for lead in leads_in_order]

    assert ranks == sorted(ranks)


@given(moments, priorities, tiers, leads, moments, priorities, tiers, leads)
def test_whatever_comes_a_bounded_time_later_goes_later(created, priority, tier, lead, later, higher, better, sooner):
    """The bound on starvation: so long after a step, nothing can arrive that overtakes it."""
    later = max(created, later) + LONGEST + urgency.LEAD

    mine = rank_of(created, priority, tier, deadline(created, lead))
    theirs = rank_of(later, higher, better, deadline(later, sooner))

    assert mine < theirs


def test_a_point_is_worth_a_minute_of_waiting():
    assert rank_of(NOW, 5, "", None) == rank_of(NOW - timedelta(minutes=5), 0, "", None)


def test_a_customer_s_tier_counts_as_points():
    assert rank_of(NOW, 0, "premium", None) == rank_of(NOW, 20, "standard", None)


def test_a_tier_that_nobody_knows_counts_as_none():
    assert rank_of(NOW, 0, "gold", None) == NOW


def test_ten_minutes_before_its_deadline_a_run_goes_before_all_that_arrives():
    due = NOW + timedelta(minutes=10)

    assert rank_of(NOW - timedelta(minutes=1), -100, "", due) == NOW
