"""docs/recommendations.md and the rules in the code say the same."""

import re
from pathlib import Path

from monitoring.advice.families import FAMILIES, RULES

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "recommendations.md").read_text()


def test_every_rule_is_documented_and_no_other():
    documented = set(re.findall(r"^\| `(\w+)`", DOCUMENT, re.MULTILINE))

    assert documented == set(RULES)


def test_every_rule_belongs_to_one_family():
    assert sorted(rule for family in FAMILIES for rule in family.rules) == sorted(RULES)
