"""What routes, inhibitions and silences are about: ``[{label, operator, value}]``, all of which must hold. Pure.

``value`` is a text, for ``in`` a list of texts. ``=``, ``!=`` and ``in`` compare exactly; ``contains`` and
``starts with`` whatever the case. A label that an alert does not have is the empty text. There are no regular
expressions: what people write here is tried against every alert.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from orchestra.kernel.errors import FieldError

LABELS = ("threshold", "metric", "severity", "kind", "agent", "pool", "queue", "workflow")
IS, IS_NOT, IN, CONTAINS, STARTS_WITH = "=", "!=", "in", "contains", "starts with"
OPERATORS = (IS, IS_NOT, IN, CONTAINS, STARTS_WITH)
MOST, MOST_VALUES, LONGEST = 20, 50, 200

SAID = {IS: "is", IS_NOT: "is not", IN: "is one of", CONTAINS: "contains", STARTS_WITH: "starts with"}

Matchers = Sequence[Mapping[str, Any]]


def matches(matchers: Matchers, labels: Mapping[str, str]) -> bool:
    """Whether all of ``matchers`` hold of ``labels``; none at all hold of everything."""
    return all(_holds(matcher, labels.get(matcher["label"], "")) for matcher in matchers)


class Labelled:
    """Many sets of labels, to be asked again and again: which of them fit some matchers.

    Conditions are held against each different value of their label once, not against each set.
    """

    def __init__(self, sets: Sequence[Mapping[str, str]]) -> None:
        self._everything = frozenset(range(len(sets)))
        self._by_value: dict[str, dict[str, set[int]]] = {}
        for name in LABELS:
            values = self._by_value[name] = {}
            for place, labels in enumerate(sets):
                values.setdefault(labels.get(name, ""), set()).add(place)

    def fitting(self, matchers: Matchers) -> list[int]:
        """The places of those sets that all of ``matchers`` hold of, in their order."""
        found: AbstractSet[int] = self._everything
        for matcher in matchers:
            found = found & self._holding(matcher)
        return sorted(found)

    def _holding(self, matcher: Mapping[str, Any]) -> AbstractSet[int]:
        values, wanted = self._by_value[matcher["label"]], matcher["value"]
        if matcher["operator"] in (IS, IN):
            asked = (wanted,) if matcher["operator"] == IS else wanted
            return set().union(*(values.get(value, ()) for value in asked))
        return set().union(*(places for value, places in values.items() if _holds(matcher, value)))


def faults_of(matchers: Any, path: str = "matchers") -> list[FieldError]:
    """What is wrong with ``matchers``, whatever they are; each fault says where, as ``matchers[1].value``."""
    if not isinstance(matchers, list | tuple):
        return [{"path": path, "message": "Give a list of conditions, each with a label, an operator and a value."}]
    if len(matchers) > MOST:
        return [{"path": path, "message": f"Give at most {MOST} conditions."}]
    return [fault for index, matcher in enumerate(matchers) for fault in _faults_of_one(matcher, f"{path}[{index}]")]


def words(matchers: Matchers) -> str:
    """The matchers as part of a sentence: ``severity is critical and agent starts with “billing”``."""
    return " and ".join(_said(matcher) for matcher in matchers) or "every alert"


def cleaned(matchers: Matchers) -> list[dict[str, Any]]:
    """Matchers without faults as they are kept: nothing but the three members, of ``in`` each value once."""
    return [
        {
            "label": matcher["label"],
            "operator": matcher["operator"],
            "value": list(dict.fromkeys(matcher["value"])) if matcher["operator"] == IN else matcher["value"],
        }
        for matcher in matchers
    ]


def for_labels(labels: Mapping[str, str], names: Sequence[str]) -> list[dict[str, Any]]:
    """The matchers of those alerts that share the labels ``names`` with this one."""
    return [{"label": name, "operator": IS, "value": labels[name]} for name in names if labels.get(name)]


def _holds(matcher: Mapping[str, Any], has: str) -> bool:
    operator, value = matcher["operator"], matcher["value"]
    if operator == IN:
        return has in value
    if operator == CONTAINS:
        return value.casefold() in has.casefold()
    if operator == STARTS_WITH:
        return has.casefold().startswith(value.casefold())
    return (has == value) is (operator == IS)


def _faults_of_one(matcher: Any, path: str) -> list[FieldError]:
    if not isinstance(matcher, Mapping):
        return [{"path": path, "message": "Give a label, an operator and a value."}]
    faults: list[FieldError] = []
    if matcher.get("label") not in LABELS:
        faults.append({"path": f"{path}.label", "message": f"Choose one of {', '.join(LABELS)}."})
    operator = matcher.get("operator")
    if operator not in OPERATORS:
        faults.append({"path": f"{path}.operator", "message": f"Choose one of {', '.join(OPERATORS)}."})
    fault = _fault_of_values(matcher.get("value")) if operator == IN else _fault_of_value(matcher.get("value"))
    return [*faults, {"path": f"{path}.value", "message": fault}] if fault else faults


def _fault_of_values(values: Any) -> str:
    if not isinstance(values, list | tuple) or not 1 <= len(values) <= MOST_VALUES:
        return f"Give a list of 1 to {MOST_VALUES} values."
    return next(filter(None, map(_fault_of_value, values)), "")


def _fault_of_value(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\x00" in value:
        return "Give what the label is compared with."
    return "" if len(value) <= LONGEST else f"Give at most {LONGEST} characters."


def _said(matcher: Mapping[str, Any]) -> str:
    value = matcher["value"]
    text = " or ".join(map(_quoted, value)) if matcher["operator"] == IN else _quoted(value)
    return f"{matcher['label']} {SAID[matcher['operator']]} {text}"


def _quoted(value: str) -> str:
    """A single word stands as it is."""
    return value if value.replace("_", "").replace("-", "").isalnum() else f"“{value}”"
