"""A stored definition as YAML text that people can read and write: fields in the schema's order, steps apart. Pure."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from textwrap import indent
from typing import Any

import yaml

from workflows.definition_schema import SCHEMA

WIDTH = 100
_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")


def text_of(definition: Mapping[str, Any]) -> str:
    """``definition`` as YAML; :func:`workflows.definition_text.read` makes the same data of it again."""
    ordered = _ordered(definition, SCHEMA)
    return "".join(_field(name, value) for name, value in ordered.items())


def _field(name: str, value: Any) -> str:
    if name == "steps" and isinstance(value, list) and value:
        return f"steps:\n{_steps(value)}"
    return _dumped({name: value}, flow=None if isinstance(value, list | dict) else False)


def _steps(steps: list[Any]) -> str:
    """Each step as an entry of its own; longer ones stand apart by an empty line."""
    entries = [indent(_dumped([step]), "  ") for step in steps]
    text = entries[0]
    for before, entry in pairwise(entries):
        apart = before.count("\n") > 1 or entry.count("\n") > 1
        text += f"\n{entry}" if apart else entry
    return text


def _dumped(value: Any, flow: bool | None = None) -> str:
    """``flow`` None puts the innermost tables and lists into one line each."""
    options: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": WIDTH, "default_flow_style": flow}
    return str(yaml.dump(value, Dumper=_Dumper, **options))


def _ordered(value: Any, schema: Mapping[str, Any]) -> Any:
    """``value`` with the fields of its tables in the order in which the schema names them, the others after them."""
    schema = _resolved(schema)
    if isinstance(value, list):
        return [_ordered(item, schema.get("items", {})) for item in value]
    if not isinstance(value, Mapping):
        return value
    known = schema.get("properties", {})
    return {name: _ordered(value[name], known.get(name, {})) for name in _names(value, known)}


def _names(value: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
    yield from (name for name in known if name in value)
    yield from (name for name in value if name not in known)


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref", "")
    found: Mapping[str, Any] = SCHEMA["$defs"][reference.rpartition("/")[2]] if reference else schema
    return found


class _Dumper(yaml.SafeDumper):
    """Short tables and lists in one line, lists indented, texts of several lines as they are."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    if _BREAKS.search(value):  # only between double quotes do these come back as they were
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
