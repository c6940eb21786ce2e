"""What a rule advises, as values: the sentence, the evidence, how strong it is, and what its button does. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from orchestra.kernel.charts import words

OPEN = "open"
"""The action of advice that nobody can follow with one button: it leads to where a person can."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A figure that speaks for the advice. ``unit`` is one of ``charts.UNITS``; ``url`` leads to what it is read from.

    ``value`` may be a text, whose unit is empty.
    """

    label: str
    value: float | str
    unit: str = "count"
    url: str = ""

    @property
    def text(self) -> str:
        return said(self.value, self.unit)


@dataclass(frozen=True, slots=True)
class Action:
    """What the button does: a verb of ``actions.py`` with its arguments, of which ``before`` and ``after`` are tables.

    ``before`` is what the subject was when this was advised, ``after`` what it is to be.
    """

    verb: str
    label: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subject:
    """What the advice is about."""

    kind: str
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Advice:
    """``weight`` grows with the evidence; its scale is the rule's own."""

    rule: str
    subject: Subject
    sentence: str
    weight: float
    evidence: tuple[Evidence, ...]
    action: Action

    @property
    def key(self) -> tuple[str, str, str]:
        """Of one key at most one is open."""
        return self.rule, self.subject.kind, self.subject.id

    @property
    def columns(self) -> dict[str, Any]:
        """What its row keeps, but for the key."""
        return {
            "subject_label": self.subject.label[:150],
            "sentence": self.sentence,
            "weight": self.weight,
            "evidence": [asdict(each) for each in self.evidence],
            "action": {"verb": self.action.verb, "label": self.action.label, "arguments": dict(self.action.arguments)},
        }


def leads_to(url: str, label: str) -> Action:
    """The action of advice that a person has to follow by hand, at ``url``."""
    return Action(OPEN, label, {"url": url})


def said(value: float | str, unit: str) -> str:
    """A value of evidence in words."""
    return value if isinstance(value, str) else words(value, unit)


def times(number: int) -> str:
    """``once``, ``twice``, ``3 times``."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def counted(number: int, one: str, many: str = "") -> str:
    """``1 call``, ``1,200 calls``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
