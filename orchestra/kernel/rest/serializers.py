"""Serializers that take nothing silently: an unknown field or another JSON type is an error that names its path."""

from collections.abc import Iterator, Mapping
from typing import Any

from rest_framework import serializers

from orchestra.kernel.errors import FieldError, Invalid

_JSON_TYPES: tuple[tuple[tuple[type[serializers.Field], ...], tuple[type, ...], str], ...] = (
    ((serializers.BooleanField,), (bool,), "true or false"),
    ((serializers.IntegerField,), (int,), "a whole number"),
    ((serializers.FloatField,), (int, float), "a number"),
    ((serializers.DecimalField,), (int, float, str), "a number, or one as text"),
    ((serializers.JSONField,), (dict, list, str, int, float, bool), "any JSON value"),
)
"""For kinds of field, the JSON types they read; every other kind reads text."""


class Serializer(serializers.Serializer):
    """Base of every serializer. The outermost one checks the shape of the whole body first."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if self.root is self and data is not serializers.empty:
            faults = list(shape_faults(self, data, ""))
            if faults:
                raise Invalid(errors=faults)
        return super().run_validation(data)


class ReasonIn(Serializer):
    """Why, for the audit trail: every write takes one."""

    reason = serializers.CharField(max_length=1000, allow_blank=True, required=False, default="")


def shape_faults(field: Any, value: Any, path: str) -> Iterator[FieldError]:
    """What in ``value`` has another JSON type than ``field`` reads, or a name that it does not know."""
    if value is None or value is serializers.empty or field.read_only:
        return  # whether null and absence are allowed, the field itself says
    if isinstance(field, serializers.ListSerializer | serializers.ListField):
        yield from _faults_in_list(field, value, path)
    elif isinstance(field, serializers.Serializer):
        yield from _faults_in_object(field, value, path)
    elif isinstance(field, serializers.DictField):
        yield from _faults_in_map(field, value, path)
    else:
        types, wanted = _reads(field)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            yield {"path": path, "message": f"Give {wanted}."}


def _faults_in_list(field: Any, value: Any, path: str) -> Iterator[FieldError]:
    if not isinstance(value, list):
        yield {"path": path, "message": "Give a list."}
        return
    for index, item in enumerate(value):
        yield from shape_faults(field.child, item, f"{path}[{index}]")


def _faults_in_object(field: Any, value: Any, path: str) -> Iterator[FieldError]:
    if not isinstance(value, Mapping):
        yield {"path": path, "message": "Give an object."}
        return
    known = {name for name, member in field.fields.items() if not member.read_only}
    for name, item in value.items():
        where = f"{path}.{name}" if path else str(name)
        if name in known:
            yield from shape_faults(field.fields[name], item, where)
        else:
            yield {"path": where, "message": f"There is no such field; known are {', '.join(sorted(known))}."}


def _faults_in_map(field: Any, value: Any, path: str) -> Iterator[FieldError]:
    if not isinstance(value, Mapping):
        yield {"path": path, "message": "Give an object."}
        return
    for name, item in value.items():
        yield from shape_faults(field.child, item, f"{path}.{name}" if path else str(name))


def _reads(field: Any) -> tuple[tuple[type, ...], str]:
    for kinds, types, wanted in _JSON_TYPES:
        if isinstance(field, kinds):
            return types, wanted
    return (str,), "text"
