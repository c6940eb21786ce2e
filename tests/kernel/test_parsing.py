"""JSON bodies as the API reads them."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.kernel.errors import BadRequest
from orchestra.kernel.gate.parsing import MAX_DEPTH, read_object

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\r\t"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(TEXT, VALUES))
def test_every_proper_object_is_read_as_it_was_written(value):
    assert read_object(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_anything_else_is_a_clear_refusal_and_never_a_crash(body):
    with suppress(BadRequest):
        assert isinstance(read_object(body), dict)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not valid JSON (line 1, column 1"),
        (b"{", "not valid JSON"),
        (b"[1]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b'{"a": 1, "b": 2, "a": 3}', "the name 'a' occurs twice"),
        (b'{"a": {"b": 1, "b": 1}}', "the name 'b' occurs twice"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "cannot be read"),
        (b'{"a": "\\u0000"}', "a holds a control character"),
        (b'{"a": {"b": ["x", "\\u001b"]}}', "a.b[1] holds a control character"),
        (b'{"a": {"n\\u0000": 1}}', "a holds a control character"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", f"nested more than {MAX_DEPTH} deep"),
        (b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", f"nested more than {MAX_DEPTH} deep"),
    ],
)
def test_what_is_wrong_is_said(body, says):
    with pytest.raises(BadRequest) as error:
        read_object(body)

    assert says in error.value.detail


def test_the_place_of_a_control_character_is_given_for_programs():
    with pytest.raises(BadRequest) as error:
        read_object(b'{"lines": [{"sku": "a\\u0007"}]}')

    assert error.value.errors[0]["path"] == "lines[0].sku"


def test_what_others_said_is_cleaned_where_that_is_wanted():
    body = b'{"error": "a\\u001b\\ud800b", "lease": 7, "output": {"text": "c\\u0007"}}'
    with pytest.raises(BadRequest, match=r"output\.text holds a control character"):
        read_object(body, cleans=True)

    assert read_object(body.replace(b"\\u0007", b""), cleans=True)["error"] == "a��b"


def test_a_whole_emoji_is_text():
    assert read_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "😀"}
