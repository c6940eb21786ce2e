"""JSON Schemas: whether one is a schema, and what of a value does not fit it. Pure.

Draft 2020-12 with an empty registry: a schema can never make the server fetch an address.
"""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jsonschema
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from orchestra.kernel import canonical
from orchestra.kernel.errors import FieldError

MAX_FAULTS = 20


def fault_of_schema(schema: Any) -> str:
    """Why ``schema`` is not one, or nothing."""
    if not isinstance(schema, Mapping):
        return "Give a JSON Schema, which is a table."
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"This is not a JSON Schema: {error.message}"
    return ""


def faults(schema: Mapping[str, Any], value: Any, at: str) -> list[FieldError]:
    """What of ``value`` does not fit, at most :data:`MAX_FAULTS`, with paths that begin with ``at``."""
    found: list[FieldError] = []
    try:
        for error in _validator(canonical.text(schema)).iter_errors(value):
            found.append({"path": at + _path(error), "message": _in_words(error)[:300]})
            if len(found) == MAX_FAULTS:
                break
    except Unresolvable as error:
        found.append({"path": at, "message": f"The schema refers to something that it does not hold: {error}"})
    except RecursionError:
        found.append({"path": at, "message": "The schema refers to itself without end; mend its $ref."})
    return found


TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "nothing",
    "number": "a number",
    "object": "a table",
    "string": "a text",
}
_WORDS: Mapping[str, Callable[[Any], str]] = {
    "type": lambda wanted: f"Give {' or '.join(TYPES[name] for name in _listed(wanted))}.",
    "enum": lambda wanted: f"Choose one of {', '.join(map(str, wanted))}.",
    "const": lambda wanted: f"This must be {wanted}.",
    "minimum": lambda wanted: f"Give at least {wanted:g}.",
    "maximum": lambda wanted: f"Give at most {wanted:g}.",
    "exclusiveMinimum": lambda wanted: f"Give more than {wanted:g}.",
    "exclusiveMaximum": lambda wanted: f"Give less than {wanted:g}.",
    "minLength": lambda wanted: f"Give at least {wanted} characters.",
    "maxLength": lambda wanted: f"Give at most {wanted:,} characters.",
    "minItems": lambda wanted: f"Give at least {wanted}.",
    "maxItems": lambda wanted: f"Give at most {wanted:,}.",
    "uniqueItems": lambda wanted: "Name each only once.",
}
"""What to do about a value that breaks a rule of its schema, by the rule, given what that asks for."""


def _in_words(error: jsonschema.ValidationError) -> str:
    words = _WORDS.get(str(error.validator))
    return words(error.validator_value) if words else error.message


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@lru_cache(maxsize=256)
def _validator(text: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(text), registry=Registry())


def _path(error: jsonschema.ValidationError) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
