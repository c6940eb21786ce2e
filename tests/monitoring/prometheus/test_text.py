"""What is written is what the library would write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from monitoring.prometheus import text

values = st.one_of(
    st.integers(min_value=0, max_value=10**15),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0),  # no -0.0
)
words = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


class Families:
    def __init__(self, *families):
        self.families = families

    def collect(self):
        return self.families


def by_the_library(*families):
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Families(*families))
    return generate_latest(registry)


@given(st.lists(st.tuples(words, words, values), max_size=5), words, values)
def test_every_sample_is_written_as_the_library_writes_it(rows, told, alone):
    gauge = GaugeMetricFamily("orchestra_gauge", told, labels=["zone", "agent"])
    counter = CounterMetricFamily("orchestra_calls", told, labels=["agent"])
    histogram = HistogramMetricFamily("orchestra_seconds", "Durations.", labels=["agent"])
    for zone, agent, value in rows:
        gauge.add_metric([zone, agent], value)
        counter.add_metric([agent], value)
        histogram.add_metric([agent], [("0.1", value), ("+Inf", value)], value)
    families = [gauge, counter, histogram, GaugeMetricFamily("orchestra_alone", "One.", value=alone)]

    assert text.written(families) == by_the_library(*families)


@pytest.mark.parametrize("value", [0, -0.0, 1e6, 999_999, 123_456_789, 1_795_429_470, 0.1, -5, float("inf")])
def test_numbers_keep_their_value(value):
    written = text.written([GaugeMetricFamily("orchestra_alone", "One.", value=value)])

    (family,) = text_string_to_metric_families(written.decode())
    assert family.samples[0].value == value
