"""docs/states.md and the transition tables in the code say the same."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps

from orchestra.kernel.states import Machine

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "states.md"
HEADING = re.compile(r"## .+ \(`([\w.]+)`\)")
ROW = re.compile(r"\| (\w+) \| (\w*) ?\| (.*?) ?\| (.*?) ?\|")


def machines() -> dict[str, Machine]:
    """Every transition table of our models, by its dotted path."""
    return {
        f"{config.models_module.__name__}.{name}": value
        for config in apps.get_app_configs()
        if config.models_module
        for name, value in vars(config.models_module).items()
        if isinstance(value, Machine)
    }


def documented() -> dict[str, dict[str, set[str]]]:
    tables: dict[str, dict[str, set[str]]] = {}
    for machine, before, after, _, _ in rows():
        tables.setdefault(machine, defaultdict(set))[before] |= {after} - {""}
    return tables


def rows() -> Iterator[tuple[str, str, str, str, str]]:
    """Machine, from, to, when and by whom of each row of the document."""
    machine = ""
    for line in DOCUMENT.read_text().splitlines():
        heading, row = HEADING.match(line), ROW.match(line)
        if heading:
            machine = heading[1]
        elif row and row[1] != "from":
            yield machine, row[1], row[2], row[3], row[4]


def test_every_transition_is_documented_and_no_other():
    code = {path: {state: set(after) for state, after in m.transitions.items()} for path, m in machines().items()}

    assert documented() == code


def test_every_transition_says_when_and_by_whom():
    silent = [row for row in rows() if row[2] and not (row[3] == "*later*" or (row[3] and row[4]))]

    assert silent == []


def test_the_modules_that_move_exist():
    root = DOCUMENT.parents[1]
    named = {path for *_, by in rows() for path in re.findall(r"`([\w/]+\.py)`", by)}

    assert [path for path in named if not any((root / base / path).exists() for base in ("", "workflows"))] == []
