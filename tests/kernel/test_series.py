"""Steps of time, durations in buckets: against what exact arithmetic says."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.kernel import series
from orchestra.kernel.series import BOUNDS_S, BUCKETS, STEPS_S, Histogram, bucket_of, steps_between, week_before

NOW = datetime(2026, 11, 22, 14, 3, 7, tzinfo=UTC)
durations = st.floats(min_value=0, max_value=2_000, allow_nan=False)
parts = st.floats(min_value=0, max_value=1)


def exact(values, part):
    """The percentile by nearest rank."""
    return sorted(values)[max(1, math.ceil(part * len(values))) - 1]


def width_at(value):
    index = bucket_of(value)
    low = BOUNDS_S[index - 1] if index else 0.0
    return (BOUNDS_S[index] if index < len(BOUNDS_S) else 2_000.0) - low


def counts_of(histogram):
    return histogram.counts, histogram.fastest_s, histogram.slowest_s


class TestBuckets:
    def test_bounds_grow_from_a_millisecond_to_ten_minutes_by_at_most_two_thirds(self):
        assert (BOUNDS_S[0], BOUNDS_S[-1]) == (0.001, 600)
        steps = [later / earlier for earlier, later in pairwise(BOUNDS_S)]
        assert min(steps) > 1.19
        assert max(steps) < 1.67

    @pytest.mark.parametrize(
        ("seconds", "bucket"),
        [(0, 0), (0.001, 0), (0.0011, 1), (5, 22), (5.001, 23), (600, BUCKETS - 2), (9e9, BUCKETS - 1)],
    )
    def test_a_bound_belongs_to_the_bucket_below_it(self, seconds, bucket):
        assert bucket_of(seconds) == bucket


class TestPercentiles:
    @given(st.lists(durations, min_size=1, max_size=200), parts)
    def test_the_true_value_lies_between_the_ends_and_within_a_bucket_of_the_estimate(self, values, part):
        estimate, true = Histogram.of(values).percentile(part), exact(values, part)

        assert estimate.low <= true <= estimate.high
        assert abs(estimate.value - true) <= estimate.error <= width_at(true)

    @given(st.lists(durations, min_size=1), parts)
    def test_no_value_is_invented_beyond_what_was_seen(self, values, part):
        assert min(values) <= Histogram.of(values).percentile(part).value <= max(values)

    @given(st.lists(durations, min_size=1), st.lists(parts, min_size=2, max_size=5))
    def test_a_larger_part_never_has_a_smaller_percentile(self, values, wanted):
        histogram = Histogram.of(values)
        found = [histogram.percentile(part).value for part in sorted(wanted)]

        assert found == sorted(found)

    def test_of_equal_values_it_is_exact(self):
        assert Histogram.of([0.31] * 7).percentile(0.95).value == 0.31

    def test_of_nothing_there_is_none(self):
        assert (Histogram().percentile(0.5), Histogram().average) == (None, None)

    def test_above_the_last_bound_without_a_known_longest_it_says_only_at_least(self):
        histogram = Histogram()
        histogram.counts[-1] = 3

        assert histogram.percentile(0.5) == series.Estimate(600, 600, None)
        assert histogram.percentile(0.5).error is None


class TestMerging:
    @given(st.lists(durations), st.lists(durations))
    def test_what_two_counted_apart_is_what_one_would_have_counted(self, ours, theirs):
        merged = Histogram.of(ours)
        merged.merge(Histogram.of(theirs))

        together = Histogram.of([*ours, *theirs])
        assert counts_of(merged) == counts_of(together)
        assert merged.sum_s == pytest.approx(together.sum_s)

    def test_the_average_is_exact(self):
        assert Histogram.of([0.2, 0.4, 12]).average == pytest.approx(4.2)


class TestSteps:
    def test_an_hour_has_aligned_steps_that_cover_it(self):
        steps = steps_between(NOW - timedelta(hours=1), NOW, most=60)

        assert (steps.step_s, steps.count) == (120, 31)
        assert steps.start == datetime(2026, 11, 22, 13, 2, tzinfo=UTC)
        assert steps.starts[-1] <= NOW < steps.end

    @given(
        st.integers(946_684_800_000, 4_102_444_800_000).map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC)),
        st.timedeltas(timedelta(seconds=1), timedelta(days=900)),
        st.integers(40, 1_000),
    )
    def test_steps_cover_what_was_asked_for_and_no_step_more(self, since, length, most):
        steps = steps_between(since, since + length, most=most)

        assert steps.step_s in STEPS_S
        assert steps.count <= most
        assert steps.start <= since < steps.start + timedelta(seconds=steps.step_s)
        assert steps.end - timedelta(seconds=steps.step_s) < since + length <= steps.end
        assert steps.start.timestamp() % steps.step_s == 0

    def test_they_are_no_shorter_than_told(self):
        assert steps_between(NOW - timedelta(hours=1), NOW, least_s=3_600).step_s == 3_600

    def test_a_moment_falls_in_the_step_that_began_last(self):
        steps = steps_between(NOW - timedelta(hours=1), NOW, step_s=600)

        assert [steps.index(start) for start in steps.starts] == list(range(steps.count))
        assert steps.index(NOW) == steps.count - 1
        assert steps.index(steps.end) is None
        assert steps.index(steps.start - timedelta(microseconds=1)) is None

    def test_a_rate_is_by_the_part_of_the_step_that_is_over(self):
        steps = steps_between(NOW - timedelta(hours=1), NOW, step_s=600)

        assert [steps.elapsed_s(index, NOW) for index in (0, steps.count - 1)] == [600, 187]
        assert series.per_minute(30, steps.elapsed_s(steps.count - 1, NOW)) == pytest.approx(9.626, abs=0.001)

    @pytest.mark.parametrize(
        ("since", "step_s"), [(NOW, 60), (NOW + timedelta(days=1), 60), (NOW - timedelta(days=9), 60)]
    )
    def test_an_empty_stretch_and_one_of_too_many_steps_are_refused(self, since, step_s):
        with pytest.raises(ValueError, match=r"must lie after|more than 200 points"):
            steps_between(since, NOW, step_s=step_s)


class TestTheWeekBefore:
    def test_steps_that_are_still_kept_lie_a_week_under_those_of_now(self):
        steps = steps_between(NOW - timedelta(hours=1), NOW, step_s=600)
        before = week_before(steps, 60)

        assert before.steps.starts == [start - timedelta(days=7) for start in steps.starts]
        values = [float(index) for index in range(steps.count)]
        assert before.under(values) == before.under(values, is_count=True) == values

    def test_of_a_longer_step_each_shorter_one_has_its_value_or_its_part(self):
        steps = steps_between(NOW - timedelta(hours=2), NOW, step_s=1_800)
        before = week_before(steps, 3_600)

        assert before.steps.step_s == 3_600
        values = [4.0, None, 6.0]
        assert before.under(values) == [4.0, 4.0, None, None, 6.0]
        assert before.under(values, is_count=True) == [2.0, 2.0, None, None, 3.0]

    @given(st.integers(min_value=1, max_value=800), st.sampled_from([60, 3_600, 86_400]))
    def test_every_step_of_now_finds_one(self, hours, least_s):
        steps = steps_between(NOW - timedelta(hours=hours), NOW)
        before = week_before(steps, least_s)

        assert None not in before.under([1.0] * before.steps.count)


def test_shares_and_rates_of_nothing_are_unknown():
    assert (series.share(1, 0), series.per_minute(1, 0)) == (None, None)
    assert (series.share(1, 4), series.per_minute(3, 30)) == (0.25, 6)
