"""What is taken in, and what is refused beside the field that is wrong."""

import pytest

from orchestra.kernel.errors import Invalid, TooLarge
from workflows.customer_service import arrivals


def faults(**values):
    with pytest.raises(Invalid) as refused:
        arrivals.read({"body": "Where is my card?"} | values)
    return [fault["path"] for fault in refused.value.errors]


def test_a_text_alone_is_enough():
    assert arrivals.read({"body": " Where is my card? \r\n"}).body == "Where is my card?"


def test_addresses_are_kept_in_small_letters():
    assert arrivals.read({"body": "x", "email": " Maya@Example.COM "}).email == "maya@example.com"


def test_line_breaks_in_a_subject_cannot_become_headers():
    assert arrivals.read({"body": "x", "subject": "Hello\r\nBcc: all@example.com"}).subject == (
        "Hello Bcc: all@example.com"
    )


@pytest.mark.parametrize("body", ["", "   \n\t ", "\u2003"])
def test_an_empty_body_is_refused(body):
    assert faults(body=body) == ["body"]


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x1c", "\x7f"])
@pytest.mark.parametrize("field", ["body", "subject", "name"])
def test_control_characters_are_refused_and_not_trimmed_away(field, character):
    assert faults(**{field: f"text {character}"}) == [field]


def test_half_a_surrogate_pair_is_refused():
    assert faults(body="broken \ud800") == ["body"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "not an address"),
        ("email", "a@b"),
        ("tier", "platinum"),
        ("channel", "pigeon"),
        ("subject", "x" * 201),
        ("name", "x" * 151),
        ("external_id", "x" * 201),
    ],
)
def test_a_field_that_does_not_fit_is_named(field, value):
    assert faults(**{field: value}) == [field]


def test_all_faults_are_named_at_once_where_they_stand_in_what_was_sent():
    with pytest.raises(Invalid) as refused:
        arrivals.read({"body": "", "email": "nobody"}, paths={"email": "customer.email"})

    assert {fault["path"] for fault in refused.value.errors} == {"body", "customer.email"}


def test_a_body_may_have_a_hundred_kilobytes_and_no_more():
    assert arrivals.read({"body": "é" * (50 * 1024)})
    with pytest.raises(TooLarge) as refused:
        arrivals.read({"body": "é" * (50 * 1024) + "!"})
    assert refused.value.errors[0]["path"] == "body"


def test_the_digest_tells_apart_what_differs_in_any_field():
    one = arrivals.read({"body": "x", "subject": "y"})
    assert one.digest == arrivals.read({"body": "x", "subject": "y"}).digest
    assert one.digest != arrivals.read({"body": "x", "subject": "z"}).digest
