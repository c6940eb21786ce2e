"""Forms made of JSON Schemas: a field for each simple property, JSON for what is not simple.

The fields are named by the paths of the schema's faults (``input.amount``), so that each fault stands beside its field.
Whether a value fits is for the schema to say; the fields only read text.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms

from orchestra.kernel.errors import FieldError

MOST_FIELDS = 40
SIMPLE = ("string", "integer", "number", "boolean")
INPUTS = {"date": "date", "time": "time", "email": "email", "uri": "url"}
LONG_TEXT = 200


class AnyJSON(forms.CharField):
    """Any JSON value; an empty field is none at all."""

    widget = forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "class": "mono"})

    def __init__(self, *, table: bool = False, **options: Any) -> None:
        self.table = table
        super().__init__(**options)

    def to_python(self, value: Any) -> Any:
        if not str(value or "").strip():
            return {} if self.table else None
        try:
            read = json.loads(value)
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise forms.ValidationError(f"This is not JSON, at {where}: {error.msg}.") from None
        except ValueError as error:
            raise forms.ValidationError(f"This is not JSON: {error}.") from None
        except RecursionError:
            raise forms.ValidationError("This is nested too deep.") from None
        if "\\u0000" in value:
            raise forms.ValidationError("This holds a null character, which cannot be stored.")
        if self.table and not isinstance(read, dict):
            raise forms.ValidationError('Give a table, for example {"name": "value"}.')
        return read

    def validate(self, value: Any) -> None:
        if self.required and value is None:
            raise forms.ValidationError(self.error_messages["required"], code="required")

    def prepare_value(self, value: Any) -> Any:
        if value is None:
            return ""
        return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


class YesNo(forms.TypedChoiceField):
    """A boolean that may be left open."""

    def __init__(self, **options: Any) -> None:
        choices = [("", "not given"), ("true", "yes"), ("false", "no")]
        super().__init__(choices=choices, coerce=lambda text: text == "true", empty_value=None, **options)


def fields_of(schema: Mapping[str, Any] | None, at: str, *, whole_label: str) -> dict[str, forms.Field]:
    """The fields for a value of ``schema`` at the path ``at``; one JSON field, named ``at``, where none are simple."""
    properties = _properties(schema)
    if not properties:
        return {at: AnyJSON(table=True, required=False, label=whole_label, help_text="In JSON: a table of values.")}
    required = set((schema or {}).get("required", ()))
    return {f"{at}.{name}": _field(name, part, name in required) for name, part in properties.items()}


def value_of(cleaned: Mapping[str, Any], at: str, given: Iterable[str]) -> dict[str, Any]:
    """The value that the fields ``given`` hold together; what was left empty is left out."""
    if at in given:
        return dict(cleaned[at])
    return {name.removeprefix(f"{at}."): cleaned[name] for name in given if cleaned[name] not in ("", None)}


def initial_of(value: Mapping[str, Any], at: str, fields: Mapping[str, forms.Field]) -> dict[str, Any]:
    """What the fields show of ``value`` before anything is typed."""
    if at in fields:
        return {at: value}
    return {f"{at}.{name}": part for name, part in value.items()}


def place_faults(form: forms.Form, errors: Iterable[FieldError]) -> None:
    """Put each fault beside the field it is about: the one with the longest name that its path begins with."""
    for error in errors:
        path = error["path"]
        about = [name for name in form.fields if path == name or path.startswith((f"{name}.", f"{name}["))]
        name = max(about, key=len, default=None)
        where = "" if name is None or path == name else f"{path.removeprefix(name).lstrip('.')}: "
        form.add_error(name, where + error["message"] if name else f"{path}: {error['message']}")


def _properties(schema: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """The properties by name, if the schema says no more than fields can; none otherwise."""
    if not schema or schema.get("type", "object") != "object" or "$ref" in schema:
        return {}
    found = schema.get("properties", {})
    if len(found) > MOST_FIELDS or not all(isinstance(part, Mapping) for part in found.values()):
        return {}
    # Stored definitions do not keep the order of their keys, but that of lists: what is required comes first.
    required = [name for name in schema.get("required", ()) if name in found]
    return {name: found[name] for name in [*required, *found]}


def _field(name: str, schema: Mapping[str, Any], required: bool) -> forms.Field:
    said: dict[str, Any] = {
        "label": str(schema.get("title") or name.replace("_", " ").capitalize()),
        "help_text": str(schema.get("description", "")),
        "required": required,
        "initial": schema.get("default"),
    }
    kind = _kind(schema)
    if choices := _choices(schema, kind, required):
        by_text = {str(value): value for value in schema["enum"]}
        return forms.TypedChoiceField(choices=choices, coerce=by_text.__getitem__, empty_value=None, **said)
    if kind == "boolean":
        return forms.BooleanField(**{**said, "required": False}) if required else YesNo(**said)
    if kind == "integer":
        return forms.IntegerField(**said)
    if kind == "number":
        return forms.FloatField(**said)
    if kind == "string":
        return _text(schema, said)
    return AnyJSON(**{**said, "help_text": f"{said['help_text']} In JSON.".strip()})


def _text(schema: Mapping[str, Any], said: Mapping[str, Any]) -> forms.Field:
    longest = schema.get("maxLength")
    if schema.get("format") in INPUTS:
        return forms.CharField(widget=forms.TextInput(attrs={"type": INPUTS[schema["format"]]}), **said)
    is_long = isinstance(longest, int) and longest > LONG_TEXT
    widget = forms.Textarea(attrs={"rows": 4}) if is_long else forms.TextInput()
    return forms.CharField(widget=widget, strip=False, max_length=longest if isinstance(longest, int) else None, **said)


def _kind(schema: Mapping[str, Any]) -> str:
    """The one simple type that the schema asks for, or nothing."""
    kinds = schema.get("type")
    if isinstance(kinds, list):
        kinds = [kind for kind in kinds if kind != "null"]
        kinds = kinds[0] if len(kinds) == 1 else None
    return kinds if kinds in SIMPLE else ""


def _choices(schema: Mapping[str, Any], kind: str, required: bool) -> list[tuple[str, str]]:
    values = schema.get("enum")
    if not isinstance(values, list) or not values or kind == "boolean":
        return []
    if any(isinstance(value, dict | list) or value is None for value in values):
        return []
    chosen = [(str(value), str(value)) for value in values]
    return [("", "Choose one" if required else "not given"), *chosen]
