"""Bodies against the fields of a serializer: nothing is taken silently, and every fault has its path."""

import pytest
from rest_framework import serializers

from orchestra.kernel import rest
from orchestra.kernel.errors import Invalid
from orchestra.kernel.gate.answers import as_ours


class LineIn(rest.Serializer):
    sku = serializers.CharField(max_length=5)
    quantity = serializers.IntegerField(min_value=1)


class OrderIn(rest.Serializer):
    customer = serializers.CharField()
    gift = serializers.BooleanField(required=False)
    weight = serializers.FloatField(required=False, allow_null=True)
    price = serializers.DecimalField(max_digits=9, decimal_places=2, required=False)
    placed_at = serializers.DateTimeField(required=False)
    kind = serializers.ChoiceField(["web", "shop"], required=False)
    tags = serializers.ListField(child=serializers.CharField(), required=False)
    labels = serializers.DictField(child=serializers.CharField(), required=False)
    extra = serializers.JSONField(required=False)
    lines = LineIn(many=True, required=False)
    first = LineIn(required=False)
    number = serializers.IntegerField(read_only=True)


def faults(**body):
    reading = OrderIn(data={"customer": "Maya", **body})
    try:
        reading.is_valid(raise_exception=True)
    except (Invalid, serializers.ValidationError) as error:
        return {fault["path"]: fault["message"] for fault in as_ours(error).errors}
    return {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"gift": True, "weight": 1, "price": "9.99", "kind": "web", "tags": ["a"], "labels": {"a": "b"}},
        {"weight": None, "extra": [1, {"any": "thing"}], "placed_at": "2026-01-31T12:00:00Z"},
        {"lines": [{"sku": "A1", "quantity": 2}], "first": {"sku": "A1", "quantity": 1}},
    ],
)
def test_a_body_of_the_right_shape_passes(body):
    assert faults(**body) == {}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"customer": 5}, "customer"),
        ({"customer": True}, "customer"),
        ({"customer": ["Maya"]}, "customer"),
        ({"customer": None}, "customer"),
        ({"gift": "true"}, "gift"),
        ({"gift": 1}, "gift"),
        ({"weight": "1.5"}, "weight"),
        ({"weight": True}, "weight"),
        ({"price": False}, "price"),
        ({"placed_at": 1700000000}, "placed_at"),
        ({"kind": 1}, "kind"),
        ({"tags": "a,b"}, "tags"),
        ({"tags": ["a", 5]}, "tags[1]"),
        ({"labels": {"a": 5}}, "labels.a"),
        ({"labels": []}, "labels"),
        ({"lines": {"sku": "A1"}}, "lines"),
        ({"lines": [{"sku": "A1", "quantity": "2"}]}, "lines[0].quantity"),
        ({"lines": [{"sku": "A1", "quantity": 2.5}]}, "lines[0].quantity"),
        ({"lines": ["A1"]}, "lines[0]"),
        ({"first": "A1"}, "first"),
    ],
)
def test_another_type_is_never_converted_silently(body, path):
    assert path in faults(**body)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"custmer": "Maya"}, "custmer"),
        ({"lines": [{"sku": "A1", "quantity": 1}, {"sku": "A1", "quantity": 1, "colour": "red"}]}, "lines[1].colour"),
        ({"first": {"sku": "A1", "quantity": 1, "x": {}}}, "first.x"),
        ({"number": 7}, "number"),
    ],
)
def test_an_unknown_field_is_an_error_that_lists_the_known_ones(body, path):
    assert "known are" in faults(**body)[path]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"customer": ""}, "customer"),
        ({"lines": [{"sku": "A1", "quantity": 1}, {"sku": "toolong", "quantity": 1}]}, "lines[1].sku"),
        ({"lines": [{"quantity": 1}]}, "lines[0].sku"),
        ({"first": {"sku": "A1", "quantity": 0}}, "first.quantity"),
        ({"kind": "phone"}, "kind"),
        ({"tags": ["a", ""]}, "tags[1]"),
    ],
)
def test_a_value_out_of_bounds_is_named_by_its_path(body, path):
    assert list(faults(**body)) == [path]


def test_all_faults_are_told_at_once():
    assert faults(customer=5, gift=1, colour="red").keys() == {"customer", "gift", "colour"}
