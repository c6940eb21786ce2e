"""The canonical text is that of the standard library, byte for byte, whatever writes it."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.kernel import canonical

TEXTS = st.text(max_size=20)
PLAIN = st.none() | st.booleans() | st.integers(min_value=-(2**70), max_value=2**70) | TEXTS
ANY = st.recursive(
    PLAIN | st.floats(allow_nan=False, allow_infinity=False) | st.datetimes(timezones=st.just(UTC)) | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def standard(value, *, sort_keys=True):
    return json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=sort_keys, default=str
    )


@settings(deadline=None)
@given(st.dictionaries(TEXTS, PLAIN) | ANY)
def test_a_value_has_the_text_of_the_standard_library(value):
    assert canonical.text(value) == standard(value)


@settings(deadline=None)
@given(st.lists(TEXTS | st.integers(min_value=0, max_value=2**70), max_size=26))
def test_an_event_is_hashed_over_the_text_of_the_standard_library(values):
    expected = hashlib.sha256(standard(values, sort_keys=False).encode()).hexdigest()

    assert canonical.event_hash(values) == expected


@settings(deadline=None)
@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_a_detail_is_digested_over_the_text_of_the_standard_library(salt, before, after, reason):
    expected = hashlib.sha256(standard([salt, before, after, reason]).encode()).hexdigest()

    assert canonical.detail_digest(salt, before, after, reason) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": 'é\x7f\x1f\n"\\/'}, '{"a":"é\x7f\\u001f\\n\\"\\\\/","b":1}'),
        ({"share": 0.00001}, '{"share":1e-05}'),
        ({"at": datetime(2026, 3, 1, tzinfo=UTC)}, '{"at":"2026-03-01 00:00:00+00:00"}'),
        ({"cost": Decimal("1.10")}, '{"cost":"1.10"}'),
        ({7: "seven"}, '{"7":"seven"}'),
        ({"n": 2**64}, '{"n":18446744073709551616}'),
        ({"in": {"b": None, "a": [True, {}]}}, '{"in":{"a":[true,{}],"b":null}}'),
        ([], "[]"),
    ],
)
def test_texts_by_example(value, text):
    assert canonical.text(value) == text


def test_keys_of_two_types_cannot_be_sorted():
    with pytest.raises(TypeError):
        canonical.text({1: "keys of two", "types": 1})


def test_what_json_does_not_know_as_a_number_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        canonical.text({"share": float("nan")})


@settings(deadline=None)
@given(st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_an_instant_is_in_utc_with_six_digits_of_a_second(naive, minutes):
    at = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))

    assert canonical.moment(at) == at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
