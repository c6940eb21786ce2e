"""Fields made of JSON Schemas: which schema gives which field, what comes back, where faults are put."""

import pytest
from django import forms

from orchestra.kernel import schema_forms
from orchestra.kernel.schema_forms import AnyJSON, YesNo


def field(schema, required=False):
    whole = {"type": "object", "properties": {"it": schema}, "required": ["it"] if required else []}
    return schema_forms.fields_of(whole, "input", whole_label="Input")["input.it"]


class Made(forms.Form):
    """A form of the fields of a schema."""

    def __init__(self, schema, data):
        super().__init__(data)
        self.made = schema_forms.fields_of(schema, "input", whole_label="Input")
        self.fields.update(self.made)

    def value(self):
        assert self.is_valid(), self.errors
        return schema_forms.value_of(self.cleaned_data, "input", self.made)


def value(schema, data):
    return Made({"type": "object", "properties": {"it": schema}}, {"input.it": data}).value()


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, forms.CharField),
        ({"type": ["string", "null"]}, forms.CharField),
        ({"type": "integer"}, forms.IntegerField),
        ({"type": "number"}, forms.FloatField),
        ({"type": "boolean"}, YesNo),
        ({"enum": ["a", "b"]}, forms.TypedChoiceField),
        ({"type": "array"}, AnyJSON),
        ({"type": "object"}, AnyJSON),
        ({"type": ["string", "integer"]}, AnyJSON),
        ({"anyOf": [{"type": "string"}]}, AnyJSON),
        ({"enum": [{"a": 1}]}, AnyJSON),
        ({}, AnyJSON),
    ],
)
def test_each_kind_of_value_has_its_field(schema, kind):
    assert type(field(schema)) is kind


def test_a_boolean_that_must_be_given_is_a_box_to_tick():
    assert isinstance(field({"type": "boolean"}, required=True), forms.BooleanField)
    assert not field({"type": "boolean"}, required=True).required


@pytest.mark.parametrize(
    ("schema", "typed", "read"),
    [
        ({"type": "string"}, "hello", {"it": "hello"}),
        ({"type": "integer"}, "7", {"it": 7}),
        ({"type": "number"}, "7.5", {"it": 7.5}),
        ({"type": "boolean"}, "false", {"it": False}),
        ({"type": "boolean"}, "", {}),
        ({"enum": [1, 2]}, "2", {"it": 2}),
        ({"enum": [1, 2]}, "", {}),
        ({"type": "array"}, "[1]", {"it": [1]}),
        ({"type": "array"}, "", {}),
        ({"type": "array"}, "[]", {"it": []}),
        ({"type": "string"}, "", {}),
    ],
)
def test_what_is_typed_is_read_as_the_schema_says_and_nothing_is_left_out(schema, typed, read):
    assert value(schema, typed) == read


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {},
        {"type": "array"},
        {"$ref": "#/$defs/a"},
        {"type": "object"},
        {"properties": {"a": True}},
        {"properties": {f"p{number}": {"type": "string"} for number in range(41)}},
    ],
    ids=["none", "empty", "list", "reference", "table", "true", "large"],
)
def test_what_is_not_simple_is_one_field_of_json(schema):
    assert list(schema_forms.fields_of(schema, "input", whole_label="Input")) == ["input"]
    assert Made(schema, {"input": '{"a": 1}'}).value() == {"a": 1}
    assert Made(schema, {"input": ""}).value() == {}


def test_titles_descriptions_defaults_and_lengths_are_taken_over():
    made = field({"type": "string", "title": "Name", "description": "Full.", "default": "Ada", "maxLength": 300})

    assert (made.label, made.help_text, made.initial, made.max_length) == ("Name", "Full.", "Ada", 300)
    assert isinstance(made.widget, forms.Textarea)
    assert field({"type": "string", "format": "date"}).widget.input_type == "date"


def test_faults_are_put_beside_the_field_with_the_longest_name_that_fits():
    schema = {"properties": {"a": {"type": "array"}, "ab": {"type": "string"}}}
    made = Made(schema, {})
    made.full_clean()

    schema_forms.place_faults(
        made,
        [
            {"path": "input.a[0].sku", "message": "No."},
            {"path": "input.ab", "message": "Not so."},
            {"path": "elsewhere", "message": "What?"},
        ],
    )

    assert made.errors == {"input.a": ["[0].sku: No."], "input.ab": ["Not so."], "__all__": ["elsewhere: What?"]}


@pytest.mark.parametrize("typed", ["{", "[" * 100_000])
def test_what_is_no_json_is_a_fault(typed):
    made = Made({"properties": {"a": {"type": "array"}}}, {"input.a": typed})

    assert list(made.errors) == ["input.a"]
