"""The form of definitions as a page of help, from what the schema says of each field. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.definition_schema import KINDS, SCHEMA

HEADINGS = {
    "human": "human: a question to a person",
    "retry": "retry: when a try has failed",
    "compensate": "compensate: what undoes a step",
    "repeat": "repeat: done again until it is enough",
    "branch": "first_of: the events",
    "concurrency": "concurrency: a limit of its own",
    "resource": "resources: what is held",
    "action": "actions: what is done to which object",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field with what it says; ``note`` is ``needed``, what it is if it is not given, or empty."""

    name: str
    says: str
    note: str


@dataclass(frozen=True, slots=True)
class Section:
    """The fields of a table of a definition."""

    heading: str
    fields: tuple[Field, ...]


def sections() -> list[Section]:
    """What can stand in a definition: itself, what a step is, what else a step may say, and the tables within."""
    step = SCHEMA["$defs"]["step"]
    fields = tuple(_fields(step))
    found = [
        Section("The workflow", tuple(_fields(SCHEMA))),
        Section("What a step is, one of these", tuple(field for field in fields if field.name in KINDS)),
        Section("What a step may say", tuple(field for field in fields if field.name not in KINDS)),
    ]
    return found + [Section(heading, tuple(_fields(SCHEMA["$defs"][name]))) for name, heading in HEADINGS.items()]


def _fields(table: Mapping[str, Any]) -> Iterator[Field]:
    needed = table.get("required", ())
    for name, field in table["properties"].items():
        note = "needed" if name in needed else ""
        if field.get("default") not in (None, "", [], {}):
            note = f"if not given: {json.dumps(field['default'])}".replace('"', "")
        yield Field(name, field["description"].replace("`", ""), note)
