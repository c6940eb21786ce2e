"""What the editor of definitions says of a text: what it is, or every fault with its line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestra.kernel.errors import FieldError, Invalid, field_error
from workflows import definition_text, definitions, reader
from workflows.definition import Definition


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault; ``line`` counts from 1, and is None where it lies nowhere in the text."""

    path: str
    message: str
    line: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as it was understood: its data, or its faults in the order of their lines.

    There is a ``definition`` to draw as well where nothing is wrong but names of capabilities or workflows.
    """

    data: Mapping[str, Any] | None
    definition: Definition | None
    findings: tuple[Finding, ...] = ()


def read(text: str, name: str = "") -> Reading:
    """Read ``text`` as publishing would, and publish nothing; ``name`` is the workflow it must be of, if known."""
    data = None
    try:
        data = definition_text.read(text)
        if name and isinstance(data, Mapping) and data.get("name", name) != name:
            raise field_error("name", f"Here it stays {name}; another workflow begins with New workflow.")
        if name and isinstance(data, Mapping):
            data = {**data, "name": name}
        return Reading(data, definitions.check(data))
    except Invalid as error:
        return Reading(None, _drawn(data), findings(text, error.errors))


def _drawn(data: Any) -> Definition | None:
    """The definition by itself, whatever it names outside."""
    try:
        return reader.parse(data)
    except Invalid:
        return None


def findings(text: str, faults: list[FieldError]) -> tuple[Finding, ...]:
    """``faults`` of ``text`` with their lines, from above to below."""
    lines = definition_text.lines(text, {fault["path"] for fault in faults})
    found = [Finding(fault["path"], fault["message"], lines.get(fault["path"])) for fault in faults]
    return tuple(sorted(found, key=lambda finding: finding.line or 0))
