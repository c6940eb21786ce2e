"""What of a value does not fit its JSON Schema, said so that whoever gave it knows what to give."""

import pytest

from orchestra.kernel import schemas


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        ({"type": "string"}, 7, "Give a text."),
        ({"type": ["integer", "null"]}, "x", "Give a whole number or nothing."),
        ({"enum": ["red", "blue"]}, "green", "Choose one of red, blue."),
        ({"const": 3}, 4, "This must be 3."),
        ({"maximum": 2}, 9.0, "Give at most 2."),
        ({"exclusiveMinimum": 0}, 0, "Give more than 0."),
        ({"maxLength": 2000}, "x" * 2001, "Give at most 2,000 characters."),
        ({"minItems": 1}, [], "Give at least 1."),
        ({"uniqueItems": True}, [1, 1], "Name each only once."),
    ],
)
def test_a_fault_says_what_to_give(rule, value, message):
    schema = {"type": "object", "properties": {"it": rule}}

    assert schemas.faults(schema, {"it": value}, "input") == [{"path": "input.it", "message": message}]


def test_what_is_missing_is_named():
    (fault,) = schemas.faults({"required": ["depth"]}, {}, "input")

    assert fault == {"path": "input", "message": "'depth' is a required property"}


def test_at_most_twenty_faults_are_told():
    schema = {"type": "array", "items": {"type": "string"}}

    assert len(schemas.faults(schema, list(range(50)), "input")) == schemas.MAX_FAULTS == 20


def test_a_schema_that_refers_elsewhere_fetches_nothing():
    (fault,) = schemas.faults({"$ref": "http://127.0.0.1:1/schema.json"}, {}, "input")

    assert fault["message"].startswith("The schema refers to something that it does not hold")
