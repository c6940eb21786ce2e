"""docs/events.md and the events in the code say the same."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitoring.audit.export import json_lines, row_of
from orchestra.kernel import canonical, events, registry
from orchestra.kernel.models import Event
from tests.monitoring.happenings import happened

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "events.md").read_text()
FOLDERS = ("orchestra", "agents", "workflows", "monitoring")
ONLY_WORDS = {"sentences.py", "phrases.py"}
NAME = re.compile(r"(?:[A-Z][a-z]+){2,}")
IRREGULAR = {"Broken", "Came", "Given", "Lost", "Made", "Put", "Reset", "Sent", "Undone", "Went", "Withdrawn"}


def section(title: str) -> list[list[str]]:
    """The cells of the rows of the first table under a heading."""
    body = DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def actions_in_code() -> Iterator[str]:
    """Every text in the code that reads like an action: a noun and a verb in the past tense."""
    for path in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        if path.name in ONLY_WORDS or "bench" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and is_action(node.value):
                yield node.value


def is_action(text: str) -> bool:
    words = re.findall("[A-Z][a-z]+", text)
    return bool(NAME.fullmatch(text)) and any(word.endswith("ed") or word in IRREGULAR for word in words[1:])


def documented_actions() -> set[str]:
    return {name for row in section("Actions") for name in names(row[0])}


def test_every_action_is_documented_and_no_other():
    assert documented_actions() == set(actions_in_code())


def test_every_action_has_its_words_and_no_other():
    later = {name for row in section("Actions") if "*later*" in row[2] for name in names(row[0])}

    assert {action for action, _ in registry.phrases.items()} == documented_actions() - later


def test_every_action_says_of_what_by_whom_and_when():
    assert [row for row in section("Actions") if not all(row)] == []


def test_columns_stand_in_the_order_of_the_hash():
    assert [name for row in section("Columns") for name in names(row[0])] == [*canonical.COLUMNS, "hash"]


def test_telemetry_is_listed():
    assert {name for row in section("Telemetry") for name in names(row[0])} == events.TELEMETRY


def verify(lines: str) -> subprocess.CompletedProcess[str]:
    """What the document's own program says of an export."""
    program = re.search(r"```python\n(import hashlib.*?)```", DOCUMENT, re.DOTALL)
    assert program is not None
    return subprocess.run(
        [sys.executable, "-c", program[1]], input=lines, capture_output=True, text=True, check=False, encoding="utf-8"
    )


@pytest.fixture
def exported(db):
    for label in ("Grüße", "日本", 'quoted "twice"'):
        happened(before={"status": "new"}, after={"label": label}, reason=label)
    return json_lines(row_of(event) for event in Event.objects.order_by("number").prefetch_related("detail"))


def test_the_program_in_the_document_verifies_an_export(exported):
    result = verify(exported)

    last = Event.objects.latest("number").hash
    assert (result.returncode, result.stdout.strip()) == (0, f"The trail is whole up to {last}.")


def test_the_program_in_the_document_finds_a_changed_event(exported):
    rows = [json.loads(line) for line in exported.splitlines()]
    rows[1]["actor_label"] = "Eve"

    assert verify(json_lines(rows)).stderr.strip() == "The trail is broken at event 2."
