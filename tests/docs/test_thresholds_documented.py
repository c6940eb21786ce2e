"""docs/thresholds.md and the thresholds say the same."""

import re
from pathlib import Path

from monitoring.alerting import limit_words, limits
from monitoring.alerting.usual import USUAL

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "thresholds.md").read_text()


def rows(title: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    body = DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines[2:]]


def test_every_field_is_documented_with_its_default():
    documented: dict[str, str] = {}
    for names, default, _ in rows("What one says"):
        fields = re.findall("`([^`]+)`", names)
        documented |= dict(zip(fields, default.split(", "), strict=True))

    scope = {"scope_kind", "scope_value"}
    assert set(documented) == {*(limits.DEFAULTS.keys() - scope), "name", "metric", "scope", "value", "recovery_value"}
    for name, default in limits.DEFAULTS.items():
        if name not in scope:
            said = {True: "true", "": "empty"}.get(default, str(default))
            assert documented[name].strip("`") == said, name


def test_every_word_for_an_operator_that_is_documented_is_read():
    line = next(cells for cells in rows("What one says") if cells[0] == "`operator`")
    words = re.findall(r"[a-z_]{2,}|[<>=!]+", " ".join(re.findall("`([^`]+)`", line[2])))

    assert {limits.operator_of(word) for word in words} == set(limits.OPERATORS)


def test_the_usual_ones_are_documented():
    said = []
    for values in map(limits.completed, USUAL):
        rule = limit_words.facts(values, "")
        apart = "" if rule["Recovers at"] == "the limit" else f", recovers at {rule['Recovers at']}"
        lasts = limit_words.span(values["for_s"]) if values["for_s"] else "at once"
        limit = rule["Breaches"] + apart
        said.append([values["name"], f"`{values['metric']}`", limit, lasts, values["severity"]])

    assert rows("The usual ones") == said
