"""docs/definitions.md says of every field what the schema says, and its example is one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from workflows import definition_text
from workflows.definition_schema import SCHEMA
from workflows.reader import parse

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "definitions.md").read_text()
TABLES = {
    "The workflow": "",
    "A step": "step",
    "`human`": "human",
    "`retry`, of a step and of `compensate`": "retry",
    "`compensate`": "compensate",
    "`repeat`": "repeat",
    "`concurrency`": "concurrency",
    "`first_of`: an event": "branch",
    "`resources`: an item": "resource",
    "`actions`: an item": "action",
}
"""Headings of the document, and the tables of the schema that they are about."""
ROW = re.compile(r"^\| `(\w+)` \| (.*?) ?\| (.*) \|$", re.MULTILINE)
EXAMPLE = re.search(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)[1]


def documented(heading: str) -> list[tuple[str, str, str]]:
    section = re.search(rf"^### {re.escape(heading)}\n(.*?)(?=^### |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
    return ROW.findall(section[1])


def in_the_schema(kind: str) -> list[tuple[str, str, str]]:
    table = SCHEMA["$defs"][kind] if kind else SCHEMA
    needed = table.get("required", ())
    return [
        (name, "**needed**" if name in needed else shown(field.get("default", "")), field["description"])
        for name, field in table["properties"].items()
    ]


def shown(default: Any) -> str:
    text = default if isinstance(default, str) else json.dumps(default)
    return f"`{text}`" if text else ""


@pytest.mark.parametrize(("heading", "kind"), TABLES.items())
def test_every_field_is_documented_with_its_default_and_no_other(heading: str, kind: str) -> None:
    assert documented(heading) == in_the_schema(kind)


def test_no_table_of_the_schema_is_left_out() -> None:
    tables = {kind for kind, table in SCHEMA["$defs"].items() if "properties" in table}

    assert tables - set(TABLES.values()) == {"undo_retry"}  # a retry with another default, which the document says


def test_the_example_is_a_definition_with_every_kind_of_step() -> None:
    definition = parse(definition_text.read(EXAMPLE))

    assert {step.kind for step in definition.steps} == {
        "agent",
        "human",
        "wait",
        "signal",
        "workflow",
        "first_of",
        "end",
    }


def test_the_example_shows_every_field_of_a_step() -> None:
    shown_fields = {field for step in definition_text.read(EXAMPLE)["steps"] for field in step}

    assert shown_fields == set(SCHEMA["$defs"]["step"]["properties"])
