"""The published schema and the reader say the same: what one takes the other takes, as far as a schema can say it."""

import copy
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import celpy  # noqa: F401  it raises the recursion limit, which no example may do
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from jsonschema import Draft202012Validator

from orchestra.kernel.errors import Invalid
from orchestra.kernel.retry import RetryPolicy
from workflows import definition, definition_text
from workflows.definition_schema import SCHEMA
from workflows.reader import parse

ROOT = Path(__file__).resolve().parents[2]
FITS = Draft202012Validator(SCHEMA)
DEFS = SCHEMA["$defs"]
SHIPPED = sorted((ROOT / "workflows").rglob("content/workflows/*.yaml"))
WHOLE = definition_text.read((ROOT / "docs" / "definitions.md").read_text().split("```yaml\n")[1].split("```")[0])


def is_read(source: Any) -> bool:
    """Whether the reader takes ``source``; if not, it must name each fault."""
    try:
        parse(source)
        return True
    except Invalid as error:
        named = [fault["message"] for fault in error.errors if isinstance(fault["path"], str)]
    assert named and all(named)
    return False


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_definitions_fit_the_schema_and_are_read(path: Path) -> None:
    source = definition_text.read(path.read_text())

    assert FITS.is_valid(source) and is_read(source)


def test_the_whole_form_fits_the_schema_and_is_read() -> None:
    assert list(FITS.iter_errors(WHOLE)) == []
    assert is_read(WHOLE)


def tables(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of the tables of :data:`WHOLE` whose fields the form knows."""
    if isinstance(value, dict):
        yield path
    for name, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if name not in {"input_schema", "input", "output", "form", "specs"}:
            yield from tables(item, (*path, name))


def at(source: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        source = source[name]
    return source


@pytest.mark.parametrize("path", list(tables(WHOLE)), ids=str)
def test_a_field_that_does_not_exist_is_refused_by_both(path: tuple[Any, ...]) -> None:
    source = copy.deepcopy(WHOLE)
    at(source, path)["colour"] = "red"

    assert not FITS.is_valid(source) and not is_read(source)


def values(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in the tables of :data:`WHOLE`."""
    for table in tables(value, path):
        yield from ((*table, name) for name in at(value, table))


@pytest.mark.parametrize("path", list(values(WHOLE)), ids=str)
@pytest.mark.parametrize("wrong", [None, -1, ["", 5], {"colour": 1}, "{{"], ids=repr)
def test_what_the_schema_refuses_the_reader_refuses(path: tuple[Any, ...], wrong: Any) -> None:
    source = copy.deepcopy(WHOLE)
    at(source, path[:-1])[path[-1]] = wrong

    assert FITS.is_valid(source) or not is_read(source)


@pytest.mark.parametrize("kind", ["step", "human", "concurrency", "repeat", "compensate"])
def test_the_defaults_of_the_schema_are_those_of_the_values(kind: str) -> None:
    renamed = {"as": "item_name", "timeout": "timeout_s", "delay": "delay_s"}
    made = {"step": "StepSpec"}.get(kind, f"{kind.capitalize()}Spec")
    defaults = {field.name: field.default for field in fields(getattr(definition, made))}

    said = {name: field["default"] for name, field in DEFS[kind]["properties"].items() if "default" in field}

    assert said == {name: plain(defaults[renamed.get(name, name)]) for name in said}


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize(("kind", "attempts"), [("retry", 1), ("undo_retry", 5)])
def test_the_defaults_of_retries_are_those_of_the_policy(kind: str, attempts: int) -> None:
    said = {name: field["default"] for name, field in DEFS[kind]["properties"].items()}
    policy = RetryPolicy(said["attempts"], said["delay"], said["factor"], said["max_delay"], said["jitter"])

    assert policy == RetryPolicy(attempts=attempts)


TEXTS = [
    "a",
    "order.total",
    "steps.a.output",
    "steps.b.status == 'x'",
    "{{ order.id }}",
    "'text'",
    "[",
    "1 +",
    "{{",
    "\x00",
    "é" * 200,
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(TEXTS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "type", "$ref"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def fitting(schema: dict[str, Any]) -> SearchStrategy[Any]:
    """What fits ``schema``, as far as ours use the words of JSON Schema; the rest is filtered by the validator."""
    if "$ref" in schema:
        return named(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([fitting(one) for one in schema["anyOf"]])
    return {
        "string": text,
        "integer": lambda of: (
            st.integers(of["minimum"], of["maximum"]) | st.integers(of["minimum"], of["maximum"]).map(float)
        ),
        "number": lambda of: st.floats(of.get("minimum", 0.001), of.get("maximum", 1e15)),
        "boolean": lambda of: st.booleans(),
        "array": lambda of: st.lists(
            fitting(of["items"]), min_size=of.get("minItems", 0), max_size=min(of.get("maxItems", 3), 4)
        ),
        "object": table,
    }[schema["type"]](schema)


def named(name: str) -> SearchStrategy[Any]:
    if name == "data":
        return JSON
    if name == "name":
        return st.sampled_from(["a", "b", "c"]) | st.from_regex(DEFS[name]["pattern"])
    return st.deferred(lambda: fitting(DEFS[name]))


def text(schema: dict[str, Any]) -> SearchStrategy[str]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"])
    return st.sampled_from([one for one in TEXTS if len(one) <= schema.get("maxLength", 200)])


def table(schema: dict[str, Any]) -> SearchStrategy[dict[str, Any]]:
    if "properties" not in schema:
        return st.dictionaries(st.sampled_from(["a", "type", "properties"]), JSON, max_size=3)
    fields_of = {name: fitting(field) for name, field in schema["properties"].items()}
    needed, one_of = set(schema.get("required", ())), [one["required"][0] for one in schema.get("oneOf", ())]

    @st.composite
    def some(draw: Any) -> dict[str, Any]:
        free = [name for name in fields_of if name not in needed and name not in one_of]
        chosen = [*needed, *draw(st.lists(st.sampled_from(free), unique=True, max_size=4) if free else st.just([]))]
        chosen += [draw(st.sampled_from(one_of))] if one_of else []
        return {name: draw(fields_of[name]) for name in chosen}

    return some()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(fitting(dict(SCHEMA)).filter(FITS.is_valid))
def test_what_fits_the_schema_is_read_or_its_faults_are_named(source: Any) -> None:
    is_read(source)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(list(values(WHOLE))), JSON)
def test_whatever_stands_in_a_field_is_read_or_named_and_never_taken_against_the_schema(
    path: tuple[Any, ...], value: Any
) -> None:
    source = copy.deepcopy(WHOLE)
    at(source, path[:-1])[path[-1]] = value

    assert not is_read(source) or FITS.is_valid(source)
