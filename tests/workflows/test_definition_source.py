"""Stored definitions as text: the same data again, in an order that people know, and where each path stands."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows import definition_samples, definition_source, definition_text, reader

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "definitions.md").read_text()
EXAMPLE = re.search(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)[1]
PLACES = """\
# a comment
name: flow
steps:
  - name: first
    capabilities: [work]
    retry:
      attempts: 3

  - {name: second, wait: 5m}
output:
  "a.b": {c: d}
"""

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))


def again(definition: dict[str, Any]) -> Any:
    return definition_text.read(definition_source.text_of(definition))


def test_the_whole_form_comes_back_as_it_was() -> None:
    definition = definition_text.read(EXAMPLE)

    assert again(definition) == definition


@settings(deadline=None, max_examples=200)
@given(values)
def test_whatever_json_can_say_comes_back_as_it_was(value: Any) -> None:
    definition = {"name": "flow", "steps": [{"name": "a", "capabilities": ["work"], "input": value}], "output": {}}

    assert json.dumps(again(definition)) == json.dumps(definition)


@pytest.mark.parametrize(
    "text", ["yes", "1e3", "2024-01-01", "~", "- a", "a: b", "{{ x }}", "'", "#", "two\nlines\n", "="]
)
def test_texts_that_yaml_could_take_for_something_else_stay_texts(text: str) -> None:
    definition = {"name": "flow", "steps": [{"name": "a", "human": {"title": text}}]}

    assert again(definition) == definition


def test_fields_stand_in_the_order_of_the_schema_whatever_the_database_made_of_it() -> None:
    shuffled = {"output": {}, "steps": [{"wait": 5, "retry": {}, "name": "a"}], "title": "T", "name": "flow"}

    text = definition_source.text_of(shuffled)

    assert [line.partition(":")[0] for line in text.splitlines() if line[0] != " "] == [
        "name",
        "title",
        "steps",
        "output",
    ]
    assert "{name: a, wait: 5, retry: {}}" in text or text.index("name: a") < text.index("wait: 5") < text.index(
        "retry"
    )


def test_a_field_that_the_schema_does_not_know_stands_last() -> None:
    assert definition_source.text_of({"zeal": 1, "name": "flow", "steps": []}).splitlines()[-1] == "zeal: 1"


def test_long_steps_stand_apart_and_short_ones_in_one_line() -> None:
    steps = [{"name": "a", "wait": 5}, {"name": "b", "wait": 5}, {"name": "c", "capabilities": ["work"]}]

    text = definition_source.text_of({"name": "flow", "steps": steps})

    assert "steps:\n  - {name: a, wait: 5}\n  - {name: b, wait: 5}\n\n  - name: c\n    capabilities: [work]\n" in text


def test_what_the_editor_begins_with_has_no_fault() -> None:
    definition = reader.parse(definition_text.read(definition_samples.TEMPLATE))

    assert [step.kind for step in definition.steps] == ["human"]


@pytest.mark.parametrize("sample", definition_samples.SAMPLES, ids=lambda sample: sample.kind)
def test_every_example_of_a_step_is_one(sample: definition_samples.Sample) -> None:
    (step,) = definition_text.read(sample.text)
    earlier = {"name": "before", "capabilities": ["work"]}

    parsed = reader.parse({"name": "flow", "steps": [earlier, step]})

    assert sample.kind in {parsed.steps[1].kind, *step}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", 2),
        ("name", 2),
        ("steps", 3),
        ("steps[0]", 4),
        ("steps[0].capabilities[0]", 5),
        ("steps[0].retry.attempts", 7),
        ("steps[1]", 9),
        ("steps[1].wait", 9),
        ("output.c", 10),
        ("line 6, column 3", 6),
    ],
)
def test_a_path_has_the_line_on_which_it_stands(path: str, line: int) -> None:
    assert definition_text.lines(PLACES, [path]) == {path: line}


@pytest.mark.parametrize(("path", "line"), [("steps[0].name.x", 4), ("steps[7].name", 3), ("deadline", 2)])
def test_what_is_not_written_has_the_line_of_the_table_around_it(path: str, line: int) -> None:
    assert definition_text.lines(PLACES, [path]) == {path: line}


@pytest.mark.parametrize("text", ["a: [", "a: &x 1\nb: *x", "[" * 60 + "]" * 60, "", "a: \x01"])
def test_a_text_that_cannot_be_read_has_lines_for_named_places_only(text: str) -> None:
    assert definition_text.lines(text, ["steps[0]", "line 2, column 1"]) == {"line 2, column 1": 2}


def test_json_has_lines_too() -> None:
    assert definition_text.lines('{\n  "name": "a",\n  "steps": [\n    {"name": "b"}]}', ["steps[0].name"]) == {
        "steps[0].name": 4
    }
